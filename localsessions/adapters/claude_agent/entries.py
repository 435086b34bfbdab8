"""Entries of a transcript of Claude's as messages, and back. Pure; imports no SDK.

An entry of type ``user`` or ``assistant`` is what its ``message`` says, in Anthropic's blocks:
calls become ``tool_calls``, a single result is the tool's message. Its ``uuid`` is the ``id``, its
``timestamp`` is ``created_at``. Every other entry is an event.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import (
    Shape,
    Speech,
    source_of,
    speech_of,
)
from localsessions.adapters.document.messages import EVENT
from localsessions.format import parse_json
from localsessions.transcripts.foreign import (
    as_instant_text,
    as_object,
    as_objects,
    as_text,
    json_text,
)
from localsessions.transcripts.pieces import is_result, shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SHAPE", "entries_of"]

Object: TypeAlias = "dict[str, JsonValue]"

_SPEAKERS = ("user", "assistant")


def entries_of(messages: Sequence[Message], session_id: str) -> list[Object]:
    """Return the entries of messages, each ``uuid`` once.

    A message of another program gets the place in the chain that an entry has: the SDK follows
    ``parentUuid`` from the last entry to the first.

    Args:
        messages: Of a session.
        session_id: The transcript's id for the SDK.
    """
    entries: list[Object] = []
    known: set[str] = set()
    last: str | None = None
    for message in messages:
        for entry in SHAPE.items_of(message):
            own = as_text(entry.get("uuid")) if isinstance(entry, dict) else None
            if own is not None and own in known:
                continue
            if not SHAPE.is_own(message):
                entry |= {"parentUuid": last, "sessionId": session_id, "isSidechain": False}
            entries.append(entry)
            if own is not None:
                known.add(own)
                last = own
    return entries


# -- an entry as a message -------------------------------------------------------------------------


def _project(entry: Object) -> Message:
    spoken = as_object(entry.get("message"))
    stamps = _stamps(entry)
    if entry.get("type") not in _SPEAKERS or spoken.get("role") != entry["type"]:
        return {**stamps, "role": EVENT}
    role, content = str(entry["type"]), spoken.get("content")
    blocks = content if isinstance(content, list) else []
    if role == "user" and len(blocks) == 1 and is_result(blocks[0]):
        result = as_object(blocks[0])
        if call_id := as_text(result.get("tool_use_id")):
            said: Message = {"role": "tool", "tool_call_id": call_id}
            return {
                **stamps,
                **said,
                **({"content": result["content"]} if "content" in result else {}),
            }
    if role == "assistant" and (calls := _calls_at_the_end(blocks)):
        kept = blocks[: -len(calls)]
        said = {"role": role, **({"content": kept} if kept else {}), "tool_calls": calls}
        return {**stamps, **said}
    return {**stamps, "role": role, **({"content": content} if "content" in spoken else {})}


def _stamps(entry: Object) -> Message:
    own, said_at = as_text(entry.get("uuid")), entry.get("timestamp")
    stamps: Message = {} if own is None else {"id": own}
    if isinstance(said_at, str) and as_instant_text(said_at) == said_at:
        stamps["created_at"] = said_at
    return stamps


def _calls_at_the_end(blocks: Sequence[JsonValue]) -> list[JsonValue]:
    calls: list[JsonValue] = []
    for block in reversed(blocks):
        fields = as_object(block)
        if fields.get("type") != "tool_use" or "input" not in fields:
            break
        function: Object = {"name": fields.get("name"), "arguments": json_text(fields["input"])}
        calls.insert(0, {"id": fields.get("id"), "type": "function", "function": function})
    return calls


# -- a message as entries --------------------------------------------------------------------------


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        return _spoken(message, speech_of(message))
    stamps = _stamped(message)
    return [stamps if message["role"] == EVENT else {**stamps, "message": _inner(message)}]


def _stamped(message: Message) -> Object:
    """Return the uuid and the time of an entry; what has no uuid mostly has no time either."""
    own = as_text(message.get("id"))
    if own is None or own.startswith("msg_"):  # the store made it
        return {}
    return {"uuid": own, "timestamp": message.get("created_at")}


def _inner(message: Message) -> Object:
    role, content = message["role"], message.get("content")
    if role == "tool":
        result: Object = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
        if "content" in message:
            result["content"] = content
        return {"role": "user", "content": [result]}
    calls = [_tool_use(call) for call in as_objects(message.get("tool_calls"))]
    if calls:
        before = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return {"role": role, "content": [*(before if isinstance(before, list) else []), *calls]}
    return {"role": role, "content": content} if "content" in message else {"role": role}


def _tool_use(call: Object) -> JsonValue:
    function = as_object(call.get("function"))
    given = _parsed(function.get("arguments"))
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


def _parsed(arguments: JsonValue) -> JsonValue:
    try:
        return parse_json(str(arguments).encode(errors="surrogatepass"))
    except ValueError:  # a person's edit
        return {"input": arguments}


def _spoken(message: Message, said: Speech) -> list[Object]:
    """Return the entry of a message of another program; its reasoning and prompts are its own."""
    blocks: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": one.call_id, "content": [*map(_block, one.parts)]}
        for one in said.results
    ]
    if said.role in _SPEAKERS:
        blocks += map(_block, said.parts)
    for call in said.calls:
        called: Object = {"id": call.id, "name": call.name, "input": _parsed(call.arguments)}
        blocks.append({"type": "tool_use", **called})
    if not blocks:
        return []
    role = "assistant" if said.role == "assistant" else "user"
    stamps: Object = {"uuid": _uuid_of(message.get("id")), "timestamp": message.get("created_at")}
    return [{"type": role, **stamps, "message": {"role": role, "content": blocks}}]


def _uuid_of(message_id: JsonValue) -> str:
    """Return a uuid for a message: its own if it is one, else always the same one made of it."""
    try:
        return str(uuid.UUID(str(message_id)))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(message_id)))


def _block(part: Object) -> JsonValue:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if kind == "image_url":
        return {"type": "image", "source": source_of(str(as_object(part["image_url"])["url"]))}
    if kind == "document":
        return part
    return {"type": "text", "text": json_text(shortened(part))}


SHAPE = Shape("claude_agent", _project, _build)
"""Entries of a transcript as messages; see the module."""
