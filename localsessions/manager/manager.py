"""SessionManager: the verbs that await. asyncio is imported at use, as in ``aio``."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from localsessions.aio import AsyncSessionStore
from localsessions.manager.values import (
    Session,
    object_of,
    refuse_blank,
    refuse_limits,
    refuse_no_text,
    settable,
)
from localsessions.manager.verbs import Verbs
from localsessions.store import SessionStore

__all__ = ["SessionManager"]

T = TypeVar("T")


class SessionManager:
    """The sessions of a folder, by user and agent, each with a time to live.

    Any number of managers, in any number of processes, may share the folder; each sees at once
    what another one did. Nothing is cached. An expired session is as good as gone: None, False,
    not listed, not counted, and no verb changes or refreshes it. Its file stays until it is
    deleted or ``cleanup_expired_sessions`` is called.

    A ``session_id`` that is a text but can be no id is an unknown one; what is no text raises
    ``ValueError``. A session file that somebody broke raises ``UnreadableSessionError`` where it
    is asked for, and hides no other. A cancelled call goes on in its thread.

    Args:
        conn: A ``SessionStore`` or ``AsyncSessionStore``, which stays its owner's to close, or a
            folder, which is opened here and closed by ``close``.
        ttl: Seconds until a session expires after it was created or refreshed; 0 and less mean
            never.
        max_sessions: How many live sessions, neither expired nor archived, the folder may have;
            exact over tasks, threads and processes. None does not restrict.

    Raises:
        TypeError: ``conn`` is neither store nor folder, or a number is none.
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
            store = conn.store  # its verbs are whole; ours are made of several of them
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
        """The store beneath, for all that a session is beyond its six fields."""
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
        """Close the store if it was opened here. Idempotent."""
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
        """Make a session with its file, ``sess_...``, that expires in ``ttl`` seconds.

        Args:
            user_id: Whose session it is; not blank.
            agent_id: The agent that it belongs to; not blank.
            metadata: Anything that is JSON, and datetimes, which become ISO 8601 texts; copied.

        Raises:
            ValueError: An id is blank or no text, or ``metadata`` is no dict of JSON; nothing is
                made.
            SessionLimitError: (a ``RuntimeError``) There are ``max_sessions`` live ones.
        """
        refuse_blank("user_id", user_id)
        refuse_blank("agent_id", agent_id)
        stored = object_of("metadata", {} if metadata is None else metadata)
        return await _offload(lambda: self._verbs.create(user_id, agent_id, stored))

    async def get_session(self, session_id: str) -> Session | None:
        """Return a copy as the file says now; None when it is unknown or expired."""
        return await _offload(lambda: self._verbs.get(session_id))

    async def update_session(self, session_id: str, **updates: Any) -> bool:
        """Set ``metadata`` or ``agent_id``; return False when it is unknown or expired.

        Sets the whole field; ``update_session_metadata`` merges. ``expires_at`` stays.

        Raises:
            ValueError: A field that is unknown or cannot be set, or a value of another type;
                nothing is written.
        """
        fields = settable(updates)
        return await _offload(lambda: self._verbs.update(session_id, fields))

    async def update_session_metadata(self, session_id: str, metadata: dict[str, Any]) -> bool:
        """Set some keys of the metadata, keep the others; False when unknown or expired.

        Reading, merging and writing are one step: what two writers set at once is all kept.
        ``expires_at`` stays.

        Raises:
            ValueError: ``metadata`` is no dict of JSON; nothing is written.
        """
        stored = object_of("metadata", metadata)
        return await _offload(lambda: self._verbs.merge_metadata(session_id, stored))

    async def delete_session(self, session_id: str) -> bool:
        """Move the session and its checkpoints to the trash; False when there is none.

        ``store.restore`` brings it back, until ``store.empty_trash`` is called. Expired and
        unreadable ones are deleted too: who asks wants nothing to stay.
        """
        return await _offload(lambda: self._verbs.delete(session_id))

    async def get_sessions_by_user(self, user_id: str) -> list[Session]:
        """Return all sessions of exactly this user that are not expired, newest first."""
        return await _offload(lambda: self._verbs.by_user(user_id))

    async def session_exists(self, session_id: str) -> bool:
        """Tell whether there is such a session and it is not expired."""
        return await _offload(lambda: self._verbs.live(session_id) is not None)

    async def get_active_session_count(self, user_id: str | None = None) -> int:
        """Return how many live sessions there are, of one user if given; opens no session file.

        Live is what counts for ``max_sessions``: neither expired nor archived nor unreadable.
        """
        return await _offload(lambda: self._verbs.count(user_id))

    async def refresh_session(self, session_id: str) -> bool:
        """Let it expire ``ttl`` seconds from now; False when it is unknown or expired.

        Nothing else moves ``expires_at``. The manager's own ``ttl`` counts, whoever made it.
        """
        return await _offload(lambda: self._verbs.refresh(session_id))

    # -- checkpoints -------------------------------------------------------------------------

    async def save_checkpoint(self, session_id: str, data: dict[str, Any]) -> str:
        """Store a snapshot of ``data`` after all earlier ones; return its id, ``ckpt_...``.

        It is a file of its own beside the session, whose file does not grow.

        Raises:
            ValueError: The session is unknown or expired, or ``data`` is no dict of JSON;
                nothing is written.
        """
        stored = object_of("data", data)
        return await _offload(lambda: self._verbs.save_checkpoint(session_id, stored))

    async def get_checkpoint(self, session_id: str, checkpoint_id: str) -> dict[str, Any] | None:
        """Return the fields of one ``Checkpoint`` of this session; None when it has none such."""
        refuse_no_text("checkpoint_id", checkpoint_id)
        return await _offload(lambda: self._verbs.checkpoint(session_id, checkpoint_id))

    async def get_latest_checkpoint(self, session_id: str) -> dict[str, Any] | None:
        """Return the one that was saved last, whatever clocks said; None when there is none."""
        return await _offload(lambda: self._verbs.checkpoint(session_id, None))

    async def list_checkpoints(self, session_id: str) -> list[dict[str, Any]]:
        """Return the fields of all ``Checkpoint`` of the session, the last saved first."""
        return await _offload(lambda: self._verbs.checkpoints(session_id))

    async def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove one for good; False when the session, not expired, has none such."""
        refuse_no_text("checkpoint_id", checkpoint_id)
        return await _offload(lambda: self._verbs.delete_checkpoint(session_id, checkpoint_id))

    async def clear_checkpoints(self, session_id: str) -> int:
        """Remove all of a session, not expired, for good; return how many there were."""
        return await _offload(lambda: self._verbs.clear_checkpoints(session_id))

    # -- care --------------------------------------------------------------------------------

    async def cleanup_expired_sessions(self) -> int:
        """Move expired sessions and their checkpoints to the trash; return how many went.

        Pinned ones stay, expired as they are. The trash keeps them until ``store.empty_trash``.
        """
        return await _offload(lambda: len(self._verbs.store.purge_expired().deleted))

    async def delete_user_sessions(self, user_id: str) -> int:
        """Do as ``delete_session`` for all of exactly this user; return how many went."""
        refuse_no_text("user_id", user_id)
        return await _offload(lambda: self._verbs.delete_all(user_id=user_id))

    async def delete_agent_sessions(self, agent_id: str) -> int:
        """Do as ``delete_session`` for all of exactly this agent; return how many went."""
        refuse_no_text("agent_id", agent_id)
        return await _offload(lambda: self._verbs.delete_all(agent_id=agent_id))


async def _offload(verb: Callable[[], T]) -> T:
    import asyncio

    return await asyncio.to_thread(verb)
