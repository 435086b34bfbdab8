"""Where the sessions and the agents of Strands stand in a store, and what is known of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.document import (
    Remembered,
    add_messages,
    session_id_for,
    standing_id,
    summaries,
)
from localsessions.adapters.strands.agents import agent_in, main_agent_of
from localsessions.adapters.strands.records import Record, last_number, records_of
from localsessions.adapters.strands.sdk import SessionException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localsessions import Message, SessionStore

__all__ = ["Place", "Places"]


_PROGRAM = "strands"
_UNKNOWN = object()
# Of so many sessions it is known where they are and which number their last message has.
_REMEMBERED = 256


class Place(NamedTuple):
    """Where the messages of an agent are.

    Attributes:
        stored_id: The id of the session in the store.
        parent_id: The id of the session of Strands, if it is another one.
        session_id: The id of the session for Strands.
        agent_id: The agent.
    """

    stored_id: str
    parent_id: str | None
    session_id: str
    agent_id: str


class Places:
    """The sessions of Strands in a store."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self._ids: Remembered[str, str] = Remembered(_REMEMBERED)
        self._mains: Remembered[str, str] = Remembered(_REMEMBERED)
        self._lasts: Remembered[str, int | None] = Remembered(_REMEMBERED)

    def stored_id(self, session_id: str) -> str:
        """Return the id that a session of Strands has in the store."""
        known = self._ids.get(session_id)
        found = standing_id(self.store, session_id) if known is None else known
        return self._ids.put(session_id, found)

    def session(self, session_id: str) -> Session | None:
        """Return a session of Strands; None if there is none."""
        try:
            return self.store.load(self.stored_id(session_id))
        except SessionNotFoundError:
            return None

    @contextmanager
    def edited(self, session_id: str) -> Iterator[Session]:
        """Edit a session of Strands.

        Raises:
            SessionException: There is no such session.
        """
        with _absence_told(session_id), self.store.edit(self.stored_id(session_id)) as session:
            yield session

    def delete(self, session_id: str) -> None:
        """Move a session and those of its other agents to the trash.

        Raises:
            SessionException: There is no such session.
        """
        own_id = self.stored_id(session_id)
        below = [*self._below(own_id)]
        self.store.delete_many(below)
        is_deleted = self.store.delete(own_id)
        self._ids.pop(session_id)
        self._mains.pop(session_id)
        for one in (own_id, *below):
            self._lasts.pop(one)
        if not is_deleted:
            raise _absent(session_id)

    # -- agents ------------------------------------------------------------------------------------

    def main(self, session_id: str, session: Session) -> str | None:
        """Return the main agent of a session; None if the next agent becomes it."""
        own = main_agent_of(session)
        return self._mains.get(session_id) if own is None else self._mains.put(session_id, own)

    def make_main(self, session_id: str, agent_id: str) -> None:
        """Take an agent for the main agent of a session that has none."""
        self._mains.put(session_id, agent_id)

    def of_agent(self, session_id: str, agent_id: str) -> Place:
        """Return where an agent adds its messages; without a main agent, it becomes it.

        Raises:
            SessionException: There is no such session.
        """
        with _absence_told(session_id):  # another program may have deleted it, or made it anew
            session = self.store.engine.tail(self.stored_id(session_id), 1)
        main = self.main(session_id, session)
        if main is None:
            self.make_main(session_id, agent_id)
        return self._place(session_id, agent_id, main)

    def records(self, session_id: str, agent_id: str) -> list[Record] | None:
        """Return the messages of an agent; None if there is no such agent."""
        session = self.session(session_id)
        if session is None:
            return None
        place = self._place(session_id, agent_id, self.main(session_id, session))
        messages = session.messages if place.parent_id is None else self._messages(place.stored_id)
        records = records_of(messages)
        self._lasts.put(place.stored_id, records[-1].number if records else None)
        return records if records or agent_in(session, agent_id) else None

    # -- adding ------------------------------------------------------------------------------------

    def last(self, place: Place) -> int | None:
        """Return the number of an agent's last message, as far as this object knows."""
        known = self._lasts.get(place.stored_id, _UNKNOWN)
        if isinstance(known, int | None):
            return known
        return self.learn(place, last_number(self._messages(place.stored_id)))

    def learn(self, place: Place, number: int | None) -> int | None:
        """Remember the number of an agent's last message."""
        return self._lasts.put(place.stored_id, number)

    def doubt(self, place: Place) -> None:
        """Look again before the next message is added."""
        self._lasts.pop(place.stored_id)

    def add(self, place: Place, message: Message) -> None:
        """Add a message at the end.

        Raises:
            SessionException: There is no such session.
        """
        if place.parent_id is None:
            with _absence_told(place.session_id):
                self.store.append(place.stored_id, message)
            return

        def name(session: Session) -> None:
            session.agent_id = place.agent_id
            session.source = {
                "program": _PROGRAM,
                "session_id": place.session_id,
                "parent": {"session_id": place.parent_id},
            }

        add_messages(self.store, place.stored_id, [message], name)

    @contextmanager
    def messages_edited(self, place: Place) -> Iterator[Session]:
        """Edit the session in which the messages of an agent are.

        Raises:
            SessionException: It has been deleted meanwhile.
        """
        with _absence_told(place.session_id, place), self.store.edit(place.stored_id) as session:
            yield session

    # -- inside ------------------------------------------------------------------------------------

    def _place(self, session_id: str, agent_id: str, main: str | None) -> Place:
        own_id = self.stored_id(session_id)
        if main is None or main == agent_id:
            return Place(own_id, None, session_id, agent_id)
        return Place(session_id_for(agent_id, session_id), own_id, session_id, agent_id)

    def _messages(self, stored_id: str) -> list[Message]:
        try:
            return self.store.load(stored_id).messages
        except SessionNotFoundError:
            return []

    def _below(self, own_id: str) -> Iterator[str]:
        found = summaries(self.store, program=_PROGRAM, parent=own_id)
        return (one.session_id for one in found)


@contextmanager
def _absence_told(session_id: str, place: Place | None = None) -> Iterator[None]:
    try:
        yield
    except SessionNotFoundError as error:
        if place is None or place.parent_id is None:
            raise _absent(session_id) from error
        raise SessionException(
            f"The messages of agent {place.agent_id} in session {session_id} were deleted "
            "meanwhile; list_messages shows what there is"
        ) from error


def _absent(session_id: str) -> Exception:
    error: Exception = SessionException(
        f"Session {session_id} does not exist; create_session makes it"
    )
    return error
