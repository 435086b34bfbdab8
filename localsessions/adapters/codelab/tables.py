"""The SQLite file at the database's path: the two tables that the guide's commands read.

It is derived from the session files: written after each change of them, and rebuilt if it is
missing or behind. A table of our own, ``localsessions``, holds a seal of what we wrote for each
session. Rows without a valid seal come from the former service and are taken over into session
files: all rows if the file is the service's old file, and later the rows that it wrote since.

Each write reads the session file again inside the transaction. So the last transaction holds what
the last writer wrote, in whatever order the writers come here.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from localsessions import (
    ChangesExpiredError,
    ConflictError,
    FormatVersionError,
    SessionError,
    SessionExistsError,
    SessionStore,
    UnreadableSessionError,
)
from localsessions.adapters.codelab.rows import (
    ContextRow,
    Rows,
    SessionRow,
    join,
    rows_of,
    session_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localsessions import Session, SessionSummary

__all__ = ["Tables", "summaries_of"]

_log = logging.getLogger("localsessions.codelab")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
  session_id VARCHAR NOT NULL PRIMARY KEY,
  messages TEXT NOT NULL,
  last_activity DATETIME NOT NULL,
  created_at DATETIME NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_sessions_last_activity ON sessions (last_activity);
CREATE TABLE IF NOT EXISTS agent_contexts (
  session_id VARCHAR NOT NULL PRIMARY KEY,
  current_agent VARCHAR NOT NULL,
  agent_history TEXT NOT NULL,
  context_metadata TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  last_switch_at DATETIME,
  switch_count INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_agent_contexts_last_switch_at ON agent_contexts (last_switch_at);
CREATE TABLE IF NOT EXISTS localsessions (session_id TEXT PRIMARY KEY, seal TEXT NOT NULL)
"""
_SESSION_COLUMNS = ", ".join(SessionRow._fields)
_CONTEXT_COLUMNS = ", ".join(ContextRow._fields)
_PATIENCE = 30.0
# No session has this id; its seal is the number of the last change that the tables hold.
_LAST_CHANGE = ""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def summaries_of(store: SessionStore) -> Iterator[SessionSummary]:
    """Yield every session, the last active first."""
    page = store.list(limit=500)
    yield from page
    while page.next_cursor is not None:
        page = store.list(limit=500, cursor=page.next_cursor)
        yield from page


