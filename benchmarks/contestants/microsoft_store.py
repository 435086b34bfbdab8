"""Microsoft agent-framework: ``FileSessionStore``, a snapshot of the session in one file.

``agent_framework/_sessions.py``: ``set(session_id, session)`` writes the whole snapshot. If the
history is kept in the session, it is in the session's state, as ``InMemoryHistoryProvider`` keeps
it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from agent_framework import AgentSession, FileSessionStore, InMemoryHistoryProvider, Message

from benchmarks.contestants.contract import Said, Saves

warnings.simplefilter("ignore")


class Store(Saves):
    """A file for each session, replaced whole."""

    def open(self) -> None:
        self.files = FileSessionStore(self.folder)
        self.history = InMemoryHistoryProvider()
        self.held: dict[str, AgentSession] = {}

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = AgentSession(session_id=session)
        await self.turn(session, self.made(messages))

    def made(self, messages: Sequence[Said]) -> list[Message]:
        return [Message(role=role, contents=[text]) for _, role, text in messages]

    def _state(self, session: AgentSession) -> Any:
        return session.state.setdefault(self.history.source_id, {})

    async def turn(self, session: str, made: list[Message]) -> None:
        held = self.held[session]
        await self.history.save_messages(session, made, state=self._state(held))
        await self.save(session)

    async def save(self, session: str) -> None:
        await self.files.set(session, self.held[session])

    async def load(self, session: str) -> Any:
        found = await self.files.get(session)
        return await self.history.get_messages(session, state=self._state(found))

    def texts(self, loaded: Any) -> list[str]:
        return [message.text for message in loaded]
