"""Content blocks of the Anthropic Messages API, as several programs keep them.

    text, thinking, image, ...   a part of the content
    tool_use                     a call of the message
    tool_result                  a message of the tool

A record with results becomes several messages, so that each result follows its call. The first has
the id of the record and all that the record says beside its content; the others have ids made of
it. https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.format import parse_json
from localsessions.transcripts.foreign import Object, as_text, json_text, without
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = [
    "arguments_text",
    "block_messages",
    "picture_part",
    "text_part",
    "thinking_part",
    "with_thoughts",
]


def block_messages(
    role: str,
    content: JsonValue,
    rest: Mapping[str, JsonValue],
    *,
    id: str | None,  # noqa: A002  (the field's own name)
    time_key: str,
) -> list[Message]:
    """Return the messages of a record: at least one, even if it says nothing.

    Args:
        role: Who said what is not a result.
        content: A text, or blocks.
        rest: What the record says beside the content.
        id: The id of the record.
        time_key: The key of ``rest`` that says when it was said.
    """
    record = _Record(role, dict(rest), id, time_key)
    if isinstance(content, list):
        for block in content:
            record.take(block)
        record.finish()
    else:
        record.say(content)
    return record.messages


@dataclass(slots=True)
class _Record:
    role: str
    rest: Object
    own_id: str | None
    time_key: str
    messages: list[Message] = field(default_factory=list)
    parts: list[JsonValue] = field(default_factory=list)
    calls: list[Object] = field(default_factory=list)
    unanswered: dict[str, str | None] = field(default_factory=dict)
    called: int = 0

    def take(self, block: JsonValue) -> None:
        fields = block if isinstance(block, dict) else {}
        kind = as_text(fields.get("type")) or ""
        if kind.endswith("tool_use"):
            self._call(fields)
        elif kind.endswith("tool_result"):
            self._result(fields)
        elif kind == "reasoning" and as_text(fields.get("text")):
            self.parts.append(thinking_part(fields["text"], without(fields, "type", "text")))
        else:
            self.parts.append(block)

    def say(self, content: JsonValue) -> None:
        self._add(self.role, {}, content=content, tool_calls=self.calls)
        self.parts, self.calls = [], []

    def finish(self) -> None:
        if self.parts or self.calls or not self.messages:
            self.say(self.parts or None)

    def _call(self, block: Object) -> None:
        self.called += 1
        call_id = as_text(block.get("id")) or f"{self.own_id or ''}_call_{self.called}"
        self.unanswered[call_id] = as_text(block.get("name"))
        around = without(block, "type", "id", "name", "input", "function")
        call = tool_call(call_id, block.get("name"), arguments_text(block.get("input")))
        self.calls.append(call | around)

    def _result(self, block: Object) -> None:
        if self.parts or self.calls:
            self.say(self.parts or None)
        name = as_text(block.get("name"))
        call_id = as_text(block.get("tool_use_id")) or self._unanswered(name)
        if call_id is not None:
            self.unanswered.pop(call_id, None)
        around = without(block, "type", "tool_use_id", "content", "name")
        self._add("tool", around, content=block.get("content"), name=name, tool_call_id=call_id)

    def _unanswered(self, name: str | None) -> str | None:
        """Return the first call without a result, of that name if there is one."""
        named = (key for key, called in self.unanswered.items() if called == name)
        return next(named, next(iter(self.unanswered), None))

    def _add(
        self,
        role: str,
        around: Object,
        *,
        content: JsonValue,
        name: str | None = None,
        tool_calls: list[Object] | None = None,
        tool_call_id: str | None = None,
    ) -> None:
        number = len(self.messages) + 1
        rest = self.rest
        if number > 1:
            rest = {key: self.rest[key] for key in (self.time_key,) if key in self.rest}
        own_id = self.own_id if number == 1 or self.own_id is None else f"{self.own_id}_{number}"
        self.messages.append(
            message(
                role,
                {**around, **rest},
                id=own_id,
                content=content,
                time_key=self.time_key,
                name=name,
                tool_calls=tool_calls or (),
                tool_call_id=tool_call_id,
            )
        )


def arguments_text(value: JsonValue) -> JsonValue:
    """Return arguments of a call that are JSON, also if the program wrote a text that is none."""
    if not isinstance(value, str) or not value.strip():
        return value if not isinstance(value, str) else {}
    try:
        parse_json(value.encode(errors="replace"))
    except ValueError:
        return json_text({"input": value})
    return value


def text_part(value: JsonValue) -> JsonValue:
    """Return a text as a part of a content; what is no text is a part already."""
    return {"type": "text", "text": value} if isinstance(value, str) else value


def thinking_part(text: JsonValue, around: Object | None = None) -> JsonValue:
    """Return reasoning as a part of a content."""
    return {"type": "thinking", "thinking": text, **(around or {})}


def with_thoughts(thoughts: list[JsonValue], text: JsonValue) -> JsonValue:
    """Return a content of reasoning and a text; the text alone if there is no reasoning."""
    if not thoughts:
        return text
    return [*thoughts, {"type": "text", "text": text}] if text else thoughts


def picture_part(data: str, media_type: str | None, around: Object | None = None) -> JsonValue:
    """Return a picture, whose bytes are base64, as a part of a chat-completions message."""
    url = f"data:{media_type or 'image/png'};base64,{data}"
    return {"type": "image_url", "image_url": {"url": url}, **(around or {})}
