"""Msgs of agentscope, as its memories dump them, as messages and back. Pure; imports no agentscope.

What a Msg is as a message::

    role, content, name     the same; a name that is the role is left out
    tool_use at the end     the assistant's ``tool_calls``
    a single tool_result    the tool's, with its output as content and its tool as name
    several tool_results    the tool's, with the blocks as they are

``id`` is the same, ``timestamp`` is a local time, and ``created_at`` that instant. What others said
is a Msg in agentscope's own blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import (
    Shape,
    Speech,
    escaped,
    source_of,
    speech_of,
)
from localsessions.adapters.document.messages import EVENT
from localsessions.adapters.document.remainder import are_same
from localsessions.format import encode_value, parse_json
from localsessions.models import format_instant
from localsessions.transcripts.foreign import (
    as_instant,
    as_object,
    as_objects,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.pieces import is_result, shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SHAPE", "Chat", "Msg", "digest", "is_msg"]

Object: TypeAlias = "dict[str, JsonValue]"
Msg: TypeAlias = "dict[str, JsonValue]"
"""``Msg.to_dict()``: id, name, role, content, metadata, timestamp."""

_ROLES = ("user", "assistant", "system")
_SPEAKERS = ("user", "assistant")
_SAID = ("role", "name", "content", "tool_calls", "tool_call_id")


def is_msg(value: object) -> bool:
    """Tell whether a value is what ``Msg.from_dict`` takes."""
    return (
        isinstance(value, dict)
        and value.get("role") in _ROLES
        and isinstance(value.get("name"), str)
        and isinstance(value.get("content"), str | list)
    )


def digest(msg: Msg) -> str:
    """Return a text that is the same only for equal Msgs.

    Raises:
        UnstorableValueError: A value is not JSON.
    """
    try:
        data = json.dumps(msg, sort_keys=True).encode()
    except (TypeError, ValueError):  # bytes, or an integer of more than 4,300 digits
        data = encode_value(escaped(msg))
    return hashlib.sha256(data).hexdigest()


class Chat:
    """The messages of a session, found by id, and as Msgs.

    A message without an id has one that is made of what it says; ``refer`` writes it down.

    Attributes:
        messages: The messages; a list of its own.
        places: The place of each, by id.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages: list[Message] = []
        self.places: dict[str, int] = {}
        self._tools: dict[str, str] | None = None
        for message in messages:
            self._add(message)

    def _add(self, message: Message) -> None:
        own = as_text(message.get("id")) or f"msg_{digest(message)[:24]}"
        while own in self.places:
            own += "~"
        self.places[own] = len(self.messages)
        self.messages.append(message)

    def add(self, msg: Msg) -> None:
        """Add a Msg at the end."""
        self._add(SHAPE.message_of(msg))

    def change(self, place: int, msg: Msg) -> None:
        """Say a Msg in the place of what a message said; its other fields stay."""
        former, made = self.messages[place], SHAPE.message_of(msg)
        stamps = {name: former[name] for name in ("created_at",) if name in former}
        self.messages[place] = {**without(former, *_SAID, SHAPE.key), **made, **stamps}

    def refer(self, own: str) -> str:
        """Return the id of a message, which is in the message from now on."""
        place = self.places[own]
        if "id" not in self.messages[place]:
            self.messages[place] = {"id": own, **self.messages[place]}
        return own

    def is_own(self, place: int) -> bool:
        """Tell whether agentscope said a message."""
        return SHAPE.is_own(self.messages[place])

    def msg_of(self, own: str) -> Msg | None:
        """Return a message as a Msg that shares nothing; None if it is nothing for an agent."""
        message = self.messages[self.places[own]]
        items = SHAPE.items_of({**message, "id": own})
        if not items or not is_msg(items[-1]):
            return None
        msg: Msg = items[-1]
        if not SHAPE.is_own(message):
            for block in as_objects(msg["content"]):
                if is_result(block) and not block["name"]:
                    block["name"] = self._tool(str(block["id"]))
        return msg

    def _tool(self, call_id: str) -> str:
        """Return the tool that was called: a Msg names it, other programs' results need not."""
        if self._tools is None:
            calls = (call for message in self.messages for call in speech_of(message).calls)
            self._tools = {call.id: call.name for call in calls}
        return self._tools.get(call_id, "")


# -- a Msg as a message ----------------------------------------------------------------------------


def _project(msg: Msg) -> Message:
    stamps = _stamps(msg)
    if not is_msg(msg):
        return {**stamps, "role": EVENT}
    role, name, content = str(msg["role"]), msg["name"], msg["content"]
    blocks = content if isinstance(content, list) else []
    if blocks and all(map(is_result, blocks)):
        return {**stamps, "role": "tool", **_result(blocks)}
    named: Message = {} if name == role else {"name": name}
    if role == "assistant" and (calls := _calls_at_the_end(blocks)):
        kept = blocks[: -len(calls)]
        said: Message = {"content": kept} if kept else {}
        return {**stamps, "role": role, **named, **said, "tool_calls": calls}
    return {**stamps, "role": role, **named, "content": content}


