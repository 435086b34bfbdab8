"""agno: ``JsonDb``. https://docs.agno.com/database/providers/json : ``JsonDb(db_path=...)``.

All sessions are in one file and all runs in another. Histories and stores of a given size are made
by copying entries in those files: agno's own calls would rewrite all entries for each new entry.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agno.db.base import SessionType
from agno.db.json import JsonDb

from benchmarks.contestants.agno_runs import AgnoStore
from benchmarks.contestants.contract import Said

Entries = list[dict[str, Any]]


class Store(AgnoStore):
    """One file for all sessions and one for all runs: a turn costs as much as their whole size."""

    def database(self) -> JsonDb:
        return JsonDb(db_path=str(self.folder))

    def close(self) -> None:
        """Do nothing: it holds nothing open."""

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = self.empty(session)
        self.turn(session, self.made(messages[:2]))

        def grow(entries: Entries) -> Entries:
            pairs = range(0, len(messages), 2)
            mine = [_run(entries[-1], session, at, messages[at : at + 2]) for at in pairs]
            return entries[:-1] + mine

        _edit(self._file("runs"), grow)

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        self.begin(sessions[0], messages)
        _edit(
            self._file("sessions"),
            lambda entries: [
                {**entries[0], "session_id": session, "created_at": at, "updated_at": at}
                for at, session in enumerate(sessions)
            ],
        )

        _edit(
            self._file("runs"),
            lambda entries: [_run(entries[0], session, 0, messages) for session in sessions],
        )

    def newest(self, count: int) -> list[str]:
        found = self.db.get_sessions(
            SessionType.AGENT, limit=count, sort_by="updated_at", sort_order="desc"
        )
        return [session.session_id for session in found]

    def _file(self, what: str) -> Path:
        (path,) = self.folder.glob(f"*{what}*.json")
        return path


def _edit(path: Path, change: Callable[[Entries], Entries]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8"))), indent=2), "utf-8")


def _run(entry: dict[str, Any], session: str, at: int, said: Sequence[Said]) -> dict[str, Any]:
    made = copy.deepcopy(entry)
    made |= {"run_id": f"{session}_run_{at:08}", "session_id": session, "run_index": at // 2}
    data = made["run_data"]
    data |= {"run_id": made["run_id"], "session_id": session, "content": said[-1].text}
    for message, (_, role, text) in zip(data["messages"], said, strict=True):
        message |= {"role": role, "content": text}
    return made
