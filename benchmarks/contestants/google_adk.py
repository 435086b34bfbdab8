"""Google ADK: ``DatabaseSessionService`` with SQLite.

https://google.github.io/adk-docs/sessions/session/ : ``DatabaseSessionService(db_url=
"sqlite+aiosqlite:///...")``; a runner calls ``append_event(session, event)`` for the user's
message and for each answer. ``list_sessions`` returns all of them, the oldest first.

Histories and stores of a given size are made by copying rows that its own calls wrote.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.adk.events import Event
from google.adk.sessions import DatabaseSessionService
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai import types

from benchmarks.contestants.contract import Lists, Said, Tails

APP, USER = "benchmark", "user"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Store(Tails, Lists):
    """One database for all sessions, a row for each event."""

    @property
    def path(self) -> Path:
        """Where the database is."""
        return self.folder / "adk.db"

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.service = DatabaseSessionService(db_url=f"sqlite+aiosqlite:///{self.path}")
        self.held: dict[str, Any] = {}

    async def close(self) -> None:
        await self.service.close()

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = await self.service.create_session(
            app_name=APP, user_id=USER, session_id=session
        )
        await self.turn(session, self.made(messages[:2]))
        with closing(sqlite3.connect(self.path)) as db:
            first, second = _rows(db, "events", "session_id", session)
            copies = (
                _event((first, second)[number % 2], number, text) for number, _, text in messages
            )
            db.execute("DELETE FROM events WHERE session_id = ?", (session,))
            _insert(db, "events", copies)

    async def resume(self, session: str) -> None:
        self.held[session] = await self.load(session)

    def made(self, messages: Sequence[Said]) -> list[Event]:
        return [
            Event(
                author="user" if role == "user" else "model",
                invocation_id=f"run_{number:08}",
                content=types.Content(
                    role="user" if role == "user" else "model", parts=[types.Part(text=text)]
                ),
            )
            for number, role, text in messages
        ]

    async def turn(self, session: str, made: list[Event]) -> None:
        for event in made:
            await self.service.append_event(self.held[session], event)

    async def load(self, session: str) -> Any:
        return await self.service.get_session(app_name=APP, user_id=USER, session_id=session)

    async def tail(self, session: str, count: int) -> Any:
        return await self.service.get_session(
            app_name=APP,
            user_id=USER,
            session_id=session,
            config=GetSessionConfig(num_recent_events=count),
        )

    def texts(self, loaded: Any) -> list[str]:
        return [event.content.parts[0].text for event in loaded.events]

    async def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        await self.begin(sessions[0], messages)
        with closing(sqlite3.connect(self.path)) as db:
            row = _rows(db, "sessions", "id", sessions[0])[0]
            events = _rows(db, "events", "session_id", sessions[0])
            _insert(db, "sessions", (_session(row, at, one) for at, one in enumerate(sessions)))
            _insert(
                db,
                "events",
                (
                    {**event, "id": f"{session}-{number}", "session_id": session}
                    for session in sessions[1:]
                    for number, event in enumerate(events)
                ),
            )

    async def newest(self, count: int) -> list[str]:
        found = await self.service.list_sessions(app_name=APP, user_id=USER)
        newest = sorted(found.sessions, key=lambda session: session.last_update_time, reverse=True)
        return [session.id for session in newest[:count]]


def _event(row: dict[str, Any], number: int, text: str) -> dict[str, Any]:
    data = json.loads(row["event_data"])
    stamp = BEGIN + timedelta(milliseconds=number)
    identity = f"{row['session_id']}-{number:08}"
    data |= {"id": identity, "timestamp": stamp.timestamp()}
    data["content"]["parts"] = [{"text": text}]
    return {
        **row,
        "id": identity,
        "timestamp": stamp.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "event_data": json.dumps(data),
    }


def _session(row: dict[str, Any], number: int, session: str) -> dict[str, Any]:
    stamp = (BEGIN + timedelta(seconds=number)).strftime("%Y-%m-%d %H:%M:%S.%f")
    return {**row, "id": session, "create_time": stamp, "update_time": stamp}


def _rows(db: sqlite3.Connection, table: str, key: str, value: str) -> list[dict[str, Any]]:
    found = db.execute(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY rowid", (value,))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    with db:
        for row in rows:
            marks = ", ".join(f":{name}" for name in row)
            columns = ", ".join(row)
            db.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", row)
