"""What is done to a session, and how each act is undone; every act is one verb of the store.

An act ends whole or not at all, whenever its process is killed: that is the store's promise. An
undo takes back only what the act did. What another program changed since then stays, and an undo
that would overwrite it says so and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from localsessions.errors import UnreadableSessionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localsessions.store import SessionStore

__all__ = ["Act", "archive", "delete", "pin", "rename", "tag"]


class Act(NamedTuple):
    """An act that was done.

    Attributes:
        session_id: The session.
        said: What was done to it, as "deleted".
        undo: Takes it back and returns what it did.
    """

    session_id: str
    said: str
    undo: Callable[[SessionStore], str]


def rename(store: SessionStore, session_id: str, title: str | None) -> Act | None:
    """Set the title, or remove it with None; return None if it has that title."""
    return _set(store, session_id, "title", title, "renamed")


def archive(store: SessionStore, session_id: str, *, archived: bool) -> Act | None:
    """Set the status to archived, or back to active; return None if it is so already."""
    said = "archived" if archived else "no longer archived"
    return _set(store, session_id, "status", "archived" if archived else "active", said)


def pin(store: SessionStore, session_id: str, *, pinned: bool) -> Act | None:
    """Pin a session or unpin it; return None if it is so already."""
    return _set(store, session_id, "pinned", pinned, "pinned" if pinned else "no longer pinned")


_Field = Literal["title", "status", "pinned"]
_SAID: Mapping[_Field, str] = {"title": "title", "status": "status", "pinned": "pin"}


def _set(
    store: SessionStore, session_id: str, field: _Field, value: str | bool | None, said: str
) -> Act | None:
    # Not rename(), pin() and archive(): the former value is read in the same step.
    with store.edit(session_id, is_activity=False) as session:
        former = getattr(session, field)
        setattr(session, field, value)

    def undo(store: SessionStore) -> str:
        with store.edit(session_id, is_activity=False) as session:
            if getattr(session, field) != value:
                return f"not undone: the {_SAID[field]} was changed meanwhile, and stays"
            setattr(session, field, former)
        return f"{_SAID[field]} as before"

    return None if former == value else Act(session_id, said, undo)


def tag(
    store: SessionStore, session_id: str, added: Sequence[str], removed: Sequence[str]
) -> Act | None:
    """Add tags and remove some; return None if nothing of this is to be done."""
    with store.edit(session_id, is_activity=False) as session:
        new = [one for one in dict.fromkeys(added) if one not in session.tags]
        gone = [one for one in session.tags if one in removed]
        session.tags = [one for one in (*session.tags, *new) if one not in gone]

    def undo(store: SessionStore) -> str:
        store.tag(session_id, *gone, remove=new)
        return "tags as before"

    return Act(session_id, "tags changed", undo) if new or gone else None


def delete(store: SessionStore, session_id: str) -> Act | None:
    """Move a session to the trash; return None if it was gone already."""

    def undo(store: SessionStore) -> str:
        try:
            store.restore(session_id)
        except UnreadableSessionError:
            return "restored; it is unreadable, as it was"
        return "restored"

    return Act(session_id, "deleted", undo) if store.delete(session_id) else None
