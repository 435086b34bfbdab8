"""The verbs of SessionManager, each run as a whole in a worker thread.

They are not methods of SessionManager, so that a subclass cannot affect them: if a subclass
overrides ``get_session`` with a cache, its users see the cache, and the verbs still read the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from localsessions import models
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.format import is_session_id
from localsessions.manager.values import Session, refuse_no_text
from localsessions.models import SessionSummary, expiry_of, utc_now
from localsessions.store import SessionStore

__all__ = ["Verbs"]

_PAGE = 500


class Verbs:
    """The verbs themselves, for a worker thread; separate, so that no subclass affects them."""

    def __init__(self, store: SessionStore, ttl: float, max_sessions: int | None) -> None:
        self.store = store
        self.ttl = ttl
        self.max_sessions = max_sessions

    def create(self, user_id: str, agent_id: str, metadata: dict[str, JsonValue]) -> Session:
        """Create a session, within ``max_sessions`` live sessions."""
        return _told(
            self.store.create(
                user_id=user_id,
                agent_id=agent_id,
                metadata=metadata,
                ttl=self.ttl,
                max_live=self.max_sessions,
            )
        )

    def get(self, session_id: str) -> Session | None:
        """Return what callers see of a session; None if it is unknown or expired."""
        document = self.live(session_id)
        return None if document is None else _told(document)

    def live(self, session_id: str) -> models.Session | None:
        """Return the whole document; None if the session is unknown or expired."""
        document = self.store.get(session_id) if _can_be(session_id) else None
        return None if document is None or _is_expired(document) else document

    def by_user(self, user_id: str) -> list[Session]:
        """Return a user's sessions that are not expired, newest first."""
        refuse_no_text("user_id", user_id)
        found = []
        for summary in self._every(user_id=user_id):
            try:
                document = None if _is_expired(summary) else self.live(summary.session_id)
            except UnreadableSessionError:
                continue  # broken since the listing: it has no user now, as the next listing shows
            if document is not None and document.user_id == user_id:
                found.append(_told(document))
        return found

    def count(self, user_id: str | None) -> int:
        """Return how many live sessions there are, from the index alone."""
        if user_id is not None:
            refuse_no_text("user_id", user_id)
        return self.store.count(user_id=user_id, live=True)

    def update(self, session_id: str, fields: Mapping[str, JsonValue]) -> bool:
        """Set fields that were checked; tell whether the session is known."""

        def change(document: models.Session) -> None:
            for name, value in fields.items():
                setattr(document, name, value)

        return self._change(session_id, change)

    def merge_metadata(self, session_id: str, metadata: dict[str, JsonValue]) -> bool:
        """Set keys of the metadata, keep the others."""

        def change(document: models.Session) -> None:
            document.metadata = {**document.metadata, **metadata}

        return self._change(session_id, change)

    def refresh(self, session_id: str) -> bool:
        """Make a session that is not expired expire ``ttl`` seconds from now."""

        def change(document: models.Session) -> None:
            document.ttl = self.ttl
            document.expires_at = expiry_of(utc_now(), self.ttl)

        return self._change(session_id, change)

    def _change(self, session_id: str, change: Callable[[models.Session], None]) -> bool:
        if not _can_be(session_id):
            return False
        try:
            with self.store.edit(session_id) as document:
                if _is_expired(document):
                    return False  # unchanged, so nothing is written
                change(document)
        except SessionNotFoundError:
            return False
        return True

    def delete(self, session_id: str) -> bool:
        """Move a session to the trash, expired or not."""
        return _can_be(session_id) and self.store.delete(session_id)

    def delete_all(self, *, user_id: str | None = None, agent_id: str | None = None) -> int:
        """Move all sessions of a user or an agent to the trash, expired or not; return how many."""
        every = list(self._every(user_id=user_id, agent_id=agent_id, fresh=True))
        return sum(self.store.delete(summary.session_id) for summary in every)

    def _every(
        self, *, user_id: str | None = None, agent_id: str | None = None, fresh: bool = False
    ) -> Iterator[SessionSummary]:
        cursor: str | None = None
        while True:
            page = self.store.list(
                user_id=user_id,
                agent_id=agent_id,
                order="-created_at",
                limit=_PAGE,
                cursor=cursor,
                fresh=fresh and cursor is None,
            )
            yield from page
            cursor = page.next_cursor
            if cursor is None:
                return

    def save_checkpoint(self, session_id: str, data: dict[str, JsonValue]) -> str:
        """Store a snapshot of a session that is known and not expired."""
        try:
            if self.live(session_id) is not None:
                return self.store.save_checkpoint(session_id, data).checkpoint_id
        except SessionNotFoundError:
            pass  # deleted since ``live`` read it: unknown now
        raise ValueError(
            f"session {session_id!r} is unknown or expired, no checkpoint was saved; "
            "create_session() makes another one"
        )

    def checkpoint(self, session_id: str, checkpoint_id: str | None) -> dict[str, Any] | None:
        """Return the fields of a checkpoint; None asks for the last saved."""
        return self._fields(session_id, checkpoint_id) if self.live(session_id) else None

    def checkpoints(self, session_id: str) -> list[dict[str, Any]]:
        """Return the fields of all checkpoints, the last saved first."""
        if self.live(session_id) is None:
            return []
        ids = self.store.checkpoints(session_id)
        found = (self._fields(session_id, checkpoint_id) for checkpoint_id in ids)
        return [fields for fields in found if fields is not None]

    def _fields(self, session_id: str, checkpoint_id: str | None) -> dict[str, Any] | None:
        try:
            found = self.store.load_checkpoint(session_id, checkpoint_id)
        except SessionNotFoundError:
            return None
        return {
            "checkpoint_id": found.checkpoint_id,
            "session_id": found.session_id,
            "data": found.data,
            "created_at": found.created_at,
        }

    def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove a checkpoint for good."""
        is_live = self.live(session_id) is not None
        return is_live and self.store.delete_checkpoint(session_id, checkpoint_id)

    def clear_checkpoints(self, session_id: str) -> int:
        """Remove all checkpoints for good; return how many there were."""
        return 0 if self.live(session_id) is None else self.store.clear_checkpoints(session_id)


def _told(document: models.Session) -> Session:
    return Session(
        session_id=document.session_id,
        user_id=document.user_id or "",
        agent_id=document.agent_id or "",
        created_at=document.created_at,
        expires_at=document.expires_at,
        metadata=document.metadata,
    )


def _is_expired(session: models.Session | SessionSummary) -> bool:
    return session.expires_at is not None and session.expires_at <= utc_now()


def _can_be(session_id: str) -> bool:
    """Tell whether there can be a session with that id."""
    refuse_no_text("session_id", session_id)
    return is_session_id(session_id)
