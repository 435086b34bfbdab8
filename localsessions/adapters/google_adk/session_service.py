"""LocalSessionService: ADK's ``BaseSessionService`` over a store of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

from localsessions.adapters.document import Given, InOrder, finished, hold
from localsessions.adapters.google_adk.adk import (
    BaseSessionService,
    Event,
    GetSessionConfig,
    ListSessionsResponse,
    Session,
    extract_json_safe_state_delta,
    get_time,
    new_uuid,
)
from localsessions.adapters.google_adk.events import item_of
from localsessions.adapters.google_adk.sessions import Key, Sessions
from localsessions.adapters.google_adk.shape import ANYBODY, SHAPE
from localsessions.adapters.google_adk.versions import instant_of

__all__ = ["LocalSessionService"]

T = TypeVar("T")


class LocalSessionService(BaseSessionService):
    """Sessions of ADK, ``Runner(session_service=...)``, in readable files.

    An event is appended durably, at a cost that does not grow with the session. An event for a
    session that has other events by now is refused, as ``DatabaseSessionService`` does; a title or
    a tag that changed meanwhile is no reason. Partial events and ``temp:`` state are not stored.
    What other programs said in a session is part of it; an edit of a message reaches the model.
    Deleted sessions go to the trash.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it.
        agent_name: The author of what the assistants of other programs said. An agent takes the
            events of its own name for its own; it is told of all others as of another agent's.

    Raises:
        ImportError: ADK is missing.
    """

    def __init__(self, store: Given, *, agent_name: str = ANYBODY) -> None:
        self.store, self._close = hold(self, store)
        self._sessions = Sessions(self.store, agent_name)
        self._in_order = InOrder()

    def __repr__(self) -> str:
        return f"LocalSessionService({self.store.save_dir!r})"

    async def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        await finished(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Create a session, durably.

        Args:
            app_name: The app.
            user_id: The user.
            state: The state that begins it; what begins with ``app:`` or ``user:`` is shared, and
                what begins with ``temp:`` is not stored.
            session_id: Any text; None and "" make an id.

        Raises:
            AlreadyExistsError: There is such a session; nothing was written, and so for the next.
            UnstorableValueError: A value of the state cannot be stored without loss.
            LockTimeoutError: Another writer held a shared state for too long.
        """
        key = Key(session_id or new_uuid(), user_id, app_name)
        deltas, now = extract_json_safe_state_delta(state or {}), instant_of(get_time())
        return await self._write(key, lambda: self._sessions.create(key, deltas, now))

    async def get_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        config: GetSessionConfig | None = None,
    ) -> Session | None:
        """Return a session with its events, in the order in which they were appended.

        Args:
            app_name: The app.
            user_id: The user; the session of another is not there.
            session_id: The id that it has for ADK.
            config: ``num_recent_events`` and ``after_timestamp`` restrict the events. With the
                first alone, only the end of the session is read.

        Returns:
            None if there is no such session.

        Raises:
            UnreadableSessionError: The file is not a session.
            ValueError: A message is no event for ADK after a person changed it; it says how to mend
                it.
        """
        key = Key(session_id, user_id, app_name)
        return await finished(lambda: self._sessions.get(key, config or GetSessionConfig()))

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        """Return the sessions that ADK created, with their states and without events.

        The oldest activity comes first. Which they are is asked of the index; the states are read
        of those that changed since this object listed them.

        Args:
            app_name: The app.
            user_id: The user; None is all users.
        """
        sessions = await finished(lambda: self._sessions.listed(app_name, user_id))
        return ListSessionsResponse(sessions=sessions)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Move a session to the trash; nothing happens if there is none."""
        key = Key(session_id, user_id, app_name)
        await self._write(key, lambda: self._sessions.delete(key))

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """Return the state of a user of an app, by names without ``user:``."""
        return await finished(lambda: self._sessions.shared.of_user(app_name, user_id))

    async def append_event(self, session: Session, event: Event) -> Event:
        """Add an event to a session, durably, with the states that it changes.

        If the process is killed between two files, the event may be stored without the ``app:``
        and ``user:`` state that it changes; then the call has not returned.

        Args:
            session: As it was loaded; it gets the event too.
            event: A partial one is returned as it is.

        Raises:
            StaleSessionError: The session has other events by now; nothing was written, and so for
                the next.
            SessionNotFoundError: There is no such session.
            UnstorableValueError: A value cannot be stored without loss.
            ValueError: No date has the event's timestamp.
            LockTimeoutError: Another writer held the session for too long.
        """
        if event.partial:
            return event
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        key, at = Key(session.id, session.user_id, session.app_name), instant_of(event.timestamp)
        deltas = extract_json_safe_state_delta(event.actions.state_delta)
        message = SHAPE.message_of(item_of(event))
        version = await self._write(
            key, lambda: self._sessions.append(key, session, message, deltas, at)
        )
        version.tell(session)
        return self._commit_event_to_session(session, event)

    async def _write(self, key: Key, act: Callable[[], T]) -> T:
        return await self._in_order.finished("\0".join(key), act)
