"""SessionManager: the asynchronous verbs. asyncio is imported at use, as in ``aio``."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from localsessions.aio import AsyncSessionStore
from localsessions.manager.blocking import Verbs
from localsessions.manager.values import (
    Session,
    object_of,
    refuse_blank,
    refuse_limits,
    refuse_no_text,
    settable,
)
from localsessions.store import SessionStore

__all__ = ["SessionManager"]

T = TypeVar("T")


class SessionManager:
    """The sessions of a folder, by user and agent, each with a time to live.

    Any number of managers, in any number of processes, may share the folder. Each sees at once
    what the others did. Nothing is cached. An expired session counts as absent: verbs return None
    or False, do not list or count it, and do not change or refresh it. Its file stays until it is
    deleted or ``cleanup_expired_sessions`` is called.

    A ``session_id`` that is a text but cannot be an id is an unknown session; anything that is not
    a text raises ``ValueError``. A broken session file raises ``UnreadableSessionError`` when it
    is asked for, and hides no other session. A cancelled call continues in its thread.

    Args:
        conn: A ``SessionStore`` or ``AsyncSessionStore``, which its owner closes, or a folder,
            which the manager opens, and closes in ``close``.
        ttl: Seconds until a session expires after it was created or refreshed; 0 and less mean
            never.
        max_sessions: How many live sessions, neither expired nor archived, the folder may have;
            exact over tasks, threads and processes. None does not restrict.

    Raises:
        TypeError: ``conn`` is neither a store nor a folder, or a number has another type.
        ValueError: A number is out of its range.
        OSError: The folder cannot be made.
    """

    def __init__(
        self,
        conn: SessionStore | AsyncSessionStore | str | os.PathLike[str],
        ttl: float = 3600,
        max_sessions: int | None = 10000,
    ) -> None:
        refuse_limits(ttl, max_sessions)
        self._owned: SessionStore | None = None
        if isinstance(conn, AsyncSessionStore):
            store = conn.store  # a verb here calls several verbs of the store in one thread
        elif isinstance(conn, SessionStore):
            store = conn
        elif isinstance(conn, str | os.PathLike):
            store = self._owned = SessionStore(conn)
        else:
            raise TypeError(
                "conn must be a SessionStore, an AsyncSessionStore or the path of a folder, "
                f"not {type(conn).__name__}"
            )
        self._verbs = Verbs(store, ttl, max_sessions)

    @property
    def store(self) -> SessionStore:
        """The store beneath, for everything beyond the six fields of a ``Session``."""
        return self._verbs.store

    @property
    def ttl(self) -> float:
        """Seconds until a session expires."""
        return self._verbs.ttl

    @property
    def max_sessions(self) -> int | None:
        """How many live sessions there may be."""
        return self._verbs.max_sessions

    async def close(self) -> None:
        """Close the store if the manager opened it. Idempotent."""
        if self._owned is not None:
            await _offload(self._owned.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        limits = f"ttl={self.ttl!r}, max_sessions={self.max_sessions!r}"
        return f"SessionManager({self.store!r}, {limits})"

    # -- sessions ----------------------------------------------------------------------------

    async def create_session(
        self, user_id: str, agent_id: str, metadata: dict[str, Any] | None = None
    ) -> Session:
        """Create a session with its file, ``sess_...``, that expires in ``ttl`` seconds.

        Args:
            user_id: The owner of the session; not blank.
            agent_id: The agent that it belongs to; not blank.
            metadata: A JSON object; datetimes are allowed and become ISO 8601 texts; copied.

        Raises:
            ValueError: An id is blank or not a text, or ``metadata`` is not a dict of JSON; nothing
                is created.
            SessionLimitError: (a ``RuntimeError``) There are ``max_sessions`` live sessions.
        """
        refuse_blank("user_id", user_id)
        refuse_blank("agent_id", agent_id)
        stored = object_of("metadata", {} if metadata is None else metadata)
        return await _offload(lambda: self._verbs.create(user_id, agent_id, stored))

    async def get_session(self, session_id: str) -> Session | None:
        """Return a copy as the file is now; None if the session is unknown or expired."""
        return await _offload(lambda: self._verbs.get(session_id))

    async def update_session(self, session_id: str, **updates: Any) -> bool:
        """Set ``metadata`` or ``agent_id``; return False if the session is unknown or expired.

        Sets the whole field; ``update_session_metadata`` merges. ``expires_at`` stays.

        Raises:
            ValueError: A field is unknown or cannot be set, or a value has another type; nothing
                is written.
        """
        fields = settable(updates)
        return await _offload(lambda: self._verbs.update(session_id, fields))

    async def update_session_metadata(self, session_id: str, metadata: dict[str, Any]) -> bool:
        """Set some keys of the metadata, keep the others; False if unknown or expired.

        Reading, merging and writing are one step: if two writers set keys at once, all are kept.
        ``expires_at`` stays.

        Raises:
            ValueError: ``metadata`` is not a dict of JSON; nothing is written.
        """
        stored = object_of("metadata", metadata)
        return await _offload(lambda: self._verbs.merge_metadata(session_id, stored))

    async def delete_session(self, session_id: str) -> bool:
        """Move the session and its checkpoints to the trash; False if it does not exist.

        ``store.restore`` brings it back, until ``store.empty_trash`` is called. Expired and
        unreadable sessions are deleted too, since the caller wants nothing to stay.
        """
        return await _offload(lambda: self._verbs.delete(session_id))

    async def get_sessions_by_user(self, user_id: str) -> list[Session]:
        """Return all sessions of exactly this user that are not expired, newest first."""
        return await _offload(lambda: self._verbs.by_user(user_id))

    async def session_exists(self, session_id: str) -> bool:
        """Tell whether the session exists and is not expired."""
        return await _offload(lambda: self._verbs.live(session_id) is not None)

    async def get_active_session_count(self, user_id: str | None = None) -> int:
        """Return how many live sessions there are, or of one user; opens no session file.

        A session is live if it counts for ``max_sessions``: neither expired nor archived nor
        unreadable.
        """
        return await _offload(lambda: self._verbs.count(user_id))

    async def refresh_session(self, session_id: str) -> bool:
        """Set the expiry to ``ttl`` seconds from now; False if the session is unknown or expired.

        Nothing else moves ``expires_at``. It uses the manager's own ``ttl``, also for a session
        that another program created.
        """
        return await _offload(lambda: self._verbs.refresh(session_id))

    # -- checkpoints -------------------------------------------------------------------------

    async def save_checkpoint(self, session_id: str, data: dict[str, Any]) -> str:
        """Store a snapshot of ``data`` after all earlier snapshots; return its id, ``ckpt_...``.

        It is a separate file; the session's file does not grow.

        Raises:
            ValueError: The session is unknown or expired, or ``data`` is not a dict of JSON;
                nothing is written.
        """
        stored = object_of("data", data)
        return await _offload(lambda: self._verbs.save_checkpoint(session_id, stored))

    async def get_checkpoint(self, session_id: str, checkpoint_id: str) -> dict[str, Any] | None:
        """Return the fields of a ``Checkpoint`` of this session; None if there is none such."""
        refuse_no_text("checkpoint_id", checkpoint_id)
        return await _offload(lambda: self._verbs.checkpoint(session_id, checkpoint_id))

    async def get_latest_checkpoint(self, session_id: str) -> dict[str, Any] | None:
        """Return the checkpoint that was saved last, whatever the clocks said, or None."""
        return await _offload(lambda: self._verbs.checkpoint(session_id, None))

    async def list_checkpoints(self, session_id: str) -> list[dict[str, Any]]:
        """Return the fields of every ``Checkpoint`` of the session, the last saved first."""
        return await _offload(lambda: self._verbs.checkpoints(session_id))

    async def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove a checkpoint for good; False if absent, or if the session is expired."""
        refuse_no_text("checkpoint_id", checkpoint_id)
        return await _offload(lambda: self._verbs.delete_checkpoint(session_id, checkpoint_id))

    async def clear_checkpoints(self, session_id: str) -> int:
        """Remove all checkpoints for good; return how many: 0 if the session is expired."""
        return await _offload(lambda: self._verbs.clear_checkpoints(session_id))

    # -- care --------------------------------------------------------------------------------

    async def cleanup_expired_sessions(self) -> int:
        """Move expired sessions and their checkpoints to the trash; return how many went.

        Pinned sessions stay, though they are expired. The trash keeps the others until
        ``store.empty_trash``.
        """
        return await _offload(lambda: len(self._verbs.store.purge_expired().deleted))

    async def delete_user_sessions(self, user_id: str) -> int:
        """Do ``delete_session`` for all sessions of exactly this user; return how many went."""
        refuse_no_text("user_id", user_id)
        return await _offload(lambda: self._verbs.delete_all(user_id=user_id))

    async def delete_agent_sessions(self, agent_id: str) -> int:
        """Do ``delete_session`` for all sessions of exactly this agent; return how many went."""
        refuse_no_text("agent_id", agent_id)
        return await _offload(lambda: self._verbs.delete_all(agent_id=agent_id))


async def _offload(verb: Callable[[], T]) -> T:
    import asyncio

    return await asyncio.to_thread(verb)
