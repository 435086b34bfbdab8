"""SessionManager and the state of a session, both read from the file at each access."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localsessions import Session, UnreadableSessionError
from localsessions.adapters.codelab.database import Database, get_db
from localsessions.adapters.codelab.live import LiveList, Place, plain
from localsessions.adapters.codelab.rows import history_of, is_context_only
from localsessions.models import format_instant, made_id, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SessionManager", "SessionState"]

_log = logging.getLogger("localsessions.codelab")


class SessionState:
    """A session; each property is read from its file at each access.

    After the session was deleted, the properties raise ``ValueError``.
    """

    def __init__(self, db: Database, session_id: str) -> None:
        self._db = db
        self.session_id = session_id

    @property
    def messages(self) -> LiveList:
        """The messages, readable by attribute and by key; each change to the list is stored."""
        return LiveList(self._session().messages, Place(self._lent, are_messages=True))

    @messages.setter
    def messages(self, messages: Sequence[Any]) -> None:
        if not isinstance(messages, LiveList):  # after += it is this list, and already stored
            with self._db.edit(self.session_id) as session:
                session.messages = plain(messages)

    @contextmanager
    def _lent(self) -> Iterator[list[Message]]:
        with self._db.edit(self.session_id) as session:
            yield session.messages

    @property
    def last_activity(self) -> datetime:
        """When a message was last added, aware, in UTC."""
        return self._session().last_activity

    @last_activity.setter
    def last_activity(self, instant: datetime) -> None:
        with self._db.edit(self.session_id) as session:
            session.last_activity = instant.astimezone(UTC)

    @property
    def created_at(self) -> datetime:
        """When the session was created, aware, in UTC."""
        return self._session().created_at

    def _session(self) -> Session:
        session = self._db.get(self.session_id)
        if session is None:
            raise ValueError(f"Session {self.session_id} not found")
        return session

    def __repr__(self) -> str:
        return f"SessionState({self.session_id!r})"


class SessionManager:
    """The sessions of a database: creation, access and message history.

    Holds no state, so any number of managers, threads and processes see the same. Each change is
    on the disk when the call returns.

    Args:
        db: None takes the database of the process.
    """

    def __init__(self, db: Database | None = None) -> None:
        self._db = get_db() if db is None else db
        _log.info("Loaded %d sessions from database", len(self._ids()))

    def exists(self, session_id: str) -> bool:
        """Tell whether there is such a session; a broken session counts."""
        try:
            return self._found(session_id) is not None
        except UnreadableSessionError:
            return True

    def create(self, session_id: str, system_prompt: str | None = None) -> SessionState:
        """Create a session; a prompt that is not empty becomes its first message.

        Raises:
            ValueError: There is a session with that id, or no file name can be made of the id.
        """
        if not self._create(session_id, system_prompt):
            raise ValueError(f"Session {session_id} already exists")
        return SessionState(self._db, session_id)

    def get(self, session_id: str) -> SessionState | None:
        """Return a session, or None.

        Raises:
            UnreadableSessionError: Its file is broken.
        """
        return None if self._found(session_id) is None else SessionState(self._db, session_id)

    def get_or_create(self, session_id: str, system_prompt: str | None = None) -> SessionState:
        """Return a session; if it does not exist, create it, with the prompt.

        Raises:
            UnreadableSessionError: Its file is broken.
            ValueError: No file name can be made of the id.
        """
        if self._found(session_id) is None:
            self._create(session_id, system_prompt)  # False: another writer was faster
        return SessionState(self._db, session_id)

    def append_message(
        self,
        session_id: str,
        role: str,
        content: JsonValue,
        name: str | None = None,
        *,
        tool_calls: list[dict[str, JsonValue]] | None = None,
    ) -> None:
        """Add a message.

        Args:
            session_id: An existing session.
            role: "user", "assistant", "system" or "tool".
            content: Kept as it is: a text, None beside tool calls, or a list of parts.
            name: None is not stored.
            tool_calls: The calls of an assistant; None is not stored.

        Raises:
            ValueError: There is no such session.
        """
        message: dict[str, Any] = {"role": role, "content": content}
        if name is not None:
            message["name"] = name
        if tool_calls is not None:
            message["tool_calls"] = tool_calls
        self._append(session_id, message)

    def append_tool_result(
        self, session_id: str, call_id: str, tool_name: str, result: JsonValue
    ) -> None:
        """Add the result of a tool call.

        Raises:
            ValueError: There is no such session.
        """
        self._append(
            session_id,
            {"role": "tool", "content": result, "tool_call_id": call_id, "name": tool_name},
        )

    def get_history(self, session_id: str) -> list[Message]:
        """Return the messages as a model takes them; empty if there is no such session.

        Raises:
            UnreadableSessionError: Its file is broken.
        """
        session = self._found(session_id)
        return [] if session is None else history_of(session)

    def all_sessions(self) -> list[SessionState]:
        """Return every session, the last active first; broken sessions are logged and left out."""
        return [SessionState(self._db, session_id) for session_id in self._ids()]

    def delete(self, session_id: str) -> None:
        """Move a session to the trash, with its context; for an unknown id, log a warning."""
        if not self.exists(session_id) or not self._db.delete(session_id):
            _log.warning("Cannot delete: session %s not found", session_id)

    # -- helpers -----------------------------------------------------------------------------

    def _found(self, session_id: str) -> Session | None:
        session = self._db.get(session_id)
        return None if session is None or is_context_only(session) else session

    def _ids(self) -> list[str]:
        ids = []
        for one in self._db.summaries():
            if one.unreadable is not None:
                _log.warning("Session %s is left out: %s", one.session_id, one.unreadable.reason)
            elif not is_context_only(one):
                ids.append(one.session_id)
        return ids

    def _append(self, session_id: str, message: dict[str, Any]) -> None:
        if not self._db.is_possible(session_id) or self._found(session_id) is None:
            raise ValueError(f"Session {session_id} not found")
        self._db.append(session_id, plain(message))

    def _create(self, session_id: str, system_prompt: str | None) -> bool:
        now = utc_now()
        first: list[Message] = []
        if system_prompt:
            made: Message = {"id": made_id("msg"), "role": "system", "content": system_prompt}
            first.append({**made, "created_at": format_instant(now)})
        session = Session(session_id=session_id, created_at=now, last_activity=now, messages=first)
        return self._db.add(session) or self._join_context(session)

    def _join_context(self, session: Session) -> bool:
        """Turn the context manager's file into a session; False if it already is a session."""
        with self._db.edit(session.session_id) as found:
            if not is_context_only(found):
                return False
            found.status, found.messages = session.status, session.messages
        return True
