"""The log of a conversation: the history in ``messages``, and what was left beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localsessions.adapters.pydantic_ai.entries import Stored, is_entry, stored_in
from localsessions.adapters.pydantic_ai.instructions import put_aside, with_instructions
from localsessions.adapters.pydantic_ai.records import beside, set_beside

if TYPE_CHECKING:
    from localsessions import Message, Session

__all__ = ["grow", "head_of", "history_of"]


def head_of(session: Session) -> str | None:
    """Return the last entry of a session, as far as its messages are there; None if it has none."""
    last = next((one for one in reversed(session.messages) if is_entry(one)), None)
    return None if last is None else stored_in([last])[0].id


def history_of(session: Session, head_id: str) -> list[Stored] | None:
    """Return the entries up to ``head_id``, in order; None if the session has no such entry."""
    stored = stored_in(session.messages)
    at = next((at for at, one in enumerate(stored) if one.id == head_id), None)
    if at is None:
        known = {**beside(session), **{one.id: one for one in stored}}
        history = _chain(known, head_id)
    else:
        history = stored[: at + 1]
    if history is None:
        return None
    return [one._replace(message=with_instructions(session, one.message)) for one in history]


def grow(session: Session, new: Sequence[Stored], head_id: str | None) -> bool:
    """Add entries, and make the history of ``head_id`` the messages of a session.

    What is in the history no more is kept beside it; messages that are no entries stay.

    Args:
        session: The session, with all its messages.
        new: New entries. If the session is a fork, those of its origin too.
        head_id: The last entry of the history then.

    Returns:
        False if neither the session nor ``new`` has an entry of the history: then the session is
        not to be stored.
    """
    new = [one._replace(message=put_aside(session, one.message)) for one in new]
    if _continues(new, head_of(session), head_id):
        session.messages = [*session.messages, *(one.message for one in new)]
        return True
    stored = stored_in(session.messages)
    known = {**beside(session), **{one.id: one for one in (*stored, *new)}}
    history = [] if head_id is None else _chain(known, head_id)
    if history is None:
        return False
    session.messages = _rewound(session, stored, history)
    kept = {one.id for one in history}
    set_beside(session, {one: known[one] for one in known if one not in kept})
    return True


def _continues(new: Sequence[Stored], last: str | None, head_id: str | None) -> bool:
    for one in new:
        if one.parent_id != last:
            return False
        last = one.id
    return last == head_id


def _chain(known: dict[str, Stored], head_id: str) -> list[Stored] | None:
    """Return the entries from the first one to ``head_id``; None if one of them is not known."""
    chain: list[Stored] = []
    seen: set[str] = set()
    entry_id: str | None = head_id
    while entry_id is not None:
        if entry_id not in known or entry_id in seen:
            return None
        seen.add(entry_id)
        chain.append(known[entry_id])
        entry_id = chain[-1].parent_id
    return chain[::-1]


def _rewound(
    session: Session, stored: Sequence[Stored], history: Sequence[Stored]
) -> list[Message]:
    """Return the messages with another history, as much as possible of them in their places."""
    shared = 0
    for one, other in zip(stored, history, strict=False):
        if one.id != other.id:
            break
        shared += 1
    kept: list[Message] = []
    left = shared
    for message in session.messages:
        if not is_entry(message):
            kept.append(message)
        elif left:
            left -= 1
            kept.append(message)
    return [*kept, *({**one.message, "id": one.id} for one in history[shared:])]
