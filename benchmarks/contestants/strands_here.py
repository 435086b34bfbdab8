"""Strands over this project's store: ``LocalSessionRepository``; else as ``strands_files``."""

from __future__ import annotations

from typing import Any

from strands.session.repository_session_manager import RepositorySessionManager

from benchmarks.contestants import strands_files
from localsessions import SessionStore
from localsessions.adapters.strands import LocalSessionRepository


class Store(strands_files.Store):
    """A file a session."""

    def open(self) -> None:
        super().open()
        self.store = SessionStore(self.folder)
        self.repository = LocalSessionRepository(self.store)

    def close(self) -> None:
        self.store.close()

    def _manager(self, session: str) -> Any:
        return RepositorySessionManager(session, self.repository)

    def tail(self, session: str, count: int) -> list[Any]:
        offset = len(self.held[session][1].messages) - count
        found = self.repository.list_messages(session, strands_files.AGENT, offset=offset)
        return [one.to_message() for one in found]