class Tables:
    """The SQLite file of a database. Any number of threads and processes may write it."""

    def __init__(self, path: str, store: SessionStore) -> None:
        self._path = path
        self._store = store
        self._lock = threading.Lock()
        # The process that opened it, its inode, the connection.
        self._open: tuple[int, int | None, sqlite3.Connection] | None = None

    def sync(self) -> None:
        """Take over what the former service wrote, and bring the tables up to date.

        Raises:
            OSError: The file cannot be written, or stays locked.
        """
        with self._lock:
            try:
                self._bring_up_to_date()
            except sqlite3.Error as error:
                raise OSError(
                    f"the tables in {self._path} cannot be used: {error}; end the program that "
                    "holds the file, or give the database another path"
                ) from error

    def write(self, *session_ids: str) -> None:
        """Make the rows of these sessions say what their files say now.

        The files are already written, so a failure here is not an error of the caller's. It is
        logged. The next write that succeeds repairs the rows, or the next opening of the database.
        """
        with self._lock:
            try:
                connection = self._connection_if_current()
                if connection is None:
                    self._bring_up_to_date()
                    return
                with _transaction(connection):
                    for session_id in session_ids:
                        self._put(connection, session_id)
            except (sqlite3.Error, SessionError, OSError) as error:
                self._let_go()  # so that the next write brings all up to date
                _log.error(
                    "the tables in %s are behind the session files, which are whole: %s",
                    self._path,
                    error,
                )

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._let_go()

    # -- the file ----------------------------------------------------------------------------

    def _connection_if_current(self) -> sqlite3.Connection | None:
        """Return the connection; None in a forked child, or if the file was replaced."""
        if self._open is None:
            return None
        pid, inode, connection = self._open
        return connection if (pid, inode) == (os.getpid(), self._inode()) else None

    def _connect(self) -> sqlite3.Connection:
        self._let_go()
        if self._inode() is None:
            with suppress(FileExistsError):  # another process was faster
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        self._open = os.getpid(), self._inode(), connection
        # A foreign table may hold anything; a cell that is not UTF-8 must not hide other rows.
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        # Readers never wait, and no write syncs. If another program holds the file, this may
        # fail; then everything still works, only slower.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _inode(self) -> int | None:
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return None

    def _let_go(self) -> None:
        # Leave a connection that a fork inherited: closing it would end the parent's locks.
        if self._open is not None and self._open[0] == os.getpid():
            self._open[2].close()
        self._open = None

    def _set_aside(self) -> None:
        """Move a file that is not a database out of the way; nothing of it is lost."""
        self._let_go()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = f"{self._path}.damaged-{stamp}"
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.rename(self._path + suffix, aside + suffix)
        _log.warning("%s is damaged and was moved to %s; it is made anew", self._path, aside)

    # -- up to date --------------------------------------------------------------------------

    def _bring_up_to_date(self) -> None:
        """Open the file again and catch up; afterwards the tables are up to date."""
        try:
            try:
                self._catch_up(self._connect())
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise
                self._set_aside()
                self._catch_up(self._connect())
        # After an error or Ctrl-C the tables are behind: the next call has to open and catch up.
        except BaseException:
            self._let_go()
            raise

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            for statement in _SCHEMA.split(";"):  # executescript() would commit before
                connection.execute(statement)
            self._take_over_all(connection)
            number = self._store.last_change()
            changed = self._changed(connection)
            readable, unreadable = self._ids()
            known = {row[0] for row in connection.execute("SELECT session_id FROM localsessions")}
            known -= {_LAST_CHANGE}
            if changed is None:
                changed = readable | known
            for session_id in (changed | (readable ^ known)) - unreadable:
                self._put(connection, session_id)
            _seal(connection, _LAST_CHANGE, str(number))

    def _changed(self, connection: sqlite3.Connection) -> set[str] | None:
        """Return what changed since the tables were written; None if that is not known."""
        number = _seal_of(connection, _LAST_CHANGE)
        if number is None:
            return None
        try:
            changes = self._store.changes(int(number), fresh=True)
            return {change.session_id for change in changes}
        except ChangesExpiredError:
            return None

    def _ids(self) -> tuple[set[str], set[str]]:
        readable: set[str] = set()
        unreadable: set[str] = set()
        for one in summaries_of(self._store):
            (readable if one.unreadable is None else unreadable).add(one.session_id)
        return readable, unreadable

    def _put(self, connection: sqlite3.Connection, session_id: str) -> None:
        """Make the rows of a session match its file; if the file is broken, leave them."""
        former = _rows(connection, session_id)
        if former != Rows() and _seal_of(connection, session_id) != former.seal:
            return  # the former service wrote them: we must not replace them
        try:
            session = self._store.get(session_id)
        except UnreadableSessionError:
            return
        rows = Rows() if session is None else rows_of(session)
        if rows != former:
            _replace(connection, session_id, rows)

    # -- taking over -------------------------------------------------------------------------

    def _take_over_all(self, connection: sqlite3.Connection) -> None:
        ids = connection.execute(
            "SELECT session_id FROM sessions UNION SELECT session_id FROM agent_contexts"
        ).fetchall()
        taken = 0
        for (session_id,) in ids:
            rows = _rows(connection, session_id)
            if _seal_of(connection, session_id) != rows.seal:
                taken += self._take_over(connection, session_id, rows)
        if taken:
            _log.info("Took over %d sessions of the former service from %s", taken, self._path)

    def _take_over(self, connection: sqlite3.Connection, session_id: str, rows: Rows) -> bool:
        """Keep rows of the former service in session files; rows that we cannot read stay."""
        try:
            kept = self._keep(session_of(rows), rows)
        except (ValueError, RecursionError) as error:
            _log.warning(
                "session %r in %s is not understood and stays as it is there: %s",
                session_id,
                self._path,
                error,
            )
            return False
        _replace(connection, session_id, Rows())
        for kept_id in kept:
            self._put(connection, kept_id)
        return True

    def _keep(self, theirs: Session, rows: Rows) -> tuple[str, ...]:
        """Store what the rows say; return the ids of the sessions that hold it."""
        session_id = theirs.session_id
        try:
            self._store.path(session_id)
        except ValueError:  # no file name can be made of the id
            return (self._keep_beside(theirs, rows),)
        try:
            if self._save(theirs):
                return (session_id,)
        except (SessionExistsError, UnreadableSessionError, FormatVersionError):
            return (self._keep_beside(theirs, rows),)
        return session_id, self._keep_beside(theirs, rows)

    def _save(self, theirs: Session) -> bool:
        """Store a session in the file of its id; False if both sides continued differently."""
        try:
            self._store.save(theirs)
        except ConflictError:  # it was taken over before, or another writer continued since
            with self._store.edit(theirs.session_id, is_activity=False) as mine:
                return join(mine, theirs)
        return True

    def _keep_beside(self, theirs: Session, rows: Rows) -> str:
        """Store a session under another id: its own is taken, or gives no file name."""
        beside = theirs.model_copy(deep=True)
        beside.session_id = f"{quote(theirs.session_id, safe=' ')[:100]}.{rows.seal[:8]}"
        beside.metadata = {"codelab_session_id": theirs.session_id}
        with suppress(ConflictError):  # kept already: the id contains a hash of the content
            self._store.save(beside)
        _log.warning(
            "session %r of %s could not have that name here; it is kept as %r",
            theirs.session_id,
            self._path,
            beside.session_id,
        )
        return beside.session_id


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    # After Ctrl-C, too: an open transaction would keep every other process from writing.
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _rows(connection: sqlite3.Connection, session_id: str) -> Rows:
    session = connection.execute(
        f"SELECT {_SESSION_COLUMNS} FROM sessions WHERE session_id = ?",  # noqa: S608  (our names)
        (session_id,),
    ).fetchone()
    context = connection.execute(
        f"SELECT {_CONTEXT_COLUMNS} FROM agent_contexts WHERE session_id = ?",  # noqa: S608
        (session_id,),
    ).fetchone()
    return Rows(session and SessionRow(*session), context and ContextRow(*context))


def _replace(connection: sqlite3.Connection, session_id: str, rows: Rows) -> None:
    for table in ("sessions", "agent_contexts", "localsessions"):
        connection.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))  # noqa: S608
    if rows.session is not None:
        connection.execute(
            f"INSERT INTO sessions ({_SESSION_COLUMNS}) VALUES (?, ?, ?, ?)",  # noqa: S608
            rows.session,
        )
    if rows.context is not None:
        connection.execute(
            f"INSERT INTO agent_contexts ({_CONTEXT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            rows.context,
        )
    if rows != Rows():
        _seal(connection, session_id, rows.seal)


def _seal_of(connection: sqlite3.Connection, session_id: str) -> str | None:
    found = connection.execute(
        "SELECT seal FROM localsessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    return None if found is None else str(found[0])


def _seal(connection: sqlite3.Connection, session_id: str, seal: str) -> None:
    connection.execute("INSERT OR REPLACE INTO localsessions VALUES (?, ?)", (session_id, seal))
