"""The sessions of ADK in a store: what each verb of the service does, in a worker thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions import ConflictError, UnreadableSessionError
from localsessions import Session as Stored
from localsessions import SessionNotFoundError as NotStored
from localsessions.adapters.document import (
    Remembered,
    session_id_for,
    standing_id,
    summaries,
)
from localsessions.adapters.google_adk.adk import (
    AlreadyExistsError,
    Event,
    GetSessionConfig,
    Session,
    SessionNotFoundError,
    StaleSessionError,
)
from localsessions.adapters.google_adk.events import events_of
from localsessions.adapters.google_adk.states import (
    PROGRAM,
    Deltas,
    SharedStates,
    State,
    as_state,
    stored,
)
from localsessions.adapters.google_adk.versions import TICK, Version

if TYPE_CHECKING:
    from localsessions import Message, SessionStore, SessionSummary

__all__ = ["Key", "Sessions"]


# Of so many sessions it is known which ids they have, and what state.
_REMEMBERED = 20_000
_SMALL_BYTES = 64 * 1024
# Others may change a title or a tag again and again.
_TRIES = 100


class Key(NamedTuple):
    """What ADK knows a session by, the narrowest part first."""

    session_id: str
    user_id: str
    app_name: str


class _Listed(NamedTuple):
    """What a listing says of a session that its summary does not, and of which revision."""

    revision: int
    session_id: str
    state: Mapping[str, Any]


class _MovedError(Exception):
    """The session has another revision than the expected one."""


class Sessions:
    """The sessions of ADK in a store.

    Args:
        store: Where they are.
        agent_name: The author of what the assistants of other programs said.
    """

    def __init__(self, store: SessionStore, agent_name: str) -> None:
        self._store = store
        self._agent_name = agent_name
        self.shared = SharedStates(store)
        self._ids: Remembered[Key, str] = Remembered(_REMEMBERED)
        self._listed: Remembered[str, _Listed] = Remembered(_REMEMBERED)

    def create(self, key: Key, deltas: Deltas, now: datetime) -> Session:
        """Create a session with the states that begin it."""
        source = {"program": PROGRAM, "project": key.app_name, "session_id": key.session_id}
        session = Stored(
            session_id=self._id(key),
            user_id=key.user_id,
            source=source,
            state=stored(deltas["session"]),
            created_at=now,
            last_activity=now,
        )
        with self.shared.changing(key.app_name, key.user_id, deltas) as (app, user):
            try:
                self._store.save(session)
            except ConflictError as error:
                told = f"Session with id {key.session_id} already exists."
                raise AlreadyExistsError(told) from error
        return _made(key, session, app, user)

    def get(self, key: Key, config: GetSessionConfig) -> Session | None:
        """Return a session with the events that are asked for; None if there is none."""
        try:
            session, events = self._read(self._id(key), config)
        except NotStored:
            self._ids.pop(key)
            return None
        app = self.shared.of_app(key.app_name)
        user = self.shared.of_user(key.app_name, key.user_id)
        return _made(key, session, app, user, events)

    def listed(self, app_name: str, user_id: str | None) -> list[Session]:
        """Return the sessions of an app, or of a user of it, without events."""
        listed = summaries(
            self._store,
            order="last_activity",
            program=PROGRAM,
            project=app_name,
            user_id=user_id,
        )
        app = self.shared.of_app(app_name)
        if user_id is None:
            users = self.shared.of_users(app_name)
        else:
            users = {user_id: self.shared.of_user(app_name, user_id)}
        sessions = []
        for one in listed:
            if (known := self._known(one)) is not None:
                key = Key(known.session_id, one.user_id or "", app_name)
                state = _merged(known.state, app, users.get(key.user_id, {}))
                sessions.append(_session(key, state, one.last_activity))
        return sorted(sessions, key=lambda one: (one.last_update_time, one.user_id, one.id))

    def delete(self, key: Key) -> None:
        """Move a session to the trash."""
        self._store.delete(self._id(key))
        self._ids.pop(key)

    def append(
        self, key: Key, session: Session, message: Message, deltas: Deltas, at: datetime
    ) -> Version:
        """Append an event with the states that it changes; return the version that this makes."""
        session_id = self._id(key)
        try:
            expected = self._expected(session_id, session)
            with self.shared.changing(key.app_name, key.user_id, deltas):
                return self._appended(session_id, expected, message, deltas["session"], at)
        except NotStored as error:
            self._ids.pop(key)
            raise SessionNotFoundError(f"Session {key.session_id} not found.") from error

    # -- ids ---------------------------------------------------------------------------------------

    def _id(self, key: Key) -> str:
        """Return the id of a session in the store; that of another program stands for it too."""
        if (known := self._ids.get(key)) is not None:
            return known
        own, found = session_id_for(*key), standing_id(self._store, *key, user_id=key.user_id)
        # What another app calls so, or a shared state, is none of this key's.
        if found != own and self._tail(found).source.get("program") == PROGRAM:
            found = own
        return self._ids.put(key, found)

    # -- reading -----------------------------------------------------------------------------------

    def _tail(self, session_id: str, count: int = 1) -> Stored:
        """Return a session with its last messages only."""
        return self._store.engine.tail(session_id, count)

    def _read(self, session_id: str, config: GetSessionConfig) -> tuple[Stored, list[Event]]:
        count = config.num_recent_events
        if count is None or config.after_timestamp:
            session = self._store.load(session_id)
            since = config.after_timestamp or -math.inf
            events = self._events_of(session)
            return session, _last([one for one in events if one.timestamp >= since], count)
        asked = max(1, count)
        while True:
            session = self._tail(session_id, asked)
            events = self._events_of(session) if count else []
            if len(events) >= count or len(session.messages) < asked:
                return session, _last(events, count)
            asked *= 2  # some messages are no events for ADK

    def _events_of(self, session: Stored) -> list[Event]:
        return events_of(session.messages, self._agent_name, session.session_id)

    def _known(self, summary: SessionSummary) -> _Listed | None:
        """Return what a listing says of a session; None if it has gone since it was listed."""
        known = self._listed.get(summary.session_id)
        if known is not None and known.revision == summary.revision:
            return known
        # A question to the index, which tells where the end is, takes longer than a small file.
        read = self._tail if summary.size_bytes > _SMALL_BYTES else self._store.load
        try:
            session = read(summary.session_id)
        except (NotStored, UnreadableSessionError):
            return None
        own = str(session.source.get("session_id", summary.session_id))
        made = _Listed(session.revision, own, session.state)
        return self._listed.put(summary.session_id, made)

    # -- appending ---------------------------------------------------------------------------------

    def _expected(self, session_id: str, session: Session) -> Version:
        """Return the version that a session of ADK is.

        If no service of ours loaded it, it tells none. Then it is the present one if it is as
        young, or ends with the same event, as for ADK's own class.
        """
        if version := Version.told(session):
            return version
        now = self._store.load(session_id)
        if now.last_activity.timestamp() > session.last_update_time:
            last = self._events_of(now)[-1:]
            if [one.id for one in last] != [one.id for one in session.events[-1:]]:
                raise _stale(session_id)
        return Version.of(now)

    def _appended(
        self, session_id: str, expected: Version, message: Message, delta: State, at: datetime
    ) -> Version:
        """Append in one step with the comparison of versions."""
        made = expected
        for _ in range(_TRIES):

            def change(found: Stored, expected: Version = expected) -> None:
                nonlocal made
                if found.revision != expected.revision:
                    raise _MovedError
                # Set to what it is, it would become the time of the write.
                found.last_activity = at + TICK if at == found.last_activity else at
                if delta:
                    found.state = {**found.state, **stored(delta)}
                made = Version(found.revision + 1, str(message["id"]), found.last_activity)

            try:
                self._store.append(session_id, message, change=change)
                return made
            except _MovedError:
                now = Version.of(self._tail(session_id))
            if now.last_id != expected.last_id:
                break
            expected = now  # a title or a tag has changed, and no event
        raise _stale(session_id)


def _stale(session_id: str) -> StaleSessionError:
    return StaleSessionError(
        f"session {session_id!r} was modified in storage after it was loaded: it has other events. "
        "Load it again with get_session(), then append"
    )


def _made(
    key: Key, session: Stored, app: State, user: State, events: list[Event] | None = None
) -> Session:
    """Return a session of ADK that tells its version."""
    state = _merged(session.state, app, user)
    made = _session(key, state, session.last_activity, events)
    Version.of(session).tell(made)
    return made


def _session(key: Key, state: State, at: datetime, events: list[Event] | None = None) -> Session:
    return Session(
        id=key.session_id,
        user_id=key.user_id,
        app_name=key.app_name,
        state=state,
        events=events or [],
        last_update_time=at.timestamp(),
    )


def _merged(own: Mapping[str, Any], app: State, user: State) -> State:
    """Return the state that an agent sees; what is shared stands under its prefix."""
    of_app = {f"app:{name}": value for name, value in app.items()}
    return {**as_state(own), **of_app, **{f"user:{name}": value for name, value in user.items()}}


def _last(events: list[Event], count: int | None) -> list[Event]:
    return events if count is None else events[len(events) - min(count, len(events)) :]
