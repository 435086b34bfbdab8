"""SqliteSession: the states of modules in the table ``as_session`` of a database file.

That file is no part of a store and nobody's index: it is what agentscope's own example keeps, its
columns and all, and its rows are the truth. So the adapters are not among the rooms for which
``_index`` alone names sqlite3.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import JsonValue

from localsessions import LockTimeoutError, UnreadableSessionError
from localsessions.adapters.agentscope.modules import (
    Snapshot,
    Snapshots,
    State,
    Stateful,
    refuse_what_is_no_module,
    states_in,
)
from localsessions.adapters.agentscope.session_base import SessionBase
from localsessions.format import encode_value, parse_json

__all__ = ["SqliteSession"]

logger = logging.getLogger(__name__)

_TABLE = """
    CREATE TABLE IF NOT EXISTS as_session (
        session_id TEXT,
        session_data JSON,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY(session_id)
    )
"""
# CURRENT_TIMESTAMP has whole seconds; two turns in one second are told apart by these.
_UPSERT = """
    INSERT INTO as_session (session_id, session_data, created_at, updated_at)
    VALUES (?, json(?), strftime('%Y-%m-%d %H:%M:%f'), strftime('%Y-%m-%d %H:%M:%f'))
    ON CONFLICT(session_id) DO UPDATE
    SET session_data = excluded.session_data, updated_at = excluded.updated_at
