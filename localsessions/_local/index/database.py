"""One SQLite file that may be lost, garbled, swapped or locked at any moment.

Everything in it can be made again, so there is one answer to every fault: begin anew, empty, and
let ``generation`` tell the callers that what they put in is gone. Where the file cannot be used
at all, its place is taken by memory.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TypeVar

from localsessions._local.index.integrity import Integrity
from localsessions._local.index.schema import IDENTITY
from localsessions._log import log

__all__ = ["Database"]


T = TypeVar("T")

_BUSY_MS = 3000
_BUSY_PAUSE = 0.001
_TRIES = 10
# SQLite maps a file of 32 kB and more (-shm) that all processes share. Where a page of it turns out
# to have no room when it is touched, as on ext4, the system kills the process (SIGBUS).
_LEAST_ROOM_BYTES = 4 << 20
# The file is there and may be right, but cannot be used: another process holds it, the disk is
# full or read-only, the folder is gone.
_UNUSABLE = {
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_READONLY",
    "SQLITE_FULL",
    "SQLITE_CANTOPEN",
    "SQLITE_PERM",
    "SQLITE_AUTH",
    "SQLITE_NOLFS",
    "SQLITE_PROTOCOL",
    "SQLITE_IOERR",
}
# Connections that a forked child inherited: neither used nor closed there; see
# https://www.sqlite.org/howtocorrupt.html, section 2.6.
_inherited: list[sqlite3.Connection] = []
_all: weakref.WeakSet[Database] = weakref.WeakSet()
_forking = ExitStack()
_one_fork = threading.Lock()


def _before_fork() -> None:
    """Wait until no thread is inside SQLite: its locks would stay taken in the child, for ever."""
    _one_fork.acquire()
    for database in list(_all):
        _forking.enter_context(database._lock)  # noqa: SLF001  (its own)


def _after_fork() -> None:
    _forking.close()
    _one_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


class Database:
    """A connection that heals itself.

    Args:
        path: The file; None keeps everything in memory.
        schema: SQL that makes the tables.
        version: Number of the schema; a file of another one is emptied.

    Attributes:
        generation: Grows whenever what was in the database is lost to this object.
        identity: A random name that the database got when it was made; None before its use.
    """

    def __init__(self, path: str | None, schema: str, version: int) -> None:
        self.path = path
        self.generation = 0
        self._vanished: str | None = None
        self._schema = schema
        self._version = version
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._journal: int | None = None
        self.identity: str | None = None
        self._pid = os.getpid()
        self._closed = False
        self._integrity = Integrity(path)
        _all.add(self)

    def read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``act`` finds; after a fault, in an empty database.

        All that it asks is answered of one state of one database: else another process could
        empty it between the look at its identity and the question, and the answer would pass for
        one of a database that was whole.
        """
        return self._heal_in(lambda db: self._transact(db, "DEFERRED", act), is_put_in=False)

    def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``act`` returns, which writes in one transaction; see ``read``.

        It has the right to write from its first statement on: one that begins by reading and then
        writes fails at once when another process wrote in between, whatever the busy timeout.
        Callers that put something in earlier compare ``generation`` before and after.
        """
        return self._heal_in(lambda db: self._transact(db, "IMMEDIATE", act), is_put_in=True)

    def write_last(self, act: Callable[[sqlite3.Connection], object]) -> None:
        """Write what may be left out, before closing: no fault is healed, nobody is waited for."""
        self._forget_parent()
        with self._lock:
            if self._connection is not None and not self._is_swapped():
                with suppress(sqlite3.Error, UnicodeDecodeError):
                    self._connection.execute("PRAGMA busy_timeout = 0")
                    self._transact(self._connection, "IMMEDIATE", act)

    def _heal_in(self, act: Callable[[sqlite3.Connection], T], *, is_put_in: bool) -> T:
        self._forget_parent()
        with self._lock:
            for _ in range(3):
                try:
                    answer = act(self._open())
                # SQLite quotes a garbled schema in its message, which then is no UTF-8.
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    self._heal(error)
                    continue
                # Where another process made it anew meanwhile, what was put in is gone with it;
                # what was asked was answered of a whole one.
                if not (is_put_in and self._is_swapped()):
                    return answer
            return act(self._open())

    def refuse_damage(self, connection: sqlite3.Connection) -> None:
        """Check the whole database against itself, unless nobody wrote to it since.

        Raises:
            sqlite3.DatabaseError: It is damaged.
        """
        integrity = self._integrity
        if integrity.is_handed_on():
            return
        integrity.begin()
        (verdict,) = connection.execute("PRAGMA integrity_check (1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        integrity.end()

    def _transact(
        self, connection: sqlite3.Connection, kind: str, act: Callable[[sqlite3.Connection], T]
    ) -> T:
        # No context manager: its generator would take a tenth of the time of a small one.
        try:  # from the beginning on: Ctrl-C may come right after it
            connection.execute(f"BEGIN {kind}")
            was_kept = kind == "IMMEDIATE" and self._integrity.is_kept()
            answer = act(self._known(connection))
        except BaseException:  # Ctrl-C too: an open transaction would lock others out
            with suppress(sqlite3.Error):  # the error that is on its way says more
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        if was_kept:
            self._integrity.go_on()
        return answer

    def ask_while_lost(self, ask: Callable[[], tuple[int | None, T]]) -> T:
        """Return the answer to a question that was asked while the database was whole.

        Where it is lost in every attempt, by other processes that make it anew perhaps, memory
        takes its place.

        Args:
            ask: Puts in what is lacking, and returns the generation in which that was done, and
                the answer; None is the generation where it was lost again.

        Raises:
            OSError: It is lost again and again, in memory too.
        """
        lost = 0
        while True:
            generation, answer = ask()
            if generation == self.generation:
                return answer
            lost += 1
            if lost == _TRIES:
                self._keep_in_memory()
            elif lost == 2 * _TRIES:
                raise OSError(
                    errno.EIO, "the index is lost again and again, in memory too; the log says why"
                )

    def _keep_in_memory(self) -> None:
        """Let memory take the place of a file, empty."""
        self._forget_parent()
        with self._lock:
            if self.path is not None or self._vanished:
                log().warning("index %s is lost again and again; using memory instead", self.path)
                self._drop()
                self.generation += 1
                self.path = self._vanished = None

    def close(self) -> None:
        """Close the connection; later calls open it again in memory only if they are made."""
        self._forget_parent()
        with self._lock:
            self._closed = True
            was_kept = self._connection is not None and self._integrity.is_kept()
            self._drop()
            if was_kept:  # SQLite has written its log into the database
                self._integrity.go_on()
                self._integrity.hand_on()

    def size_bytes(self) -> int:
        """Return what the database takes on the disk."""
        names = [] if self.path is None else [self.path, self.path + "-wal"]
        return sum(map(_size, names))

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            if self._connection is not None:
                _inherited.append(self._connection)
            self._connection, self._pid = None, os.getpid()

    def _open(self) -> sqlite3.Connection:
        if self._vanished and os.path.isdir(os.path.dirname(self._vanished)):
            self._drop()
            self.generation += 1
            self.path, self._vanished = self._vanished, None
        self._refuse_full_disk()
        if self._connection is not None and self._is_swapped():
            self._drop()
            self.generation += 1
            # SQLite would play the old file's journal into the new one.
            if self.path is not None and self._journal == _inode(self.path + "-wal"):
                self._remove()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _refuse_full_disk(self) -> None:
        if self.path is None or not hasattr(os, "statvfs"):
            return
        try:
            status = os.statvfs(os.path.dirname(self.path))
        except OSError:
            return  # SQLite will say what is wrong
        # Some FUSE file systems do not know their size, and say that it is 0.
        if status.f_blocks and status.f_bavail * status.f_frsize < _LEAST_ROOM_BYTES:
            error = sqlite3.OperationalError("the disk is all but full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

    def _known(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Notice a database whose content was replaced in place, by another store's perhaps."""
        found = connection.execute("SELECT value FROM identity").fetchone()
        if found is None:
            raise sqlite3.DatabaseError("the database has lost its identity")
        if self.identity not in (None, found[0]):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != self._version:  # the same names may mean other things there
                raise sqlite3.DatabaseError(f"another process made it anew in version {version}")
            self.generation += 1
        self.identity = found[0]
        return connection

    def renew(self, connection: sqlite3.Connection) -> None:
        """Give the database another identity, inside a transaction that empties it."""
        connection.execute("UPDATE identity SET value = ?", [secrets.token_hex(8)])

    def _is_swapped(self) -> bool:
        """Tell whether the name now leads to another file, or to none."""
        return self.path is not None and self._inode != _inode(self.path)

    def _connect(self) -> sqlite3.Connection:
        if self.path is not None and not all(map(_is_ours, self._files(self.path))):
            log().warning("index %s is a link or no file; making it anew", self.path)
            self._remove()
        connection = sqlite3.connect(
            self.path or ":memory:",
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection = connection  # so that a failure below closes it
        self._integrity = Integrity(self.path)
        try:
            self._set_up(connection)
        except KeyboardInterrupt:  # else the next call would find a database without its tables
            self._drop()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # A commit reaches the disk at a checkpoint only: after a power cut the database is an
        # older one, whole, and the next look at the folder brings it up to date.
        _keep_a_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        if self.path is None:  # because there was no room on the disk, perhaps
            connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cell_size_check = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != self._version:
            self._make(connection)
        if self.path is not None:
            self._inode, self._journal = _inode(self.path), _inode(self.path + "-wal")

    def _make(self, connection: sqlite3.Connection) -> None:
        with connection:  # which commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == self._version:
                return  # another process was faster
            tables = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                " ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"
            ).fetchall()
            for (name,) in tables:
                connection.execute(f'DROP TABLE IF EXISTS "{name}"')
            for statement in self._schema.split(";"):
                connection.execute(statement)
            connection.execute(IDENTITY)
            connection.execute("INSERT INTO identity VALUES (?)", [secrets.token_hex(8)])
            connection.execute(f"PRAGMA user_version = {self._version}")
        self.generation += 1

    def _heal(self, error: Exception) -> None:
        self._drop()
        self.generation += 1
        name = getattr(error, "sqlite_errorname", None) or ""
        if any(name.startswith(kind) for kind in _UNUSABLE) and not name.endswith("DBMOVED"):
            log().warning("index %s cannot be used (%s); using memory instead", self.path, error)
            # Its folder was removed or renamed: where it is made again, so is the database.
            if self.path and not os.path.isdir(os.path.dirname(self.path)):
                self._vanished = self.path
            self.path = None
        else:
            log().warning("index %s is damaged (%s); making it anew", self.path, error)
            self._remove()

    def _remove(self) -> None:
        # Where SQLite itself can no longer empty the file. Other processes see at their next
        # call that the name leads elsewhere.
        for path in self._files(self.path) if self.path is not None else ():
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                log().warning("index %s cannot be removed (%s); using memory", path, error)
                self.path = None

    def _files(self, path: str) -> Iterator[str]:
        """Yield the names that SQLite opens for a database."""
        return (path + suffix for suffix in ("", "-wal", "-shm", "-journal"))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # a damaged file may refuse to be closed cleanly
                connection.close()


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Change to a write-ahead log; wait for another process that is making the database.

    SQLite does not: where somebody is writing in the former mode, it answers "busy" at once.
    """
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _is_ours(path: str) -> bool:
    """Tell whether nothing else than a file of ours has this name.

    SQLite follows links, waits for pipes, and writes into a file whatever other names it has; see
    https://www.sqlite.org/howtocorrupt.html, sections 2.4 and 2.5.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return True  # not there
    # None at all: another process removes it just now.
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # not there, or not to be known


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
