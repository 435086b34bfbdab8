"""What an item of a Codex rollout becomes as a message.

An item is a value of the Responses API: something said, a call, a result, reasoning. Its kinds are
those of ``ResponseItem`` in
https://github.com/openai/codex/blob/main/codex-rs/protocol/src/models.rs, and new ones come with
most versions. So a kind is told from the end of its name (``..._call``, ``..._output``), and an
item of any other kind is something said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.transcript import message, told_text, tool_call

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["compacted_message", "is_item", "is_said", "item_message", "squeezed", "thinking"]

_UNSAID = frozenset({"ghost_snapshot", "additional_tools", "compaction_trigger"})
"""Items for the program only: the state of the files, the tools that it has, a command."""

_ARGUMENTS = ("arguments", "action", "input", "revised_prompt")
_OUTPUTS = ("output", "result", "tools", "content")
_SAID = ("content", "text", "message")


def is_said(item: str | None) -> bool:
    """Tell whether an item is a message: everything but what is for the program only."""
    return item not in _UNSAID


def is_item(value: Object) -> bool:
    """Tell whether an object without an envelope is an item, from its shape."""
    kind = as_text(value.get("type")) or ""
    return (
        (kind == "message" and "role" in value and isinstance(value.get("content"), list))
        or (kind == "reasoning" and isinstance(value.get("summary"), list))
        or (kind.endswith(("_call", "_call_output")) and "call_id" in value)
    )


def item_message(item: str | None, payload: Object, around: Object, *, made_id: str) -> Message:
    """Return the message of an item.

    Args:
        item: The kind of the item.
        payload: The item.
        around: What its record says beside it, for example the time.
        made_id: The id of the message if the item has none.
    """
    own_id = as_text(payload.get("id"))
    rest = around | (without(payload, "id") if own_id or payload.get("id") is None else payload)
    if item and item.endswith("_call"):
        return _call(item, payload, rest, own_id, made_id)
    if item and item.endswith(("_output", "_result")):
        return _result(payload, rest, own_id or made_id)
    if item == "reasoning":
        thoughts = [*thinking(payload.get("summary")), *thinking(payload.get("content"))]
        rest = without(rest, "summary", "content")
        return message("assistant", rest, id=own_id or made_id, content=thoughts or None)
    key = _first_of(_SAID, payload)
    role = as_text(payload.get("role"))
    rest = without(rest, key, *(("role",) if role else ()))
    rest = without(rest, "type") if item == "message" else rest
    content = payload.get(key)
    return message(role or "assistant", rest, id=own_id or made_id, content=content)


def _first_of(keys: tuple[str, ...], payload: Object) -> str:
    return next((key for key in keys if payload.get(key) is not None), keys[0])


def _call(item: str, payload: Object, rest: Object, own_id: str | None, made_id: str) -> Message:
    key = _first_of(_ARGUMENTS, payload)
    arguments = payload.get(key)
    if key in ("input", "revised_prompt"):
        # The input of a custom tool is free text, for example a patch; arguments must be JSON.
        arguments = {key: arguments}
    name = as_text(payload.get("name")) or as_text(as_object(payload.get("function")).get("name"))
    call_id = as_text(payload.get("call_id")) or own_id or f"call_{made_id}"
    picture = _picture(payload) if item == "image_generation_call" else []
    rest = without(rest, "call_id", key, *(("result",) if picture else ()))
    if as_text(payload.get("name")):
        rest = without(rest, "name")
    return message(
        "assistant",
        rest,
        id=own_id or made_id,
        content=picture or None,
        tool_calls=[tool_call(call_id, name or item.removesuffix("_call"), arguments)],
    )


def _picture(payload: Object) -> list[JsonValue]:
    """Return the picture that a call made, as a part of a chat-completions message."""
    result = as_text(payload.get("result"))
    if result is None:
        return []
    kind = as_text(payload.get("output_format")) or "png"
    is_url = result.startswith(("data:", "https:", "http:"))
    url = result if is_url else f"data:image/{kind};base64,{result}"
    return [{"type": "image_url", "image_url": {"url": url}}]


def _result(payload: Object, rest: Object, message_id: str) -> Message:
    key = _first_of(_OUTPUTS, payload)
    output = payload.get(key)
    return message(
        "tool",
        without(rest, "call_id", key),
        id=message_id,
        content=json_text(output) if key == "tools" else _readable(output),
        tool_call_id=payload.get("call_id"),
    )


def _readable(output: JsonValue) -> JsonValue:
    """Return an output as a content in which people and the search find its text."""
    if output is None or isinstance(output, str | list):
        return output
    parts: list[JsonValue] = [output]
    return parts if told_text({"content": parts}) else json_text(output)


def thinking(parts: JsonValue) -> list[JsonValue]:
    """Return reasoning as content parts of the kind that all formats have."""
    listed = [parts] if isinstance(parts, str) and parts else as_list(parts)
    return [_thought(part) for part in listed]


def _thought(part: JsonValue) -> JsonValue:
    fields = {"text": part} if isinstance(part, str) else as_object(part)
    text = as_text(fields.get("text"))
    if text is None:
        return part
    return {"type": "thinking", "thinking": text, **without(fields, "type", "text", "thinking")}


def compacted_message(
    payload: Object, around: Object, news: list[JsonValue], *, made_id: str
) -> Message:
    """Return the message of a compaction: the summary that the model goes on from.

    Args:
        payload: The compaction.
        around: What its record says beside it.
        news: What of its ``replacement_history`` no item before it has said.
        made_id: The id of the message.
    """
    summary = as_text(payload.get("message"))
    rest = around | without(payload, "message", "replacement_history") | {"type": "compacted"}
    if summary and news:
        rest["replacement_history"] = news
    return message("assistant", rest, id=made_id, content=summary or news or None)


def squeezed(content: JsonValue) -> str:
    """Return the text of a content without spaces, to compare what was written in two ways."""
    return "".join(told_text({"content": content}).split())