def _stamps(msg: Msg) -> Message:
    own = as_text(msg.get("id"))
    stamps: Message = {} if own is None else {"id": own}
    try:
        said_at = datetime.fromisoformat(str(msg.get("timestamp"))).astimezone(UTC)
        stamps["created_at"] = format_instant(said_at)
    except (ValueError, OverflowError, OSError):  # no time, or none that this system knows
        pass
    return stamps


def _result(blocks: list[JsonValue]) -> Message:
    block = as_object(blocks[0])
    call_id, tool = as_text(block.get("id")), as_text(block.get("name"))
    if len(blocks) > 1 or call_id is None or "output" not in block:
        return {"content": blocks}
    named: Message = {} if tool is None else {"name": tool}
    return {**named, "content": block["output"], "tool_call_id": call_id}


def _calls_at_the_end(blocks: Sequence[JsonValue]) -> list[JsonValue]:
    calls: list[JsonValue] = []
    for block in reversed(blocks):
        fields = as_object(block)
        if fields.get("type") != "tool_use" or "input" not in fields:
            break
        function: Object = {"name": fields.get("name"), "arguments": _arguments(fields)}
        calls.insert(0, {"id": fields.get("id"), "type": "function", "function": function})
    return calls


def _arguments(block: Object) -> str:
    """Return the input as a text: as the model wrote it, if that says the same."""
    raw = block.get("raw_input")
    if isinstance(raw, str):
        try:
            if are_same(_parsed(raw), block["input"]):
                return raw
        except ValueError:  # agentscope repairs what a model wrote; the block has both
            pass
    return json_text(block["input"])


def _parsed(text: str) -> JsonValue:
    return parse_json(text.encode(errors="surrogatepass"))


# -- a message as a Msg ----------------------------------------------------------------------------


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        return _heard(message, speech_of(message))
    role = message["role"]
    if role == EVENT:
        return []
    own: Object = {"id": message.get("id"), "metadata": {}}
    if role == "tool":
        return [{**own, "content": _results(message)}]
    named = message.get("name", role)
    return [{**own, "name": named, "role": role, "content": _content(message)}]


def _results(message: Message) -> JsonValue:
    if "tool_call_id" not in message:
        return message.get("content")
    result: Object = {"type": "tool_result", "id": message["tool_call_id"]}
    named: Object = {"name": message["name"]} if "name" in message else {}
    return [{**result, **named, "output": message.get("content")}]


def _content(message: Message) -> JsonValue:
    content = message.get("content")
    calls = [_tool_use(call) for call in as_objects(message.get("tool_calls"))]
    if not calls:
        return "" if content is None else content
    before = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [*(before if isinstance(before, list) else []), *calls]


def _tool_use(call: Object) -> JsonValue:
    function = as_object(call.get("function"))
    arguments = str(function.get("arguments"))
    try:
        given = _parsed(arguments)
    except ValueError:  # a person's edit
        given = {"input": arguments}
    return _called(call.get("id"), function.get("name"), given, arguments)


def _called(call_id: JsonValue, name: JsonValue, given: JsonValue, arguments: str) -> JsonValue:
    called: Object = {"type": "tool_use", "id": call_id, "name": name, "input": given}
    return {**called, "raw_input": arguments}


def _heard(message: Message, said: Speech) -> list[Object]:
    """Return the Msg of a message of another program; its reasoning and prompts are its own."""
    blocks: list[JsonValue] = []
    for one in said.results:
        result: Object = {"type": "tool_result", "id": one.call_id, "name": one.name}
        blocks.append({**result, "output": _output([*map(_block, one.parts)])})
    if said.role in _SPEAKERS:
        blocks += map(_block, said.parts)
    for call in said.calls:
        blocks.append(_called(call.id, call.name, _given(call.arguments), call.arguments))
    if not blocks:
        return []
    # agentscope's agents keep results as the system's.
    role = "system" if len(blocks) == len(said.results) else said.role
    name = as_text(message.get("name")) if role in _SPEAKERS else None
    msg: Object = {"id": message.get("id"), "name": name or role, "role": role}
    return [{**msg, "content": _output(blocks), "metadata": {}, **_timestamp(message)}]


def _timestamp(message: Message) -> Object:
    """Return when it was said, as agentscope writes it."""
    said_at = as_instant(message.get("created_at"))
    if said_at is None:
        return {}
    try:
        return {"timestamp": said_at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]}
    except (ValueError, OverflowError, OSError):
        return {}


def _given(arguments: str) -> JsonValue:
    """Return arguments as agentscope takes them: an object."""
    try:
        given = _parsed(arguments)
    except ValueError:
        given = None
    return given if isinstance(given, dict) else {"input": arguments}


def _output(blocks: list[JsonValue]) -> JsonValue:
    """Return blocks, or the text if they are one text."""
    only = as_object(blocks[0]) if len(blocks) == 1 else {}
    return only["text"] if only.get("type") == "text" else blocks


def _block(part: Object) -> JsonValue:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if kind == "image_url":
        return {"type": "image", "source": source_of(str(as_object(part["image_url"])["url"]))}
    return {"type": "text", "text": json_text(shortened(part))}


SHAPE = Shape("agentscope", _project, _build)
"""Msgs as messages; see the module."""
