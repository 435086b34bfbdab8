"""OpenAI Agents over this project's store: ``LocalSession``; else as ``openai_agents``."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants import openai_agents
from localsessions import SessionStore
from localsessions.adapters.openai_agents import LocalSession


class Store(openai_agents.Store):
    """A file a session."""

    def open(self) -> None:
        self.store = SessionStore(self.folder)
        self.held: dict[str, Any] = {}

    def close(self) -> None:
        self.store.close()

    def _session(self, session: str) -> Any:
        if session not in self.held:
            self.held[session] = LocalSession(self.store, session)
        return self.held[session]
