"""A message, made from one record of Claude Code.

A record of type ``user`` or ``assistant`` is a message: its own facts (``uuid``, ``parentUuid``,
``cwd``, ``toolUseResult``, ...) around an Anthropic ``message`` (``content`` blocks, ``model``,
``usage``, ...). Both levels become keys of one stored message. The inner ``id`` becomes
``message_id``, because other records refer to the ``uuid``.

Two other records are messages. An ``attachment`` of the type ``queued_command`` holds what came in
while the model worked: a message if a person typed it, but notices of tasks and other agents are
not. A ``system`` record of the subtype ``local_command`` holds a command that the program ran
without the model, or what the command printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
    without,
)
from localsessions.transcripts.programs.claude_records import SPEAKERS
from localsessions.transcripts.programs.claude_typed import is_output, texts_of, typed_text
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["is_message", "is_queued_prompt", "message_of", "spoken_of"]

_RESULT_TEXTS = ("content", "stderr", "stdout")
_MODES_OF_A_PERSON = (None, "prompt", "bash")


def spoken_of(record: Object) -> JsonValue:
    """Return what a record says, without its facts; two records may say the same."""
    kind = record.get("type")
    return record.get({"attachment": "attachment", "system": "content"}.get(str(kind), "message"))


def is_message(record: Object) -> bool:
    """Tell whether a record is a message; the others are bookkeeping."""
    kind = record.get("type")
    if kind == "attachment":
        return is_queued_prompt(record)
    return kind in SPEAKERS or (kind == "system" and record.get("subtype") == "local_command")


def message_of(record: Object) -> Message:
    """Return the message that a record is; only for those of which ``is_message`` is true."""
    kind = record.get("type")
    if kind == "attachment":
        return _queued(record)
    return _local_command(record) if kind == "system" else _spoken(record)


def is_queued_prompt(record: Object) -> bool:
    """Tell whether an attachment is what a person typed while the model worked.

    ``origin`` says who it was; before there was one, the mode and the text said it.
    """
    attachment = as_object(record.get("attachment"))
    prompt = attachment.get("prompt")
    if attachment.get("type") != "queued_command" or not prompt:
        return False
    origin = as_text(as_object(attachment.get("origin")).get("kind"))
    if origin is not None:
        return origin == "human"
    mode = attachment.get("commandMode")
    is_of_program = True in (attachment.get("isMeta"), record.get("isMeta"))
    if is_of_program or mode not in _MODES_OF_A_PERSON:
        return False
    return bool(typed_text(prompt)) or not texts_of(prompt)


def _queued(record: Object) -> Message:
    attachment = as_object(record.get("attachment"))
    return message(
        "user",
        without(record, "type", "uuid", "sessionId")
        | {"attachment": without(attachment, "prompt")},
        id=record.get("uuid"),
        content=attachment.get("prompt"),
    )


def _local_command(record: Object) -> Message:
    content = record.get("content")
    return message(
        "system" if isinstance(content, str) and is_output(content) else "user",
        without(record, "type", "uuid", "sessionId", "content"),
        id=record.get("uuid"),
        content=content,
    )


def _spoken(record: Object) -> Message:
    spoken = record.get("message")
    inner = as_object(spoken)
    # The message's place in the session already says its type and its session.
    rest = without(record, "type", "uuid", "message", "sessionId")
    if isinstance(spoken, dict):
        rest |= without(inner, "content", "id", "role") | present(message_id=inner.get("id"))
        if rest.get("type") == "message":
            del rest["type"]
    elif not isinstance(spoken, str):
        rest["message"] = spoken
    content = inner.get("content") if isinstance(spoken, dict) else as_text(spoken)
    parts = as_objects(content)
    kinds = [part.get("type") for part in parts]
    are_results = bool(parts) and kinds.count("tool_result") == len(as_list(content))
    if are_results and len(parts) == 1:
        return _result(record, parts[0], rest)
    has_calls = "tool_use" in kinds
    return message(
        "tool" if are_results else as_text(inner.get("role")) or str(record["type"]),
        rest,
        id=record.get("uuid"),
        content=_without_calls(content) if has_calls else None if content == [] else content,
        tool_calls=[
            tool_call(part.get("id"), part.get("name"), part.get("input"))
            for part, kind in zip(parts, kinds, strict=True)
            if kind == "tool_use"
        ],
    )


def _result(record: Object, part: Object, rest: Object) -> Message:
    content = part.get("content")
    return message(
        "tool",
        _without_copy(rest, content) | without(part, "type", "tool_use_id", "content"),
        id=record.get("uuid"),
        content=content,
        tool_call_id=part.get("tool_use_id"),
    )


def _without_copy(rest: Object, content: JsonValue) -> Object:
    """Leave out of ``toolUseResult`` what repeats the content exactly."""
    result = rest.get("toolUseResult")
    if not content or result is None:
        return rest
    if result == content or (isinstance(content, str) and result == f"Error: {content}"):
        return without(rest, "toolUseResult")
    if image := _image_of(as_object(result), content):
        return rest | {"toolUseResult": image}
    texts = {key: as_object(result).get(key) for key in _RESULT_TEXTS}
    copies = [key for key, text in texts.items() if text and _repeats(text, content)]
    return rest | {"toolUseResult": without(as_object(result), *copies)} if copies else rest


def _image_of(result: Object, content: JsonValue) -> Object:
    """Return the result of reading an image without the data, if the content has the same data."""
    file = as_object(result.get("file"))
    shown = [as_object(part.get("source")).get("data") for part in as_objects(content)]
    is_shown = as_text(file.get("base64")) is not None and file["base64"] in shown
    return result | {"file": without(file, "base64")} if is_shown else {}


def _repeats(text: JsonValue, content: JsonValue) -> bool:
    return text == content or (
        isinstance(text, list) and all(part in as_list(content) for part in text)
    )


def _without_calls(content: JsonValue) -> JsonValue:
    """Keep of each ``tool_use`` only what ``tool_calls`` lacks: its place, other keys."""
    if not isinstance(content, list):
        return content
    parts: list[JsonValue] = [
        without(part, "name", "input")
        if isinstance(part, dict) and part.get("type") == "tool_use"
        else part
        for part in content
    ]
    # The usual place is at the end, so a bare call there needs no entry.
    while parts and _is_bare_call(parts[-1]):
        del parts[-1]
    return parts or None


def _is_bare_call(part: JsonValue) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_use" and set(part) <= {"type", "id"}
