"""ReplayedDatabase: the database of the rows; each question replays the journal into it first.

So a question sees every turn that has returned, and a turn itself uses no database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from localsessions import _system
from localsessions._local.index import changelog, schema, table
from localsessions._local.index.database import Database
from localsessions._local.index.journal import Journal
from localsessions._local.index.turn import Turn
from localsessions._logger import log

__all__ = ["ReplayedDatabase"]

T = TypeVar("T")

_BUSY_MS = 3000


class ReplayedDatabase(Database):
    """The rows and the log of changes; the journal is the file ``journal`` beside the database.

    A database in memory has no journal: no other store asks it.

    Args:
        path: The database; None keeps it in memory.
    """

    def __init__(self, path: str | None) -> None:
        super().__init__(path, schema.TABLES, schema.VERSION)
        has_journal = path is not None and _system.APPENDS_IN_ONE_STEP
        beside = os.path.join(os.path.dirname(path or ""), "journal")
        self._own_journal = Journal(beside) if has_journal else None
        self._place = ""  # in the journal, as the database had it when it was asked last

    @property
    def _journal(self) -> Journal | None:
        return None if self.path is None else self._own_journal

    def append(self, line: bytes) -> bool:
        """Append a line to the journal; return whether it is there."""
        journal = self._journal
        size_bytes = 0 if journal is None else journal.append(line)
        if size_bytes >= Journal.LONG_BYTES:
            self.try_to_write(self.replay, 0)
        return bool(size_bytes)

    def read(self, act: Callable[[sqlite3.Connection], T], *, apart: bool = False) -> T:
        """Return what ``act`` returns, after the journal is replayed; see ``Database.read``.

        With ``apart`` the replay has a transaction of its own, so that an ``act`` that takes long
        blocks no writer. Lines that come later are of turns that return after the question began.
        """

        def read(db: sqlite3.Connection) -> list[T]:
            return [act(db)] if self._is_replayed(db) else []

        def replay_and_read(db: sqlite3.Connection) -> list[T]:
            self.replay(db)
            return [] if apart else [act(db)]

        # The place that was seen last tells most changes without a question to the database.
        journal = self._journal
        if journal is None or journal.is_replayed(self._place):
            for found in super().read(read):
                return found
        answers = self.try_to_write(replay_and_read, _BUSY_MS)
        if not answers:
            log().warning("another program has locked the index; the last turns may be missing")
        for answer in answers:
            for found in answer:
                return found
        return super().read(act)

    def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Let ``act`` write in one transaction, after the journal is replayed."""

        def write(db: sqlite3.Connection) -> T:
            self.replay(db)
            return act(db)

        return super().write(write)

    def replay(self, db: sqlite3.Connection) -> bool:
        """Put the lines of the journal into the rows and the log; make a new journal where needed.

        If lines are lost, every store sweeps its folder.

        Returns:
            False if the journal cannot be read now.
        """
        journal = self._journal
        if journal is None or (self._is_replayed(db) and self._place):
            return True
        place = self._place
        try:
            found = journal.read(place)
        except OSError as error:
            log().warning("the journal %s cannot be read now: %s", journal.path, error)
            return False
        if found is not None:
            is_whole = _record(db, found.lines) and found.is_whole
            place = found.place
        else:  # a new index has no place, and the sweep that fills it comes after this
            is_whole = not place and not (changelog.is_complete(db) and journal.is_file())
        if not is_whole:
            log().warning("the journal %s has lost lines; looking at all files", journal.path)
            self.lose_rows(db)
        if found is None or found.is_over:
            try:
                now = journal.renew()
                # A long one is read to its end once more: who appends to it may not know yet.
                place = place if found is not None else now
            except OSError as error:
                log().debug("no new journal is made: %s", error)
                if found is None:
                    journal.remove()  # lines that are added to it would never be read
                    place = ""
        changelog.set_journal_place(db, place)
        self._place = place
        return True

    def _is_replayed(self, db: sqlite3.Connection) -> bool:
        journal = self._journal
        if journal is None:
            return True
        self._place = changelog.journal_place(db)
        return journal.is_replayed(self._place)


def _record(db: sqlite3.Connection, lines: Sequence[bytes]) -> bool:
    """Record what lines say; return False where the files must say what was before."""
    try:
        return table.record(db, [*map(Turn.read, lines)])
    except (ValueError, TypeError):
        raise sqlite3.DatabaseError("a line of the journal is none of ours") from None
