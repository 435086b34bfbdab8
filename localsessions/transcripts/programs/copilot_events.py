"""What an event of GitHub Copilot CLI becomes: messages, or nothing.

    user.message                  a message of the user; pictures and documents become parts
    assistant.message             text, reasoning and calls (``toolRequests``) of the model
    assistant.reasoning           reasoning, unless the message that follows repeats it
    tool.execution_complete       a result; ``tool.execution_start`` only if no message asked for it
    tool.user_requested           a command that a person runs with "!"
    ..._input, permission, ...    only what a person answered or wants otherwise
    system.message                once, while it stays the same
    session.info, warning, ...    a notice of the system
    session.compaction_complete   the summary; what a person wants it to say is said by the person

Bytes may stand in an event of their own, ``session.binary_asset``, under an ``assetId``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    filled,
    json_text,
    without,
)
from localsessions.transcripts.programs.blocks import (
    arguments_text,
    picture_part,
    text_part,
    thinking_part,
)
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["Events"]

_NOTICES = {
    "session.error": ("message",),
    "session.warning": ("message",),
    "session.info": ("message",),
    "session.handoff": ("summary", "context"),
    "session.compaction_complete": ("summaryContent",),
    "system.notification": ("content",),
    "skill.invoked": ("content",),
}
_ANSWERS = {
    "user_input.completed": "answer",
    "exit_plan_mode.completed": "feedback",
    "elicitation.completed": "content",
    "command.queued": "command",
    "command.execute": "command",
}
_ENVELOPE = ("id", "type", "data")


class Events:
    """Makes messages of the events of a file, one after another."""

    def __init__(self, events: Sequence[Object]) -> None:
        spoken = [
            (at, as_object(event.get("data")))
            for at, event in enumerate(events)
            if event.get("type") == "assistant.message"
        ]
        self._reasoning = {as_text(data.get("reasoningText")) for _, data in spoken}
        self._after_last = max((at for at, _ in spoken), default=-1)
        self._at = -1
        self._requested: set[str] = set()
        self._commands: set[str] = set()
        self._system: dict[str | None, JsonValue] = {}
        self._assets = {
            asset: data
            for event in events
            if event.get("type") == "session.binary_asset"
            and (data := as_object(event.get("data")))
            and (asset := as_text(data.get("assetId")))
        }

    def messages(self, kind: str, event: Object, data: Object, agent: str | None) -> list[Message]:
        """Return what the next event says; empty if nothing.

        Args:
            kind: The type of the event.
            event: The event.
            data: Its data.
            agent: The sub-agent that it is of.
        """
        self._at += 1
        if kind == "user.message":
            return [self._user(event, data)]
        if kind == "assistant.message":
            return self._assistant(event, data)
        if kind == "assistant.reasoning":
            return self._thoughts(event, data)
        if kind == "tool.execution_complete":
            return [self._result(event, data)]
        if kind in ("tool.execution_start", "tool.user_requested"):
            return self._call(kind, event, data)
        if kind == "system.message":
            return self._instructions(event, data, agent)
        if kind in _NOTICES:
            return self._notice(kind, event, data)
        return self._answer(kind, event, data)

    def _user(self, event: Object, data: Object) -> Message:
        attached: list[JsonValue] = []
        beside: list[JsonValue] = []
        for attachment in as_list(data.get("attachments")):
            part = self._bytes(as_object(attachment))
            if part is None:
                beside.append(attachment)
            else:
                attached.append(part)
        rest = without(data, "content", "attachments")
        if beside:
            rest["attachments"] = beside
        if rest.get("transformedContent") == data.get("content"):
            rest.pop("transformedContent", None)
        content = _content(data.get("content"), attached)
        return _message("user", event, rest, content=content)

    def _assistant(self, event: Object, data: Object) -> list[Message]:
        requests = as_objects(data.get("toolRequests"))
        self._requested |= {call for one in requests if (call := as_text(one.get("toolCallId")))}
        reasoning = as_text(data.get("reasoningText"))
        content = data.get("content") or None
        if reasoning:
            texts: list[JsonValue] = [] if content is None else [text_part(content)]
            content = [thinking_part(reasoning), *texts]
        if content is None and not requests:
            return []
        calls = [
            _called(one.get("toolCallId"), one.get("name"), one.get("arguments"))
            | without(one, "toolCallId", "name", "arguments", "type", "id", "function")
            for one in requests
        ]
        rest = without(data, "content", "toolRequests", "reasoningText")
        return [_message("assistant", event, rest, content=content, tool_calls=calls)]

    def _thoughts(self, event: Object, data: Object) -> list[Message]:
        text = as_text(data.get("content"))
        if text is None or text in self._reasoning:
            return []
        rest = without(data, "content")
        if self._at > self._after_last:
            rest["pending"] = True  # the message that will follow may repeat it
        return [_message("assistant", event, rest, content=[thinking_part(text)])]

    def _call(self, kind: str, event: Object, data: Object) -> list[Message]:
        call_id, arguments = as_text(data.get("toolCallId")), data.get("arguments")
        if call_id in self._requested:
            return []
        if call_id:
            self._requested.add(call_id)
        call = _called(call_id, data.get("toolName"), arguments)
        rest = without(data, "toolCallId", "toolName", "arguments")
        if kind == "tool.execution_start":
            return [_message("assistant", event, rest, tool_calls=[call])]
        words = as_text(as_object(arguments).get("command")) or as_text(arguments)
        content = words or json_text(arguments)
        return [_message("user", event, rest, content=content, tool_calls=[call])]

    def _result(self, event: Object, data: Object) -> Message:
        result, error = data.get("result"), as_object(data.get("error"))
        fields = as_object(result)
        text = fields.get("content") if isinstance(result, dict) else result
        rest = without(data, "toolCallId", "result", "error")
        if not text and as_text(error.get("message")):
            text = error["message"]
            error = without(error, "message")
        if error:
            rest["error"] = error
        parts: list[JsonValue] = []
        for key in ("contents", "binaryResultsForLlm"):
            listed = as_list(fields.get(key))
            made = [self._bytes(as_object(block)) for block in listed]
            parts += [part for part in made if part is not None and part not in parts]
            unread = [block for block, part in zip(listed, made, strict=True) if part is None]
            fields = without(fields, key) | ({key: unread} if unread else {})
        around = without(fields, "content")
        if around.get("detailedContent") in (text, None):
            around.pop("detailedContent", None)
        if around:
            rest["result"] = around
        content = _content(text, parts)
        return _message("tool", event, rest, content=content, tool_call_id=data.get("toolCallId"))

    def _instructions(self, event: Object, data: Object, agent: str | None) -> list[Message]:
        if self._system.get(agent) == data.get("content"):
            return []
        self._system[agent] = data.get("content")
        role = as_text(data.get("role")) or "system"
        rest = without(data, "content", "role", "name")
        name = data.get("name")
        return [_message(role, event, rest, content=data.get("content"), name=name)]

    def _notice(self, kind: str, event: Object, data: Object) -> list[Message]:
        keys = _NOTICES[kind]
        text = "\n\n".join(words for key in keys if (words := as_text(data.get(key))))
        made: list[Message] = []
        if wanted := as_text(data.get("customInstructions")):
            own_id = f"{as_text(event.get('id')) or kind}_instructions"
            made.append(_message("user", {**event, "id": own_id}, {}, content=wanted))
        if text:
            rest = {"type": kind} | without(data, *keys, "customInstructions", "name")
            made.append(_message("system", event, rest, content=text, name=data.get("name")))
        return made

    def _answer(self, kind: str, event: Object, data: Object) -> list[Message]:
        """Return what a person said to a question of the program."""
        key = _ANSWERS.get(kind)
        said: JsonValue = data.get(key) if key else None
        if kind == "permission.completed":
            said = as_object(data.get("result")).get("feedback")
        if kind.startswith("command."):
            request = as_text(data.get("requestId")) or str(said)
            said = None if request in self._commands else said
            self._commands.add(request)
        if not said:
            return []
        text = said if isinstance(said, str) else json_text(said)
        rest = {"type": kind} | (without(data, key) if key else data)
        return [_message("user", event, rest, content=text)]

    def _bytes(self, block: Object) -> JsonValue:
        """Return a part with the bytes of an attachment or of a result; None if it has none."""
        asset = self._assets.get(as_text(block.get("assetId")) or "", {})
        data = as_text(block.get("data")) or as_text(asset.get("data"))
        media_type = as_text(block.get("mimeType")) or as_text(asset.get("mimeType"))
        if data is None or media_type is None:
            return None
        around = without(block, "type", "data", "mimeType", "assetId", "byteLength")
        if media_type.startswith("image/"):
            return picture_part(data, media_type, without(around, "image_url"))
        file: Object = {"file_data": f"data:{media_type};base64,{data}"}
        if name := as_text(block.get("displayName")):
            file["filename"] = name
        return {"type": "file", "file": file, **without(around, "file", "displayName")}


def _message(
    role: str,
    event: Object,
    rest: Object,
    *,
    content: JsonValue = None,
    name: JsonValue = None,
    tool_calls: Sequence[Object] = (),
    tool_call_id: JsonValue = None,
) -> Message:
    said = filled(rest)
    return message(
        role,
        {**said, **without(event, *_ENVELOPE)},
        id=event.get("id"),
        content=content,
        name=name,
        tool_calls=tool_calls,
        tool_call_id=tool_call_id,
    )


def _called(call_id: JsonValue, name: JsonValue, arguments: JsonValue) -> Object:
    return tool_call(call_id, name, arguments_text(arguments))


def _content(text: JsonValue, parts: list[JsonValue]) -> JsonValue:
    if not parts:
        return text
    return [text_part(text), *parts] if text else parts
