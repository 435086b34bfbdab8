"""LocalSessionRepository: the ``SessionRepository`` of Strands over a store of this package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localsessions import ConflictError, Session
from localsessions.adapters.document import Given, escaped, hold, unescaped
from localsessions.adapters.strands.agents import (
    agent_in,
    group_in,
    newcomer,
    own_of,
    put_agent,
    put_group,
)
from localsessions.adapters.strands.places import Places
from localsessions.adapters.strands.records import (
    Record,
    created,
    last_number,
    numbered,
    records_of,
    replaced,
)
from localsessions.adapters.strands.sdk import (
    SessionAgent,
    SessionException,
    SessionMessage,
    SessionRepository,
    SessionType,
    StrandsSession,
    decode_bytes_values,
)
from localsessions.adapters.strands.shape import SHAPE, Object, item_of
from localsessions.transcripts.foreign import as_object

if TYPE_CHECKING:
    from localsessions import Message

__all__ = ["LocalSessionRepository"]

_FIELDS = frozenset(SessionMessage.__dataclass_fields__)


class LocalSessionRepository(SessionRepository):
    """Sessions of Strands, ``RepositorySessionManager(session_repository=...)``, in readable files.

    A message is added durably, at a cost that does not grow with the session. The messages of the
    main agent, the first in a session, are the messages of the session. What other programs said
    there is part of its history, and an edit of a message reaches the model. An agent goes on with
    a session in which Strands never spoke, with empty state.

    Two writers may add messages of the same number: both stay, in the order of their writing, and
    the later one has a greater number when it is read. Deleted sessions go to the trash.

    Args:
        store: An open store; or a folder, or the address of a database: then this object opens and
            closes it.

    Raises:
        ImportError: Strands is missing.
    """

    def __init__(self, store: Given) -> None:
        self.store, self._close = hold(self, store)
        self._places = Places(self.store)

    def __repr__(self) -> str:
        return f"LocalSessionRepository({self.store.save_dir!r})"

    def close(self) -> None:
        """Close the store if this object opened it. Idempotent."""
        self._close()

    # -- sessions ----------------------------------------------------------------------------------

    def create_session(self, session: StrandsSession, **_: Any) -> StrandsSession:
        """Create a session.

        Raises:
            SessionException: There is a session of that id, whichever program made it.
            UnstorableValueError: A value cannot be stored without loss.
        """
        fields = _plain(session.to_dict())
        session_id = str(fields.pop("session_id"))
        made = Session(session_id=self._places.stored_id(session_id))
        if made.session_id != session_id:
            fields["session_id"] = session_id
        made.extra[SHAPE.key] = {"session": escaped(fields)}
        try:
            self.store.save(made)
        except ConflictError as error:
            raise SessionException(
                f"Session {session_id} already exists; read it, or choose another id"
            ) from error
        return session

    def read_session(self, session_id: str, **_: Any) -> StrandsSession | None:
        """Return a session, of any program; None if there is none.

        Raises:
            UnreadableSessionError: The file is not a session; and so for the following.
        """
        session = self._places.session(session_id)
        if session is None:
            return None
        at = session.created_at.isoformat()
        made: Object = {"session_type": SessionType.AGENT.value, "created_at": at, "updated_at": at}
        told = as_object(unescaped(own_of(session).get("session")))
        return StrandsSession.from_dict({**made, **told, "session_id": session_id})

    def delete_session(self, session_id: str, **_: Any) -> None:
        """Move a session to the trash, the messages of its other agents first.

        Raises:
            SessionException: There is no such session.
        """
        self._places.delete(session_id)

    # -- agents ------------------------------------------------------------------------------------

    def create_agent(self, session_id: str, session_agent: SessionAgent, **_: Any) -> None:
        """Keep the state of a new agent; the first agent of a session is its main agent.

        Raises:
            SessionException: There is no such session; nothing was written.
        """
        fields = _plain(session_agent.to_dict())
        with self._places.edited(session_id) as session:
            put_agent(session, fields)
            self._places.main(session_id, session)

    def read_agent(self, session_id: str, agent_id: str, **_: Any) -> SessionAgent | None:
        """Return the state of an agent; None if it has none.

        If only other programs spoke in the session, it is an agent with empty state.
        """
        session = self._places.session(session_id)
        if session is None:
            return None
        fields = agent_in(session, agent_id)
        has_main = self._places.main(session_id, session) not in (None, agent_id)
        if fields is None and not has_main and last_number(session.messages) is not None:
            self._places.make_main(session_id, agent_id)
            fields = newcomer(agent_id, session)
        return None if fields is None else SessionAgent.from_dict(fields)

    def update_agent(self, session_id: str, session_agent: SessionAgent, **_: Any) -> None:
        """Replace the state of an agent; it keeps its ``created_at``.

        Raises:
            SessionException: There is no such session or agent; nothing was written.
        """
        agent_id = session_agent.agent_id
        with self._places.edited(session_id) as session:
            former = agent_in(session, agent_id)
            if former is not None:
                session_agent.created_at = former["created_at"]
            elif self._places.main(session_id, session) != agent_id:
                raise _no_agent(session_id, agent_id)
            put_agent(session, _plain(session_agent.to_dict()))

    def create_multi_agent(self, session_id: str, multi_agent: Any, **_: Any) -> None:
        """Keep the state of a new group of agents.

        Raises:
            SessionException: There is no such session; nothing was written.
        """
        state = _plain(multi_agent.serialize_state())
        with self._places.edited(session_id) as session:
            put_group(session, multi_agent.id, state)

    def read_multi_agent(
        self, session_id: str, multi_agent_id: str, **_: Any
    ) -> dict[str, Any] | None:
        """Return the state of a group of agents; None if it has none."""
        session = self._places.session(session_id)
        return None if session is None else group_in(session, multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: Any, **_: Any) -> None:
        """Replace the state of a group of agents.

        Raises:
            SessionException: There is no such session or group; nothing was written.
        """
        told = multi_agent.serialize_state()
        with self._places.edited(session_id) as session:
            if group_in(session, multi_agent.id) is None:
                raise SessionException(
                    f"MultiAgent state {multi_agent.id} in session {session_id} does not exist; "
                    "create_multi_agent makes it"
                )
            put_group(session, multi_agent.id, _plain(told))

    # -- messages ----------------------------------------------------------------------------------

    def create_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **_: Any
    ) -> None:
        """Add a message of an agent, durably.

        A message that is there already, by its number and ``created_at``, is written again. Another
        message of that number stays, and the new one stands at the end.

        Raises:
            SessionException: There is no such session; nothing was written, and so for the next.
            ValueError: The number of the message is no int.
            UnstorableValueError: A value cannot be stored without loss.
            LockTimeoutError: Another writer held the session for too long.
        """
        number = session_message.message_id
        _refuse_no_number(number)
        message = _message(session_message)
        place = self._places.of_agent(session_id, agent_id)
        last = self._places.last(place)
        # After an error or Ctrl-C it may be written all the same: then the next try looks.
        self._places.doubt(place)
        if last is None or number > last:
            self._places.add(place, message)
            last = number
        else:
            with self._places.messages_edited(place) as session:
                created_at = session_message.created_at
                session.messages = created(session.messages, number, created_at, message)
                last = last_number(session.messages)
        self._places.learn(place, last)

    def read_message(
        self, session_id: str, agent_id: str, message_id: int, **_: Any
    ) -> SessionMessage | None:
        """Return a message by its number; None if there is none."""
        _refuse_no_number(message_id)
        found = numbered(self._places.records(session_id, agent_id) or (), message_id)
        return None if found is None else _native(found)

    def update_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **_: Any
    ) -> None:
        """Replace a message, to redact it; it keeps its ``created_at``.

        What it was before may still stand in what the store keeps besides: last good versions.

        Raises:
            SessionException: There is no such message; nothing was written.
        """
        number = session_message.message_id
        _refuse_no_number(number)
        if numbered(self._places.records(session_id, agent_id) or (), number) is None:
            raise _no_message(session_id, number)
        place = self._places.of_agent(session_id, agent_id)
        with self._places.messages_edited(place) as session:
            found = numbered(records_of(session.messages), number, session_message.created_at)
            if found is None:
                raise _no_message(session_id, number)
            session_message.created_at = found.fields.get("created_at")
            message = _message(session_message, found.given)
            session.messages = replaced(session.messages, found, message)

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **_: Any
    ) -> list[SessionMessage]:
        """Return the messages of an agent, in order.

        Args:
            session_id: Which session.
            agent_id: Which agent.
            limit: How many at most; None takes all.
            offset: How many of the first are left out.

        Raises:
            SessionException: There is no such session or agent.
        """
        records = self._places.records(session_id, agent_id)
        if records is None:
            raise _no_agent(session_id, agent_id)
        end: int | None = None if limit is None else offset + limit
        return [_native(one) for one in records[offset:end]]


def _plain(value: Any) -> Any:
    """Return a copy in JSON's types, as Strands' own files have it.

    Raises:
        TypeError: It is not JSON.
    """
    return json.loads(json.dumps(value, ensure_ascii=False))


def _message(given: SessionMessage, number: int | None = None) -> Message:
    """Return the message of a record; with ``number`` it has this number."""
    record: Object = _plain(given.to_dict())
    if number is not None:
        record["message_id"] = number
    return SHAPE.message_of(item_of(record))


def _native(record: Record) -> SessionMessage:
    """Return what ``SessionMessage.from_dict`` does; that asks for the signature for each field."""
    fields = {name: one for name, one in record.fields.items() if name in _FIELDS}
    return SessionMessage(**decode_bytes_values(fields))


def _refuse_no_number(number: object) -> None:
    if not isinstance(number, int):
        raise ValueError(f"message_id=<{number}> | message id must be an integer")  # noqa: TRY004


def _no_agent(session_id: str, agent_id: str) -> Exception:
    error: Exception = SessionException(
        f"Agent {agent_id} in session {session_id} does not exist; create_agent makes it"
    )
    return error


def _no_message(session_id: str, number: int) -> Exception:
    error: Exception = SessionException(
        f"Message {number} in session {session_id} does not exist; list_messages shows what does"
    )
    return error
