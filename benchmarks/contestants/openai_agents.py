"""OpenAI Agents: ``SQLiteSession`` with a file.

https://openai.github.io/openai-agents-python/sessions/ : ``SQLiteSession("user_123",
"conversations.db")``; a run reads ``get_items()`` and ends with ``add_items([...])``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import SQLiteSession

from benchmarks.contestants.contract import Said, Tails


class Store(Tails):
    """One database for all sessions."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.held: dict[str, SQLiteSession] = {}

    def close(self) -> None:
        for session in self.held.values():
            session.close()

    def _session(self, session: str) -> SQLiteSession:
        if session not in self.held:
            self.held[session] = SQLiteSession(session, self.folder / "conversations.db")
        return self.held[session]

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        await self._session(session).add_items(self.made(messages))

    def made(self, messages: Sequence[Said]) -> list[Any]:
        return [{"role": role, "content": text} for _, role, text in messages]

    async def turn(self, session: str, made: list[Any]) -> None:
        await self._session(session).add_items(made)

    async def load(self, session: str) -> Any:
        return await self._session(session).get_items()

    async def tail(self, session: str, count: int) -> Any:
        return await self._session(session).get_items(limit=count)

    def texts(self, loaded: list[Any]) -> list[str]:
        return [item["content"] for item in loaded]
