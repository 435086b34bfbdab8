"""One SQLite file that may be lost, garbled, swapped or locked at any moment.

Everything in it can be rebuilt, so every fault has the same answer: begin again with an empty
database, and raise ``generation``, which tells the callers that their rows are gone. If the file
cannot be used at all, a database in memory takes its place.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from localsessions._local.index.integrity import Integrity
from localsessions._local.index.room import Room, size_of
from localsessions._local.index.schema import IDENTITY
from localsessions._logger import log
from localsessions.models.ids import random_hex

__all__ = ["Database"]


T = TypeVar("T")

_BUSY_MS = 3000
_BUSY_PAUSE = 0.001
_TRIES = 10
_ATTEMPTS = 4
# SQLite maps a file of 32 kB or more (-shm) that all processes share. If the disk has no room for
# a page when the page is touched, as on ext4, the system kills the process (SIGBUS).
_LEAST_ROOM_BYTES = 4 << 20
# The file exists and may be intact, but cannot be used: another process has locked it, the disk is
# full or read-only, or the folder is gone.
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
# Connections that a forked child inherited. The child neither uses nor closes them; see
# https://www.sqlite.org/howtocorrupt.html, section 2.6.
_inherited: list[sqlite3.Connection] = []
_all: weakref.WeakSet[Database] = weakref.WeakSet()
_forking = ExitStack()
_one_fork = threading.Lock()


def _before_fork() -> None:
    """Wait until no thread is inside SQLite: in the child, its locks would never be released."""
    _one_fork.acquire()
    for database in list(_all):
        _forking.enter_context(database._lock)  # noqa: SLF001  (same module)


def _after_fork() -> None:
    _forking.close()
    _one_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


class Database:
    """A connection that repairs itself.

    Args:
        path: The file; None keeps everything in memory.
        schema: SQL that creates the tables.
        version: Number of the schema; a file with another number is emptied.

    Attributes:
        generation: Grows whenever this object loses the content of the database.
        identity: A random name, set when the database is created; None before its first use.
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
        self._wal: int | None = None
        self.identity: str | None = None
        self._pid = os.getpid()
        self._closed = False
        self._is_filling = False
        self._room = Room(path)
        self._integrity = Integrity(path)
        _all.add(self)

    def read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``act`` returns; after a fault it reads an empty database.

        ``act`` reads one state of one database. Otherwise another process could empty the
        database after its identity is checked and before ``act`` reads it, and the answer would
        seem to come from a complete database.
        """
        return self._heal_in(lambda db: self._transact(db, "DEFERRED", act), is_put_in=False)

    def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Let ``act`` write in one transaction, and return what it returns; see ``read``.

        The transaction may write from its first statement on. A transaction that first reads and
        then writes fails at once if another process wrote in between; the busy timeout does not
        help. Callers that stored something earlier compare ``generation`` before and after.
        """
        return self._heal_in(lambda db: self._transact(db, "IMMEDIATE", act), is_put_in=True)

    def try_to_write(self, act: Callable[[sqlite3.Connection], T], wait_ms: int) -> list[T]:
        """Write and return what ``act`` returns; nothing if another process locks it all the time.

        ``wait_ms`` is how long to wait for that process.
        """

        def write(db: sqlite3.Connection) -> list[T]:
            if wait_ms != _BUSY_MS:
                db.execute(f"PRAGMA busy_timeout = {wait_ms}")
            try:
                return [self._transact(db, "IMMEDIATE", act)]
            except sqlite3.OperationalError as error:
                name = getattr(error, "sqlite_errorname", None) or ""
                if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                    raise
                return []
            finally:
                if wait_ms != _BUSY_MS:
                    db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

        return self._heal_in(write, is_put_in=True)

    def write_last(self, act: Callable[[sqlite3.Connection], object]) -> None:
        """Write, before closing, what may be left out: repair no fault, wait for no process."""
        self._forget_parent()
        with self._lock:
            if self._connection is not None and not self._is_swapped():
                with suppress(sqlite3.Error, UnicodeDecodeError):
                    self._connection.execute("PRAGMA busy_timeout = 0")
                    self._transact(self._connection, "IMMEDIATE", act)

    def _heal_in(self, act: Callable[[sqlite3.Connection], T], *, is_put_in: bool) -> T:
        self._forget_parent()
        with self._lock:
            for attempt in range(_ATTEMPTS):
                try:
                    answer = act(self._open())
                # SQLite quotes a garbled schema in its message, which is then not UTF-8.
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    self._heal(error)
                    continue
                # If another process rebuilt the database meanwhile, our write is lost. A read stays
                # valid: the database that it read was complete.
                is_last = attempt == _ATTEMPTS - 1
                if is_last or not (is_put_in and self._is_swapped()):
                    return answer
            self._keep_in_memory()  # the file failed in every attempt
            return act(self._open())

    def refuse_damage(self, connection: sqlite3.Connection) -> None:
        """Check the whole database against itself, unless it is known to be intact.

        Raises:
            sqlite3.DatabaseError: The database is damaged.
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
        # No context manager: its generator would take a tenth of a small transaction's time.
        try:  # around BEGIN too: Ctrl-C may come right after it
            connection.execute(f"BEGIN {kind}")
            was_kept = kind == "IMMEDIATE" and self._integrity.is_kept()
            answer = act(self._known(connection))
            if kind == "IMMEDIATE" and not self._is_filling:
                self._room.give_back(connection)
        except BaseException:  # Ctrl-C too: an open transaction would block other processes
            with suppress(sqlite3.Error):  # the first error says more
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        if kind == "IMMEDIATE":
            self._room.shorten_log(connection, _BUSY_MS)
        if was_kept:
            self._integrity.go_on()
        return answer

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Keep free pages in the block: what is about to be written takes them."""
        self._is_filling = True
        try:
            yield
        finally:
            self._is_filling = False

    def ask_while_lost(self, ask: Callable[[], tuple[int | None, T]]) -> T:
        """Call ``ask`` until the database stays complete during the call; return its answer.

        If the database is lost in every attempt, perhaps because other processes rebuild it, a
        database in memory takes its place.

        Args:
            ask: Adds the missing rows. Returns the generation in which it did that, and the
                answer. The generation None means that the database was lost again.

        Raises:
            OSError: The database is lost again and again, in memory too.
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
        """Use an empty database in memory instead of the file."""
        self._forget_parent()
        with self._lock:
            if self.path is not None or self._vanished:
                log().warning("index %s is lost again and again; using memory instead", self.path)
                self._drop()
                self.generation += 1
                self.path = self._vanished = None

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._forget_parent()
        with self._lock:
            self._closed = True
            was_kept = self._connection is not None and self._integrity.is_kept()
            self._drop()
            if was_kept:  # closing wrote SQLite's log into the database
                self._integrity.go_on()
                self._integrity.hand_on()

    def size_bytes(self) -> int:
        """Return the size of the database on the disk."""
        names = [] if self.path is None else [self.path, self.path + "-wal"]
        return sum(map(size_of, names))

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
            # SQLite would apply the old file's journal to the new file.
            if self.path is not None and self._wal == _inode(self.path + "-wal"):
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
            return  # SQLite will report what is wrong
        # Some FUSE file systems do not know their size and report 0.
        if status.f_blocks and status.f_bavail * status.f_frsize < _LEAST_ROOM_BYTES:
            error = sqlite3.OperationalError("the disk is all but full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

    def _known(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Detect that the content was replaced in place, perhaps by that of another store."""
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

    def lose_rows(self, connection: sqlite3.Connection) -> None:
        """Let every process know that rows are lost; call it in the transaction that finds that."""
        self.identity = random_hex(8)
        connection.execute("UPDATE identity SET value = ?", [self.identity])
        self.generation += 1

    def _is_swapped(self) -> bool:
        """Tell whether the path now leads to another file, or to no file."""
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
        self._integrity, self._room = Integrity(self.path), Room(self.path)
        try:
            self._set_up(connection)
        except KeyboardInterrupt:  # otherwise the next call finds a database without tables
            self._drop()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # A commit reaches the disk only at a checkpoint. After a power cut the database has an
        # older, consistent state, and the next look at the folder brings it up to date.
        _begin(connection, self._room)
        connection.execute("PRAGMA synchronous = NORMAL")
        self._room.limit_log(connection)
        if self.path is None:  # perhaps because the disk has no room
            connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cell_size_check = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != self._version:
            self._make(connection)
        if self.path is not None:
            self._inode, self._wal = _inode(self.path), _inode(self.path + "-wal")

    def _make(self, connection: sqlite3.Connection) -> None:
        with connection:  # commits, or rolls back
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
            connection.execute("INSERT INTO identity VALUES (?)", [random_hex(8)])
            connection.execute(f"PRAGMA user_version = {self._version}")
        self.generation += 1
        self._room.renew(connection)

    def _heal(self, error: Exception) -> None:
        self._drop()
        self.generation += 1
        name = getattr(error, "sqlite_errorname", None) or ""
        if any(name.startswith(kind) for kind in _UNUSABLE) and not name.endswith("DBMOVED"):
            log().warning("index %s cannot be used (%s); using memory instead", self.path, error)
            # The folder was removed or renamed. When it exists again, so will the database.
            if self.path and not os.path.isdir(os.path.dirname(self.path)):
                self._vanished = self.path
            self.path = None
        else:
            log().warning("index %s is damaged (%s); making it anew", self.path, error)
            self._remove()

    def _remove(self) -> None:
        # Used when SQLite itself can no longer empty the file. At their next call, other processes
        # notice that the path leads to another file.
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


def _begin(connection: sqlite3.Connection, room: Room) -> None:
    """Switch to a write-ahead log; wait while another process creates the database.

    SQLite does not wait: while a process writes in the previous mode, it answers "busy" at once.
    """
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            room.begin(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _is_ours(path: str) -> bool:
    """Tell whether the path is unused, or a regular file that has no second name.

    SQLite follows links, waits for pipes, and writes into a file that has other names too; see
    https://www.sqlite.org/howtocorrupt.html, sections 2.4 and 2.5.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return True  # not there
    # A link count of 0: another process is removing the file.
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
