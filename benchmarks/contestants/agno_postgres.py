"""agno: ``PostgresDb(db_url=...)``. https://docs.agno.com/database/providers/postgres .

Stores of a given size are made by copying rows that its own calls wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

from agno.db.base import SessionType
from agno.db.postgres import PostgresDb

from benchmarks.contestants.agno_runs import AgnoStore
from benchmarks.contestants.contract import Said
from benchmarks.contestants.on_a_server import OnAServer


class Store(OnAServer, AgnoStore):
    """A row for each session, and one for each run."""

    def database(self) -> PostgresDb:
        return PostgresDb(db_url=self.address("postgresql+psycopg"))

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = self.empty(session)
        for at in range(0, len(messages), 2):
            run = self.made(messages[at : at + 2])
            run.session_id, run.run_id = session, f"{session}_{run.run_id}"
            self.db.upsert_run(run, session, run_index=at // 2)

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        self.begin(sessions[0], messages)
        self.turn(sessions[0], self.made(messages))
        named = (sessions[0], len(sessions))
        self.copy_rows("ai.agno_sessions", "session_id", *named, updated_at="x.updated_at + n")
        self.copy_rows("ai.agno_runs", "session_id", *named, run_id="x.run_id || n")

    def newest(self, count: int) -> list[str]:
        found = self.db.get_sessions(
            SessionType.AGENT,
            limit=count,
            sort_by="updated_at",
            sort_order="desc",
            include_runs=False,
        )
        return [session.session_id for session in found]
