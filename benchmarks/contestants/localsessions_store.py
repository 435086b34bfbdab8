"""This project's store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import JsonValue

from benchmarks.contestants.contract import Files, Pages, Said, Saves, Tails
from benchmarks.contestants.rewrite_floor import documents, stock_folder
from localsessions import Session, SessionStore
from localsessions.transcripts import import_paths


class Store(Tails, Saves, Pages, Files):
    """A store that stays open, as in a program with a chat."""

    durability: Literal["full", "fast"] = "full"

    def open(self) -> None:
        self.store = SessionStore(self.folder, durability=self.durability)
        self.held: dict[str, Session] = {}
        self.cursor: str | None = None

    def close(self) -> None:
        self.store.close()

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        made = self.store.create(session)
        made.messages = [dict[str, JsonValue](one) for one in documents(messages)]
        self.store.save(made)

    def made(self, messages: Sequence[Said]) -> list[dict[str, Any]]:
        return [{"role": role, "content": text} for _, role, text in messages]

    def turn(self, session: str, made: list[dict[str, Any]]) -> None:
        self.store.append(session, *made)

    def load(self, session: str) -> Sequence[Any]:
        return self.store.load(session).messages

    def tail(self, session: str, count: int) -> Sequence[Any]:
        return self.store.tail(session, count)

    def texts(self, loaded: Sequence[Any]) -> list[str]:
        return [message["content"] for message in loaded]

    def change(self, session: str) -> None:
        if session not in self.held:
            self.held[session] = self.store.load(session)
        # The title comes before the messages: a field after them would be written without them.
        self.held[session].title = f"saved {self.held[session].revision} times"

    def save(self, session: str) -> None:
        self.store.save(self.held[session])

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        self.store.close()
        stock_folder(self.folder, sessions, messages)
        self.open()
        self._settle()

    def _settle(self) -> None:
        """Sweep until the index believes what it saw: files just written are read again."""
        for _ in range(40):
            before = self.store.stats().counters["files_read"]
            self.store.list(fresh=True)
            if self.store.stats().counters["files_read"] == before:
                return
            time.sleep(0.25)
        raise RuntimeError("the index does not settle")

    def newest(self, count: int) -> list[str]:
        return [summary.session_id for summary in self.store.list(limit=count)]

    def newest_of(self, user: str, count: int) -> list[str]:
        return [summary.session_id for summary in self.store.list(user_id=user, limit=count)]

    def before_page(self, at: int) -> None:
        if self.cursor is None:
            self.cursor = self.store.list(limit=at).next_cursor

    def page(self, count: int) -> list[str]:
        page = self.store.list(limit=count, cursor=self.cursor)
        return [summary.session_id for summary in page]

    def scan(self) -> int:
        self.store.list(limit=50, fresh=True)
        return self.store.count()

    def rebuild(self) -> int:
        return self.store.reindex()

    def take(self, paths: Sequence[str]) -> int:
        import_paths(self.store, paths)
        return self.store.stats().messages
