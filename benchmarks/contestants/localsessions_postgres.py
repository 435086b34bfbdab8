"""This project's store, at an address."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contestants import localsessions_store
from benchmarks.contestants.contract import Said
from benchmarks.contestants.on_a_server import OnAServer
from localsessions import Session, SessionStore

_BATCH = 1_000


class Store(OnAServer, localsessions_store.Store):
    """A row for each message."""

    def open(self) -> None:
        self.store = SessionStore(self.address())
        self.held: dict[str, Session] = {}
        self.cursor: str | None = None

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        for at in range(0, len(sessions), _BATCH):
            self.store.create_many(
                Session(session_id=one, messages=self.made(messages))
                for one in sessions[at : at + _BATCH]
            )
