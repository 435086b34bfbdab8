"""Google ADK over this project's store: ``LocalSessionService``; else as ``google_adk``.

Stores of a given size are made by copying a session that its own calls wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from benchmarks.contestants import google_adk
from benchmarks.contestants.contract import Said
from localsessions import Session, SessionStore
from localsessions.adapters.document import session_id_for
from localsessions.adapters.google_adk import LocalSessionService


class Store(google_adk.Store):
    """A file a session."""

    def open(self) -> None:
        self.store = SessionStore(self.folder)
        self.service = LocalSessionService(self.store)
        self.held: dict[str, Any] = {}

    async def close(self) -> None:
        self.store.close()

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = await self.service.create_session(
            app_name=google_adk.APP, user_id=google_adk.USER, session_id=session
        )
        await self.turn(session, self.made(messages))

    async def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        await self.begin(sessions[0], messages)
        first = self.store.load(_id_of(sessions[0]))
        self.store.delete(first.session_id)
        self.store.create_many(
            Session(
                session_id=_id_of(session),
                user_id=first.user_id,
                source={**first.source, "session_id": session},
                messages=first.messages,
                last_activity=google_adk.BEGIN + timedelta(seconds=number),
            )
            for number, session in enumerate(sessions)
        )


def _id_of(session: str) -> str:
    return session_id_for(session, google_adk.USER, google_adk.APP)
