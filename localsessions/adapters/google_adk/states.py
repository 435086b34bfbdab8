"""The states that sessions of ADK share: one of each app, and one of each user of an app.

Each is a small session of its own. Who changes several locks them in this order: app, user, and
then the session whose event changes them. So nobody waits for one who waits for him.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from localsessions import ConflictError, Session, SessionNotFoundError
from localsessions.adapters.document import (
    escaped,
    session_id_for,
    summaries,
    unescaped,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import SessionStore

__all__ = ["PROGRAM", "Deltas", "SharedStates", "State", "as_state", "stored"]

State: TypeAlias = dict[str, Any]
Deltas: TypeAlias = Mapping[str, State]
"""What an event changes in the states "app", "user" and "session", without prefixes."""

PROGRAM = "google-adk"
# A program that ignores our locks may write between two tries; so many times in a row is unlikely.
_TRIES = 10


class _About(NamedTuple):
    """What a new shared state says of itself."""

    title: str
    user_id: str | None
    source: dict[str, JsonValue]


class SharedStates:
    """The states of apps and users in a store."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def of_app(self, app_name: str) -> State:
        """Return the state of an app, by names without ``app:``; empty if there is none."""
        return self._read(_id_of_app(app_name))

    def of_user(self, app_name: str, user_id: str) -> State:
        """Return the state of a user of an app, by names without ``user:``."""
        return self._read(_id_of_user(app_name, user_id))

    def of_users(self, app_name: str) -> dict[str, State]:
        """Return the states of all users of an app that have one."""
        listed = summaries(
            self._store, order="last_activity", program=PROGRAM, parent=_id_of_app(app_name)
        )
        return {
            one.user_id: self._read(one.session_id) for one in listed if one.user_id is not None
        }

    @contextmanager
    def changing(
        self, app_name: str, user_id: str, deltas: Deltas
    ) -> Iterator[tuple[State, State]]:
        """Change the states of an app and a user when the block ends; not at all if it raises.

        If a program that takes no lock writes one of them meanwhile, both changes are kept.

        Yields:
            Both states, as they will be. Only what changes is locked.
        """
        of_app, of_user = _id_of_app(app_name), _id_of_user(app_name, user_id)
        parent: dict[str, JsonValue] = {"parent": {"session_id": of_app}}
        about_app = _About(f"State of the app {app_name}", None, {})
        about_user = _About(f"State of {user_id} in the app {app_name}", user_id, parent)
        with ExitStack() as held:
            app = self._changed(held, of_app, deltas["app"], about_app)
            user = self._changed(held, of_user, deltas["user"], about_user)
            yield app, user

    def _changed(self, held: ExitStack, session_id: str, delta: State, about: _About) -> State:
        if not delta:
            return self._read(session_id)
        return self._open(held, session_id, delta, about)

    def _open(self, held: ExitStack, session_id: str, delta: State, about: _About) -> State:
        """Lock a shared state, which is created if it is not there."""
        while True:
            try:
                return held.enter_context(self._setting(session_id, delta))
            except SessionNotFoundError:
                session = Session(session_id=session_id, user_id=about.user_id, title=about.title)
            session.source = {"program": PROGRAM, **about.source}
            session.pinned = True  # no cleanup removes it
            with suppress(ConflictError):  # another has created it
                self._store.save(session)

    @contextmanager
    def _setting(self, session_id: str, delta: State) -> Iterator[State]:
        is_at_the_end = False
        try:
            with self._edited(session_id, delta) as session:
                yield as_state(session.state)
                is_at_the_end = True
        except ConflictError:
            if not is_at_the_end:
                raise
            self._set(session_id, delta)  # what goes with it, an event, is stored

    def _set(self, session_id: str, delta: State) -> None:
        for tries_left in reversed(range(_TRIES)):
            try:
                with self._edited(session_id, delta):
                    return
            except ConflictError:
                if not tries_left:
                    raise

    @contextmanager
    def _edited(self, session_id: str, delta: State) -> Iterator[Session]:
        with self._store.edit(session_id) as session:
            session.state = {**session.state, **stored(delta)}
            yield session

    def _read(self, session_id: str) -> State:
        try:
            return as_state(self._store.load(session_id).state)
        except SessionNotFoundError:
            return {}


def stored(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as it stands in a session."""
    return {name: escaped(value) for name, value in state.items()}


def as_state(state: Mapping[str, Any]) -> State:
    """Return the state that stands in a session."""
    return {name: unescaped(value) for name, value in state.items()}


def _id_of_app(app_name: str) -> str:
    return session_id_for("state", app_name)


def _id_of_user(app_name: str, user_id: str) -> str:
    return session_id_for("state", "user", user_id, app_name)
