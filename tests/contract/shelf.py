"""Shelf: the dicts and the lock behind a DictEngine."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import JsonValue

from localsessions.engine import Engine
from localsessions.models import Deletion, SessionChange, TrashedSession, place_of

__all__ = ["Kept", "Shelf"]

Kept: TypeAlias = tuple[bytes, int]  # what a session says, and the number of that version


@dataclass
class Shelf:
    """All that is kept, for any number of engines."""

    kept: dict[str, Kept] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, bytes]] = field(default_factory=dict)
    trash: list[tuple[TrashedSession, Kept, dict[str, bytes]]] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    log: list[tuple[Engine, SessionChange]] = field(default_factory=list)
    begin: int = 1  # the number before the first of the log
    ticks: int = 0  # how often there was something to wake followers for
    editors: dict[str, int] = field(default_factory=dict)  # the threads that hold sessions
    present: list[Any] = field(default_factory=list)  # the engines that say that they are there
    guard: threading.Condition = field(default_factory=threading.Condition)  # of all that

    def put(self, session_id: str, kept: Kept | None) -> None:
        """Keep a session, or no longer; one step, since readers take no lock."""
        if kept is None:
            del self.kept[session_id]
        else:
            self.kept[session_id] = kept

    def note(self, item: TrashedSession, source: dict[str, JsonValue]) -> None:
        self.deletions += [Deletion(item.session_id, place_of(source), item.deleted_at)]

    def forget(self, deleted_at: Collection[datetime]) -> None:
        with self.guard:
            self.deletions = [one for one in self.deletions if one.deleted_at not in deleted_at]

    def forget_purged(self) -> None:
        with self.guard:
            kept = {item.deleted_at for item, _, _ in self.trash}
            self.deletions = [one for one in self.deletions if one.deleted_at in kept]

    def tick(self) -> None:
        with self.guard:
            self.ticks += 1
            self.guard.notify_all()
