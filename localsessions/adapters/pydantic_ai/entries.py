"""Entries of a conversation's log as messages of a session, and back, as pydantic-ai writes them.

``ModelMessagesTypeAdapter`` decides what a message is as JSON and what it is when it is read again.
Fields that are None, and None by default, are left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

from localsessions.adapters.document import unreadable_message
from localsessions.adapters.document.messages import EVENT
from localsessions.adapters.pydantic_ai.items import dump_of, item_of
from localsessions.adapters.pydantic_ai.sdk import (
    ConversationEntry,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
)
from localsessions.adapters.pydantic_ai.shape import SHAPE
from localsessions.transcripts.foreign import as_object, as_objects, as_text

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["Stored", "entries_of", "message_of", "stored_in", "without_zeros"]

Object: TypeAlias = "dict[str, JsonValue]"


class Stored(NamedTuple):
    """A message of a session that is an entry.

    Attributes:
        id: The entry's; that of the message.
        parent_id: The entry before it; None for the first.
        message: As it is stored.
    """

    id: str
    parent_id: str | None
    message: Message


# -- into a session ------------------------------------------------------------------------------


def message_of(entry: ConversationEntry) -> Message:
    """Return an entry as a message of a session, with the entry's id.

    Raises:
        ValueError: pydantic-ai cannot write it as JSON.
    """
    [dump] = json.loads(ModelMessagesTypeAdapter.dump_json([entry.message]))
    message = SHAPE.message_of(item_of(_pruned(dump)))
    return {**message, "id": entry.id}


def without_zeros(usage: JsonValue) -> Object:
    """Return a usage with what was used."""
    return {name: value for name, value in as_object(usage).items() if value or value is False}


def _pruned(dump: Object) -> Object:
    kinds = _left_out()
    kept = _filled(dump, kinds.get(str(dump.get("kind")), frozenset()))
    kept["parts"] = [
        _filled(part, kinds.get(str(part.get("part_kind")), frozenset()))
        for part in as_objects(dump.get("parts"))
    ]
    if "usage" in kept:
        kept["usage"] = without_zeros(kept["usage"])
    return kept


def _filled(fields: Object, left_out: frozenset[str]) -> Object:
    return {
        name: value for name, value in fields.items() if value is not None or name not in left_out
    }


@cache
def _left_out() -> dict[str, frozenset[str]]:
    """Return the names of the fields that are None by default, by the kind of part or message."""
    found: dict[str, frozenset[str]] = {}
    for kind, names in [*map(_kind, (ModelRequest, ModelResponse)), *_kinds_in(_PARTS)]:
        found[kind] = found.get(kind, names) | names
    return found


_PARTS: Any = (ModelRequestPart, ModelResponsePart)


def _kinds_in(kind: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield every part that a type or a tuple of types holds."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield _kind(kind)
        return
    for inside in kind if isinstance(kind, tuple) else get_args(kind):
        yield from _kinds_in(inside)


def _kind(part: Any) -> tuple[str, frozenset[str]]:
    fields = {field.name: field for field in dataclasses.fields(part)}
    named = fields["part_kind"] if "part_kind" in fields else fields["kind"]
    return str(named.default), frozenset(name for name in fields if fields[name].default is None)


# -- out of a session ----------------------------------------------------------------------------


def stored_in(messages: Sequence[Message]) -> list[Stored]:
    """Return the messages that are entries, in order, each after the one before it.

    An id that stands twice is that of the last one; and one without an id gets one of its content:
    so the end of a session alone says the same as the whole.

    Args:
        messages: Of a session; or its last ones: then the first has no parent here.
    """
    entries = [message for message in messages if is_entry(message)]
    known: set[str] = set()
    ids: list[str] = []
    for message in reversed(entries):
        own = entry_id = _own_id(message)
        times = 0
        while entry_id in known:
            times += 1
            entry_id = f"{own}#{times}"
        known.add(entry_id)
        ids.append(entry_id)
    ids.reverse()
    parents = [None, *ids][: len(ids)]
    return [Stored(*one) for one in zip(ids, parents, entries, strict=True)]


def _own_id(message: Message) -> str:
    own = message.get("id")
    if isinstance(own, str):
        return own
    return "~" + hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()[:26]


def is_entry(message: Message) -> bool:
    """Tell whether a message is one for pydantic-ai, of its own or of another program."""
    if SHAPE.is_own(message) and (message["role"] in (EVENT, "tool") or _says(message)):
        return True  # without building what is asked only for whether it is there
    return bool(SHAPE.items_of(message))


def _says(message: Message) -> bool:
    content = message.get("content")
    return isinstance(content, str) and content != ""


def entries_of(stored: Sequence[Stored], session_id: str) -> list[ConversationEntry]:
    """Return entries with messages in pydantic-ai's types.

    Raises:
        ValueError: A message is none for pydantic-ai after a person changed it.
    """
    dumps = [dump_of(SHAPE.items_of(one.message)[-1]) for one in stored]
    _name_tools(dumps)
    try:
        messages = ModelMessagesTypeAdapter.validate_json(_json(dumps))
    except ValueError:
        messages = [_validated(*one, session_id) for one in zip(dumps, stored, strict=True)]
    return [
        ConversationEntry(id=one.id, parent_id=one.parent_id, message=message)
        for one, message in zip(stored, messages, strict=True)
    ]


def _validated(dump: Object, stored: Stored, session_id: str) -> ModelMessage:
    try:
        [message] = ModelMessagesTypeAdapter.validate_json(_json([dump]))
    except ValueError as error:
        raise unreadable_message(
            session_id, stored.id, reader="pydantic-ai", key=SHAPE.key, error=error
        ) from error
    return message


def _json(dumps: Sequence[Object]) -> bytes:
    # Half a surrogate pair, which another program stored: pydantic-ai reads none.
    return json.dumps(dumps, ensure_ascii=False).encode(errors="replace")


def _name_tools(dumps: Sequence[Object]) -> None:
    """Name the tools of returns that do not say it, as other programs' messages do not."""
    names: dict[str, JsonValue] = {}
    for part in (part for dump in dumps for part in as_objects(dump.get("parts"))):
        call_id = as_text(part.get("tool_call_id")) or ""
        kind = str(part.get("part_kind")).removeprefix("builtin-")
        if kind == "tool-call":
            names[call_id] = part.get("tool_name")
        elif kind == "tool-return" and not part.get("tool_name"):
            part["tool_name"] = names.get(call_id, "")
