"""Which sessions a client sees, and how: some are left out, some are live, secrets are hidden."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from localsessions.errors import SessionNotFoundError
from localsessions.models import utc_now

if TYPE_CHECKING:
    from localsessions.models import Session, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["Sight"]

_LIVE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a client sees of a store.

    Attributes:
        store: Where the sessions are.
        left_out: Ids of sessions that are not seen, as the store or as their program names them.
        folder: The client's project folder; None if it is not known.
        redacts: Whether secrets are replaced.
    """

    store: SessionStore
    left_out: frozenset[str]
    folder: str | None
    redacts: bool

    def session(self, session_id: str) -> Session:
        """Return a session as it is stored.

        Raises:
            SessionNotFoundError: There is none, or it is left out.
            UnreadableSessionError, ValueError: As ``SessionStore.load``.
        """
        session = self.store.load(session_id)
        if self.left_out & {session_id, session.source.get("session_id")}:
            raise SessionNotFoundError(session_id, path=self.store.save_dir)
        return session

    def hides(self, session_id: str) -> bool:
        """Tell whether a session that cannot be read is left out."""
        return session_id in self.left_out

    def shown(self, session: Session) -> Session:
        """Return a session as the client sees it: without its secrets, unless they are wanted."""
        if not self.redacts:
            return session
        from localsessions.redaction import redact

        return redact(session).session

    def is_live(self, summary: SessionSummary) -> bool:
        """Tell whether a session may be the one in which the client asks."""
        is_here = bool(self.folder and summary.project) and _is_inside(self.folder, summary.project)
        return is_here and utc_now() - summary.last_activity < _LIVE


def _is_inside(folder: str | None, project: str | None) -> bool:
    """Tell whether a folder is a project's, or in it."""
    inner, outer = (os.path.normcase(os.path.normpath(one or "")) for one in (folder, project))
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)
