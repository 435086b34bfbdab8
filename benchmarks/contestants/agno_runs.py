"""The measurement of both of agno's stores: a turn is a run of two messages.

At the end of a run its agent calls ``session.upsert_run(run)``, then writes the run
(``save_run``: ``db.upsert_run``) and the session's row (``save_session``: ``db.upsert_session``);
see ``agno/agent/_run.py``, ``cleanup_and_store``, and
https://docs.agno.com/database/session-storage . An agent keeps no session between runs unless
``cache_session`` is set; here it is held, which is cheaper.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from agno.db.base import SessionType
from agno.models.message import Message
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.session.agent import AgentSession

from benchmarks.contestants.contract import Lists, Said, Tails

AGENT = "benchmark"


class AgnoStore(Tails, Lists):
    """The verbs; subclasses say which database it is."""

    db: Any

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.db = self.database()
        self.held: dict[str, AgentSession] = {}

    @abstractmethod
    def database(self) -> Any:
        """Open the database of the class; both subclasses have it."""

    def close(self) -> None:
        self.db.close()

    def empty(self, session: str) -> AgentSession:
        """Store a session without runs."""
        made = AgentSession(
            session_id=session,
            agent_id=AGENT,
            session_data={},
            created_at=int(time.time()),
            runs=[],
        )
        self.db.upsert_session(made)
        return made

    def resume(self, session: str) -> None:
        self.held[session] = self.db.get_session(session, SessionType.AGENT)

    def made(self, messages: Sequence[Said]) -> RunOutput:
        return RunOutput(
            run_id=f"run_{messages[0].number:08}",
            agent_id=AGENT,
            content=messages[-1].text,
            messages=[Message(role=role, content=text) for _, role, text in messages],
            status=RunStatus.completed,
        )

    def turn(self, session: str, made: RunOutput) -> None:
        held = self.held[session]
        made.session_id = session
        made.run_id = f"{session}_{made.run_id}"
        held.upsert_run(made)
        self.db.upsert_run(made, session, run_index=len(held.runs) - 1)
        self.db.upsert_session(held)

    def load(self, session: str) -> AgentSession:
        return self.db.get_session(session, SessionType.AGENT)

    def tail(self, session: str, count: int) -> AgentSession:
        return self.db.get_session(session, SessionType.AGENT, runs_limit=count // 2)

    def texts(self, loaded: AgentSession) -> list[str]:
        return [str(said.content) for run in loaded.runs or [] for said in run.messages or []]
