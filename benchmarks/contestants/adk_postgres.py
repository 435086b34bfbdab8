"""Google ADK: ``DatabaseSessionService`` with PostgreSQL; else as ``google_adk``.

Stores of a given size are made by copying rows that its own calls wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.adk.sessions import DatabaseSessionService

from benchmarks.contestants import google_adk
from benchmarks.contestants.contract import Said
from benchmarks.contestants.on_a_server import OnAServer


class Store(OnAServer, google_adk.Store):
    """A row for each event."""

    def open(self) -> None:
        self.service = DatabaseSessionService(db_url=self.address("postgresql+psycopg"))
        self.held: dict[str, Any] = {}

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = await self.service.create_session(
            app_name=google_adk.APP, user_id=google_adk.USER, session_id=session
        )
        await self.turn(session, self.made(messages))

    async def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        await self.begin(sessions[0], messages)
        named = (sessions[0], len(sessions))
        later = "x.update_time + n * interval '1 second'"
        self.copy_rows("sessions", "id", *named, update_time=later)
        self.copy_rows("events", "session_id", *named, id="x.id || n")
