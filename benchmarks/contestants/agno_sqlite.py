"""agno: ``SqliteDb``. https://docs.agno.com/database/providers/sqlite : ``SqliteDb(db_file=...)``.

Histories and stores of a given size are made by copying rows that its own calls wrote: adding them
run by run would take minutes. What is read back is checked as for all contestants.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agno.db.base import SessionType
from agno.db.sqlite import SqliteDb

from benchmarks.contestants.agno_runs import AgnoStore
from benchmarks.contestants.contract import Said


class Store(AgnoStore):
    """One database for all sessions, runs in a separate table."""

    def database(self) -> SqliteDb:
        return SqliteDb(db_file=str(self.path))

    @property
    def path(self) -> Path:
        """Where the database is."""
        return self.folder / "agno.db"

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = self.empty(session)
        self.turn(session, self.made(messages[:2]))
        with closing(sqlite3.connect(self.path)) as db:
            run = _rows(db, "agno_runs", session)[0]
            copies = (
                _run(run, session, at, messages[at : at + 2]) for at in range(2, len(messages), 2)
            )
            _insert(db, "agno_runs", copies)

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        self.begin(sessions[0], messages)
        with closing(sqlite3.connect(self.path)) as db:
            row = _rows(db, "agno_sessions", sessions[0])[0]
            run = _rows(db, "agno_runs", sessions[0])[0]
            rows = (
                {**row, "session_id": session, "created_at": number, "updated_at": number}
                for number, session in enumerate(sessions)
            )
            _insert(db, "agno_sessions", rows)
            _insert(db, "agno_runs", (_run(run, session, 0, messages) for session in sessions))

    def newest(self, count: int) -> list[str]:
        found = self.db.get_sessions(
            SessionType.AGENT,
            limit=count,
            sort_by="updated_at",
            sort_order="desc",
            include_runs=False,
        )
        return [session.session_id for session in found]


def _rows(db: sqlite3.Connection, table: str, session: str) -> list[dict[str, Any]]:
    found = db.execute(f"SELECT * FROM {table} WHERE session_id = ?", (session,))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _run(row: dict[str, Any], session: str, at: int, said: Sequence[Said]) -> dict[str, Any]:
    data = json.loads(row["run_data"])
    data |= {"run_id": f"{session}_run_{at:08}", "session_id": session, "content": said[-1].text}
    data["messages"] = [
        {**message, "role": role, "content": text}
        for message, (_, role, text) in zip(data["messages"], said, strict=True)
    ]
    return {
        **row,
        "run_id": data["run_id"],
        "session_id": session,
        "run_index": at // 2,
        "run_data": json.dumps(data),
    }


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    with db:
        for row in rows:
            marks = ", ".join(f":{name}" for name in row)
            columns = ", ".join(row)
            db.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", row)
