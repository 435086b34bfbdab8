"""A conversation's record as fields of a session, and back.

The shape of the data, in a session::

    user_id        the scope
    forked_from    which conversation it was forked from, and after which message
    last_activity  when it was saved
    pydantic_ai    the rest:

    revision                the token of the last save
    head_id                 the last entry then
    usage                   of all runs
    deferred_tool_requests  what the conversation waits for
    branches                the last entries of the branches that were left
    beside                  the entries of these branches, each with its ``parent_id``
    conversation_id         pydantic-ai's id, if the session has another one
    instructions            of all requests, see ``instructions``

If the last entry is not ``head_id`` any more, another program wrote in the session: then the
revision is another one, and a conversation that was loaded before is not saved over it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import session_id_for
from localsessions.adapters.pydantic_ai.entries import Stored, without_zeros
from localsessions.adapters.pydantic_ai.sdk import (
    Conversation,
    ConversationRecord,
    ConversationTypeAdapter,
)
from localsessions.adapters.pydantic_ai.shape import SHAPE
from localsessions.format import parse_json
from localsessions.transcripts.foreign import as_object, as_objects, as_text, filled

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Session

__all__ = [
    "beside",
    "branches_of",
    "record_of",
    "revision_of",
    "say",
    "set_beside",
]

Object: TypeAlias = "dict[str, JsonValue]"

_KEPT = ("instructions", "beside")
"""What stands in a session beside its record."""


def revision_of(session: Session, head_id: str | None) -> str:
    """Return the token of what is stored now.

    Args:
        session: The session; it need not have all its messages.
        head_id: Its last entry.
    """
    own = _own(session)
    said = as_text(own.get("revision"))
    if said is not None and own.get("head_id") == head_id:
        return said
    return f"{said or session.created_at.isoformat()}+{head_id or ''}"


def record_of(session: Session, head_id: str | None) -> ConversationRecord:
    """Return the record of a conversation; see ``revision_of``.

    Raises:
        ValueError: A person changed what pydantic-ai stored, and it cannot read it any more.
    """
    own = _own(session)
    is_as_saved = "revision" in own and own.get("head_id") == head_id
    carried = _carried(session, own)
    return ConversationRecord(
        conversation_id=_conversation_id(session),
        head_id=head_id,
        usage=carried.usage,
        # The calls that it waits for may have been answered since.
        deferred_tool_requests=carried.deferred_tool_requests if is_as_saved else None,
        scope=session.user_id,
        forked_from=_forked_from(session),
        forked_at=as_text(session.forked_from.get("message_id")),
        branches=branches_of(session),
        revision=revision_of(session, head_id),
        updated_at=session.last_activity,
    )


def branches_of(session: Session) -> list[str]:
    """Return the last entries of the branches that were left, the oldest first."""
    said = _own(session).get("branches")
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def say(session: Session, record: ConversationRecord, forked_from: str | None) -> None:
    """Put a record into a session; its messages are there already.

    Args:
        session: The session.
        record: What to say.
        forked_from: The session that it was forked from.
    """
    own = filled(_dumped(record)) | {"revision": record.revision, "head_id": record.head_id}
    if record.branches:
        own["branches"] = [*record.branches]
    if session.session_id != record.conversation_id:
        own["conversation_id"] = record.conversation_id
    former = _own(session)
    session.extra[SHAPE.key] = own | {name: former[name] for name in _KEPT if name in former}
    session.user_id = record.scope
    session.last_activity = record.updated_at
    if forked_from is not None:
        origin: Object = {"session_id": forked_from, "message_id": record.forked_at}
        if record.forked_from != forked_from:
            origin["conversation_id"] = record.forked_from
        if {**session.forked_from, **origin} != session.forked_from:
            session.forked_from = origin


def beside(session: Session) -> dict[str, Stored]:
    """Return the entries of a session that are not in its history, by their ids."""
    found: dict[str, Stored] = {}
    for one in as_objects(_own(session).get("beside")):
        message = as_object(one.get("message"))
        entry_id = as_text(message.get("id"))
        if entry_id is not None and isinstance(message.get("role"), str):
            found[entry_id] = Stored(entry_id, as_text(one.get("parent_id")), message)
    return found


def set_beside(session: Session, entries: dict[str, Stored]) -> None:
    """Keep entries that are not in the history of a session."""
    own = {name: value for name, value in _own(session).items() if name != "beside"}
    if entries:
        own["beside"] = [
            {"parent_id": one.parent_id, "message": {**one.message, "id": one.id}}
            for one in entries.values()
        ]
    session.extra[SHAPE.key] = own


def _own(session: Session) -> Object:
    return as_object(session.extra.get(SHAPE.key))


def _conversation_id(session: Session) -> str:
    """Return pydantic-ai's id of a session."""
    said = _own(session).get("conversation_id")
    # A session that the store forked has this field too, and it means the first one.
    is_own = isinstance(said, str) and session_id_for(said) == session.session_id
    return str(said) if is_own else session.session_id


def _forked_from(session: Session) -> str | None:
    origin = session.forked_from
    return as_text(origin.get("conversation_id")) or as_text(origin.get("session_id"))


def _dumped(record: ConversationRecord) -> Object:
    """Return what a conversation carries beside its messages, as pydantic-ai writes it."""
    carried = Conversation(
        usage=record.usage,
        conversation_id=record.conversation_id,
        deferred_tool_requests=record.deferred_tool_requests,
    )
    dump = as_object(parse_json(ConversationTypeAdapter.dump_json(carried)))
    return {
        "usage": without_zeros(dump.get("usage")),
        "deferred_tool_requests": dump.get("deferred_tool_requests"),
    }


def _carried(session: Session, own: Object) -> Conversation:
    dump = {
        "messages": [],
        "usage": own.get("usage", {}),
        "deferred_tool_requests": own.get("deferred_tool_requests"),
    }
    try:
        return ConversationTypeAdapter.validate_json(json.dumps(dump))
    except ValueError as error:
        raise ValueError(
            f"the field {SHAPE.key!r} of session {session.session_id!r} was changed, and "
            f"pydantic-ai cannot read it any more ({error}); mend it, or take it out"
        ) from error