"""
# As bytes, because what is no text must not fail in SQLite's words.
_SELECT = "SELECT CAST(coalesce(session_data, '') AS BLOB) FROM as_session WHERE session_id = ?"
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


class SqliteSession(SessionBase):
    """Keeps the states of modules in one row a session, as JSON: ``{name: state}``.

    Rows that agentscope's example wrote are read and updated. Any number of tasks, threads and
    processes may save at once, as ``JSONSession`` says. An acknowledged save is durable.

    Args:
        sqlite_path: The database file; made by a save, with its folder and its table.
        lock_timeout: Seconds to wait for others who are writing to the file.

    Raises:
        ValueError: ``sqlite_path`` is no file: a database in memory ends with each call.
    """

    def __init__(self, sqlite_path: str | os.PathLike[str], *, lock_timeout: float = 10.0) -> None:
        self.sqlite_path = os.fspath(sqlite_path)
        if self.sqlite_path in ("", ":memory:"):
            raise ValueError(f"sqlite_path must be a file, not {self.sqlite_path!r}")
        if not lock_timeout >= 0:
            raise ValueError(f"lock_timeout must be 0 or more seconds, not {lock_timeout!r}")
        self._lock_timeout = lock_timeout
        self._snapshots = Snapshots()

    async def save_session_state(
        self, /, session_id: str, **state_modules_mapping: Stateful
    ) -> None:
        """Save the state of each module, durably; modules that are not named stay in the row.

        The states are those of the instant of the call, whatever the modules do meanwhile.

        Raises:
            ValueError: ``session_id`` is no text, or an empty one.
            TypeError: An argument is no module.
            UnstorableValueError: A state is not JSON; nothing was written. So for the following:
            UnreadableSessionError: The row or the file is broken; it stays as it is.
            LockTimeoutError: Others were writing to the file all the time.
            OSError: The file cannot be written.
        """
        _refuse_id(session_id)
        snapshot = self._snapshots.take(session_id, state_modules_mapping)
        await asyncio.to_thread(self._write, snapshot)
        logger.info("saved session %r to %s", session_id, self.sqlite_path)

    async def load_session_state(
        self,
        /,
        session_id: str,
        allow_not_exist: bool = True,
        **state_modules_mapping: Stateful,
    ) -> None:
        """Put the saved states back into the modules, in place. Makes no file.

        When a module refuses its state, the modules before it are loaded.

        Raises:
            ValueError: A module was never saved: none is loaded. Or there is no such file, table
                or row, and ``allow_not_exist`` is False. Or ``session_id`` is no text.
            TypeError: An argument is no module.
            UnreadableSessionError: The row or the file is broken; nothing was loaded.
            LockTimeoutError: Others were writing to the file all the time.
        """
        _refuse_id(session_id)
        refuse_what_is_no_module(state_modules_mapping)
        states = await asyncio.to_thread(self._read, session_id)
        if states is None:
            absent = f"there is no session {session_id!r} in {self.sqlite_path}"
            if not allow_not_exist:
                raise ValueError(f"{absent}; save it first")
            logger.info("%s: nothing is loaded", absent)
            return
        if missing := sorted(set(state_modules_mapping) - states.keys()):
            raise ValueError(
                f"session {session_id!r} in {self.sqlite_path} has no state of module "
                f"{missing[0]!r}; save it first"
            )
        for name, module in state_modules_mapping.items():
            module.load_state_dict(states[name])
        logger.info("loaded session %r from %s", session_id, self.sqlite_path)

    # -- in the worker thread ----------------------------------------------------------------

    def _write(self, snapshot: Snapshot) -> None:
        session_id = snapshot.session_id
        with self._snapshots.writing(snapshot) as states:
            new: dict[str, JsonValue] = {**states}
            encode_value(new, session_id=session_id)  # refuses it before a file is made
            os.makedirs(os.path.dirname(os.path.abspath(self.sqlite_path)), 0o700, exist_ok=True)
            is_new = not os.path.lexists(self.sqlite_path)
            with self._connection(session_id, "rwc") as db, db:
                # Asking for the lock at once: two who read first and then both want to write
                # could only be told "database is locked", however long they waited.
                db.execute("BEGIN IMMEDIATE")
                if is_new:
                    os.chmod(self.sqlite_path, 0o600)  # SQLite has made it, and it is empty
                db.execute(_TABLE)
                former = self._row(db, session_id)
                data = encode_value({**(former or {}), **new}, session_id=session_id)
                db.execute(_UPSERT, (session_id, data.decode()))

    def _read(self, session_id: str) -> dict[str, State] | None:
        if not os.path.exists(self.sqlite_path):
            return None
        # Not "ro", in which SQLite cannot undo what a killed writer left.
        with self._connection(session_id, "rw") as db:
            table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'as_session'"
            row = self._row(db, session_id) if db.execute(table).fetchone() else None
        return None if row is None else states_in(row)

    def _row(self, db: sqlite3.Connection, session_id: str) -> dict[str, JsonValue] | None:
        if (row := db.execute(_SELECT, (session_id,)).fetchone()) is None:
            return None
        try:
            document = parse_json(row[0])
        except json.JSONDecodeError as error:
            raise UnreadableSessionError(
                session_id, error.msg, path=self.sqlite_path, line=error.lineno, column=error.colno
            ) from error
        if not isinstance(document, dict):
            reason = "session_data is JSON, but no object"
            raise UnreadableSessionError(session_id, reason, path=self.sqlite_path)
        return document

    @contextmanager
    def _connection(self, session_id: str, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"{Path(self.sqlite_path).absolute().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(uri, uri=True, timeout=self._lock_timeout, isolation_level=None)
            ) as db:
                yield db
        except sqlite3.Error as error:
            raise self._named(error, session_id) from error

    def _named(self, error: sqlite3.Error, session_id: str) -> Exception:
        """Return the error that says what SQLite's says, and of which file."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            timeout, path = self._lock_timeout, self.sqlite_path
            return LockTimeoutError(timeout, session_id=session_id, path=path)
        if code in _BROKEN:
            return UnreadableSessionError(session_id, str(error), path=self.sqlite_path)
        return OSError(f"{self.sqlite_path}: {error}; look whether the file can be written")


def _refuse_id(session_id: object) -> None:
    if not isinstance(session_id, str) or not session_id:
        raise ValueError(f"session_id must be a text that is not empty, not {session_id!r}")
    if any("\ud800" <= char <= "\udfff" for char in session_id):
        raise ValueError(f"session_id {session_id!r} holds half a surrogate pair")
