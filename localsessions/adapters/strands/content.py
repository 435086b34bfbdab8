"""What a storage of Strands keeps under a key, in a session, and back to the byte. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localsessions.adapters.document import escaped, unescaped
from localsessions.adapters.strands.shape import SHAPE, Object
from localsessions.transcripts.foreign import as_object, as_objects, is_deeper

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message, Session

__all__ = ["data_of", "put_data"]

_JSON, _TEXT, _BYTES = "json", "text", "data"
_DEEPEST = 150  # a session may have 200 levels


def put_data(session: Session, key: str, data: bytes) -> None:
    """Put what is to be kept under a key into its session.

    The messages of a snapshot become those of the session; one that stands there stays as it is.
    What other programs said in the session stays, behind them.
    """
    others = [one for one in session.messages if not SHAPE.is_own(one)]
    messages, kept = _split(data, [one for one in session.messages if SHAPE.is_own(one)])
    session.messages = [*messages, *others]
    session.extra[SHAPE.key] = {"key": key, **kept}


def data_of(session: Session) -> bytes:
    """Return what ``put_data`` kept; with what a person edited in it."""
    own = as_object(session.extra.get(SHAPE.key))
    return _joined(session.messages, own)


def _split(data: bytes, former: list[Message]) -> tuple[list[Message], Object]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [], {_BYTES: escaped(data)}
    value = _parsed(text)
    if value is None:
        return [], {_TEXT: text}
    spoken = _messages_in(value)
    if spoken:
        messages = _as_messages(spoken, former)
        whole: Object = {**value, "data": {**value["data"], "messages": []}}
        kept: Object = {_JSON: escaped(whole)}
        if _joined(messages, kept) == data:
            return messages, kept
    return [], {_JSON: escaped(value)}


def _joined(messages: list[Message], own: Object) -> bytes:
    if _BYTES in own:
        return bytes(unescaped(own[_BYTES]))
    if _TEXT in own:
        return str(own[_TEXT]).encode()
    value = unescaped(own.get(_JSON))
    spoken = [
        item["message"]
        for one in messages
        if SHAPE.is_own(one)
        for item in SHAPE.items_of(one)
        if isinstance(item, dict) and "message" in item
    ]
    if spoken:
        value["data"]["messages"] = spoken
    return _dumped(value).encode()


def _parsed(text: str) -> Any:
    """Return the value of a text that JSON writes again in the same way; else None."""
    try:
        value = json.loads(text)
        is_same = _dumped(value) == text and not is_deeper(value, _DEEPEST)
    except (ValueError, RecursionError):
        return None
    return value if is_same else None


def _dumped(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)  # as Strands does


def _messages_in(value: Any) -> list[Object]:
    """Return the messages of a snapshot of an agent; empty for anything else."""
    listed = as_object(as_object(value).get("data")).get("messages")
    found = as_objects(listed)
    return found if isinstance(listed, list) and len(found) == len(listed) else []


def _as_messages(spoken: list[Object], former: list[Message]) -> list[Message]:
    """Return messages as they are stored; those that are there already keep their ids."""
    known: dict[str, list[Message]] = {}
    for one in reversed(former):
        for item in SHAPE.items_of(one):
            known.setdefault(_dumped(item), []).append(one)
    made = []
    for message in spoken:
        wanted: Object = {"message": message}
        same = known.get(_dumped(wanted))
        made.append(same.pop() if same else SHAPE.message_of(wanted))
    return made
