"""Room: what a database takes on the disk, and how it gives some of it back.

SQLite keeps two things for later: a log of what was written, and the pages of what was deleted.
``Room`` keeps both short. It takes the connection of its database.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

__all__ = ["LOG_BYTES", "Room", "size_of"]

# SQLite copies its log into the database when the log has this many pages, and then starts it again
# from the beginning. It has to wait while a process reads from the log.
_LOG_PAGES = 256
LOG_BYTES = 1 << 20
"""SQLite cuts a log that is longer than this; ``shorten_log`` cuts one of twice this length."""

# A database keeps this many free pages, or a sixteenth of its pages, for what is written next.
_FREE_PAGES, _FREE_SHARE = 256, 16
_GIVEN_BACK_PAGES = 512
_LOOK_EVERY = 8
_INCREMENTAL = 2  # how SQLite names the mode in which a database can give pages back


class Room:
    """The log and the free pages of one database.

    Args:
        path: The database; None means in memory, where there is no log.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._writes = 0
        self._has_waste = False

    def begin(self, connection: sqlite3.Connection) -> None:
        """Choose, for a database without pages, the mode in which it can give pages back."""
        # On a database that has pages this would be a write.
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")

    def limit_log(self, connection: sqlite3.Connection) -> None:
        """Set how long the log may be."""
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")

    def renew(self, connection: sqlite3.Connection) -> None:
        """Change the mode of a database that was just emptied, if an older version chose it."""
        # While another process has the database open, SQLite refuses. Then nothing changes.
        with suppress(sqlite3.OperationalError):
            if not _gives_back(connection):
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("VACUUM")

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Inside a transaction that writes: give some free pages back, if there are many."""
        if self._has_waste or self._writes % _LOOK_EVERY == 0:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            is_much = free > max(_FREE_PAGES, pages // _FREE_SHARE)
            self._has_waste = is_much and _gives_back(connection)
            for _ in range(min(free, _GIVEN_BACK_PAGES) if self._has_waste else 0):
                # One by one: sqlite3 stops at the first row of a statement without columns.
                connection.execute("PRAGMA incremental_vacuum (1)")
        self._writes += 1

    def shorten_log(self, connection: sqlite3.Connection, busy_ms: int) -> None:
        """After a write: cut a long log, unless another process reads from it.

        Args:
            connection: The database.
            busy_ms: How long the connection waits for other processes; here it does not wait.
        """
        if self._path is None or size_of(f"{self._path}-wal") <= 2 * LOG_BYTES:
            return
        with suppress(sqlite3.Error):  # the next act meets the same error and handles it
            try:
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {busy_ms}")


def size_of(path: str) -> int:
    """Return the size of a file; 0 if it does not exist or cannot be read."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _gives_back(connection: sqlite3.Connection) -> bool:
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    return bool(mode == _INCREMENTAL)
