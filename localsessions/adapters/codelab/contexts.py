"""AgentContextManager and the context of a session's agents.

A context is a part of its session's file and is deleted with it. If a caller asks for a context
before there is a session, the file does not count as a session for the session manager yet; the
manager's ``create`` makes it a session.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from localsessions import Session
from localsessions.adapters.codelab.database import Database, get_db
from localsessions.adapters.codelab.live import LiveDict, Place
from localsessions.adapters.codelab.rows import CONTEXT_ONLY, is_context_only, switches_of
from localsessions.models import format_instant, parse_instant, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pydantic import JsonValue

__all__ = ["AgentContext", "AgentContextManager", "AgentType"]

_log = logging.getLogger("localsessions.codelab")


class AgentType(str, Enum):  # noqa: UP042  (as the former service has it: its str() differs)
    """The agents of the runtime."""

    ORCHESTRATOR = "orchestrator"
    CODER = "coder"
    ARCHITECT = "architect"
    DEBUG = "debug"
    ASK = "ask"


def _agent(name: str) -> AgentType:
    """Return the agent with that name; session files of other frameworks name other agents too."""
    try:
        return AgentType(name)
    except ValueError:
        foreign = str.__new__(AgentType, name)
        foreign._name_ = foreign._value_ = name
        return foreign


class AgentContext:
    """The agents of a session; each property is read from its file at each access.

    After the context or its session was deleted, the properties raise ``ValueError``.
    """

    def __init__(self, db: Database, session_id: str) -> None:
        self._db = db
        self.session_id = session_id

    @property
    def current_agent(self) -> AgentType:
        """The current agent."""
        return _agent(self._session().current_agent or "")

    @property
    def agent_history(self) -> list[JsonValue]:
        """A copy of the switches, each with ``from``, ``to``, ``reason`` and ``timestamp``."""
        return switches_of(self._session())

    def get_agent_history(self) -> list[JsonValue]:
        """Return a copy of the switches."""
        return self.agent_history

    @property
    def switch_count(self) -> int:
        """How many switches there were."""
        return len(self.agent_history)

    @property
    def created_at(self) -> datetime:
        """When the context was created, aware, in UTC."""
        session = self._session()
        created_at = session.agent_context.get("created_at")
        return parse_instant(created_at) if isinstance(created_at, str) else session.created_at

    @property
    def last_switch_at(self) -> datetime | None:
        """When the agent was last switched, aware, in UTC; None if never."""
        switched_at = self._session().agent_context.get("last_switch_at")
        return parse_instant(switched_at) if isinstance(switched_at, str) else None

    @property
    def metadata(self) -> LiveDict:
        """The stored metadata; a change to it, at any depth, is stored."""
        metadata = self._session().agent_context.get("metadata")
        return LiveDict(metadata if isinstance(metadata, dict) else {}, Place(self._lent))

    @contextmanager
    def _lent(self) -> Iterator[dict[str, JsonValue]]:
        with self._db.edit(self.session_id, is_activity=False) as session:
            if session.current_agent is None:
                raise self._unknown()
            metadata = session.agent_context.setdefault("metadata", {})
            if not isinstance(metadata, dict):
                metadata = session.agent_context["metadata"] = {}
            yield metadata

    def switch_agent(self, new_agent: AgentType | str, reason: str) -> None:
        """Make another agent the current agent and record it; do nothing if it is current already.

        Raises:
            ValueError: There is no such agent, or the context or session was deleted.
        """
        agent = AgentType(new_agent)
        self._session()
        if self._db.switch_agent(self.session_id, agent.value, reason):
            _log.info(
                "Agent switch in session %s: to %s (%s)", self.session_id, agent.value, reason
            )

    def add_metadata(self, key: str, value: Any) -> None:
        """Store a value under a key.

        Raises:
            UnstorableValueError: It is not JSON; nothing was written.
        """
        self.metadata[key] = value

    def get_metadata(self, key: str, default: Any = None) -> Any:
        """Return the value that is stored under a key."""
        return self.metadata.get(key, default)

    def _session(self) -> Session:
        session = self._db.get(self.session_id)
        if session is None or session.current_agent is None:
            raise self._unknown()
        return session

    def _unknown(self) -> ValueError:
        return ValueError(f"Session {self.session_id} not found, or it has no agent context")

    def __repr__(self) -> str:
        return f"AgentContext({self.session_id!r})"


class AgentContextManager:
    """The contexts of a database; the object holds no state.

    Args:
        db: None takes the database of the process.
    """

    def __init__(self, db: Database | None = None) -> None:
        self._db = get_db() if db is None else db
        _log.info("Loaded %d agent contexts from database", self.get_session_count())

    def get_or_create(
        self, session_id: str, initial_agent: AgentType | str = AgentType.ORCHESTRATOR
    ) -> AgentContext:
        """Return the context of a session; create it if absent, which is not activity.

        Raises:
            ValueError: There is no such agent, or no file name can be made of the id.
            UnreadableSessionError: The session's file is broken.
        """
        agent = AgentType(initial_agent)
        now = utc_now()
        context: dict[str, JsonValue] = {
            "current_agent": agent.value,
            "created_at": format_instant(now),
            "metadata": {},
            "switches": [],
        }
        if not self.exists(session_id) and not self._db.add(
            Session(
                session_id=session_id,
                created_at=now,
                last_activity=now,
                status=CONTEXT_ONLY,
                agent_context=context,
            )
        ):
            with self._db.edit(session_id, is_activity=False) as session:
                if session.current_agent is None:
                    session.agent_context = context
        return AgentContext(self._db, session_id)

    def get(self, session_id: str) -> AgentContext | None:
        """Return the context of a session, or None."""
        return AgentContext(self._db, session_id) if self.exists(session_id) else None

    def exists(self, session_id: str) -> bool:
        """Tell whether a session has a context.

        Raises:
            UnreadableSessionError: The session's file is broken.
        """
        session = self._db.get(session_id)
        return session is not None and session.current_agent is not None

    def delete(self, session_id: str) -> bool:
        """Remove the context of a session; the session stays. False if it has none."""
        if not self.exists(session_id):
            _log.warning("Attempted to delete non-existent context for session %s", session_id)
            return False
        with self._db.edit(session_id, is_activity=False) as session:
            session.agent_context = {}
            is_nothing_left = is_context_only(session)
        return self._db.delete(session_id) if is_nothing_left else True

    def get_all_sessions(self) -> list[str]:
        """Return the ids of all sessions that have a context, the last active first."""
        return [one.session_id for one in self._db.summaries() if one.current_agent is not None]

    def get_session_count(self) -> int:
        """Return how many sessions have a context."""
        return len(self.get_all_sessions())
