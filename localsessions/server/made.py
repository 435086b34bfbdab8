"""Which sessions an act made, so that a page can undo it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.errors import ChangesExpiredError

if TYPE_CHECKING:
    from localsessions.store import SessionStore

__all__ = ["made_since"]


def made_since(store: SessionStore, number: int) -> list[str]:
    """Return the sessions that this store made after a change.

    Empty if the log of changes does not reach back so far: then nothing is undone.
    """
    try:
        found = [one for one in store.changes(number) if one.origin == "this store"]
    except ChangesExpiredError:
        return []
    return [one.session_id for one in found if one.kind == "created"]
