"""SQLite databases of other programs, read without a trace.

Nothing here knows a table. The program that owns a database may be running, so its folder is left
as it is, to the byte:

    a ``-wal`` or a ``-journal`` stands beside    a private copy of them and the database is read.
                                                  With ``mode=ro`` SQLite would write marks of
                                                  readers into ``-shm``, or roll back
    none, and the journal mode is WAL             ``immutable=1``: no program uses it. Without
                                                  that, SQLite would make ``-wal`` and ``-shm``
    none, and the journal mode is another         ``mode=ro``: SQLite's locks make the reading one
                                                  state, and nothing is written

A copy is taken while no program writes: the database and the header of its WAL are the same before
and after, so that what was appended meanwhile is all that may be missing. What goes on being
written or locked is waited for, then told. See https://sqlite.org/wal.html and
https://sqlite.org/uri.html.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Cell", "Database", "opened_database"]

Cell = str | bytes | int | float | None

_WRITE_VERSION = 18
_IN_WAL_MODE = 2
_WAL_HEADER_BYTES = 32
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05


class Database:
    """An open database, of which only ordinary tables are seen.

    Attributes:
        tables: The columns of each table.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: str, before: _State | None = None
    ) -> None:
        self._connection = connection
        self._path = path
        self._before = before
        self.tables: Mapping[str, frozenset[str]] = {
            str(name): self._columns(str(name))
            for (name,) in self._all(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
                " AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        }

    def rows(self, query: str, *values: Cell) -> Iterator[dict[str, Cell]]:
        """Yield the rows of a query as objects, with the names of its columns.

        A text that is no UTF-8 comes as bytes.

        Raises:
            OSError: The database is damaged, locked or not readable.
        """
        with _told(self._path):
            cursor = self._connection.execute(query, values)
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def check(self) -> None:
        """Make sure that all rows that were read are of one state.

        Raises:
            OSError: A program wrote meanwhile.
        """
        if self._before is not None and _state(self._path) != self._before:
            raise OSError(None, _CHANGES, self._path)

    def _columns(self, table: str) -> frozenset[str]:
        found = self._all("SELECT name FROM pragma_table_info(?)", table)
        return frozenset(str(name) for (name,) in found)

    def _all(self, query: str, *values: Cell) -> list[Sequence[Cell]]:
        with _told(self._path):
            return self._connection.execute(query, values).fetchall()


@contextlib.contextmanager
def opened_database(path: str) -> Iterator[Database]:
    """Open a database of another program to read it, and leave everything as it is.

    Raises:
        OSError: It is damaged, goes on being locked or changed, or cannot be read.
    """
    with contextlib.ExitStack() as stack:
        before: _State | None = None
        if _has_sidecar(path):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="localsessions-"))
            uri = f"{_uri(_private_copy(path, folder))}?mode=rw"
        elif _is_in_wal_mode(path):
            before = _state(path)
            uri = f"{_uri(path)}?mode=ro&immutable=1"
        else:
            uri = f"{_uri(path)}?mode=ro"
        with _told(path):
            connection = sqlite3.connect(
                uri, uri=True, timeout=_PATIENCE_SECONDS, isolation_level=None
            )
        stack.callback(connection.close)
        with _told(path):
            _prepare(connection)
        yield Database(connection, path, before)


_CHANGES = "a SQLite database that goes on changing while it is read; import it again"


def _prepare(connection: sqlite3.Connection) -> None:
    connection.text_factory = _text
    connection.execute("PRAGMA query_only = ON")
    # What a schema can run is not run: its author is not trusted.
    connection.execute("PRAGMA trusted_schema = OFF")
    # One state for all queries.
    connection.execute("BEGIN")


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Raise an error of SQLite as an ``OSError`` that says what the file is."""
    try:
        yield
    # SQLite quotes a garbled schema in its message, which is then not UTF-8.
    except (sqlite3.Error, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        is_busy = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        why = "another program keeps locked" if is_busy else f"SQLite does not read: {error}"
        raise OSError(None, f"a SQLite database that {why}", path) from error
    except MemoryError as error:  # a damaged page may ask for any amount
        why = "SQLite does not read: it asks for more memory than there is"
        raise OSError(None, f"a SQLite database that {why}", path) from error


def _uri(path: str) -> str:
    made = quote(os.path.abspath(path).replace(os.sep, "/"))
    return f"file:{made}" if made.startswith("/") else f"file:/{made}"


def _has_sidecar(path: str) -> bool:
    return any(os.path.exists(f"{path}{ending}") for ending in ("-wal", "-journal"))


def _is_in_wal_mode(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.read(_WRITE_VERSION + 1)
    return head[_WRITE_VERSION:] == bytes([_IN_WAL_MODE])


class _State(NamedTuple):
    """What changes when a program writes to a database, other than at the end of its WAL."""

    database: tuple[int, int, int] | None
    journal: tuple[int, int, int] | None
    wal_header: bytes


def _state(path: str) -> _State:
    return _State(_stamp(path), _stamp(f"{path}-journal"), _wal_header(path))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _wal_header(path: str) -> bytes:
    try:
        with open(f"{path}-wal", "rb") as file:
            return file.read(_WAL_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def _private_copy(path: str, folder: str) -> str:
    """Copy a database and what stands beside it, in one state; return the path of the copy."""
    copy = os.path.join(folder, "copy")
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        before = _state(path)
        shutil.copyfile(path, copy)
        for ending in ("-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{copy}{ending}")
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
        if _state(path) == before:
            return copy
        if time.monotonic() > until:
            raise OSError(None, _CHANGES, path)
        time.sleep(_PAUSE_SECONDS)
