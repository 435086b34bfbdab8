"""SqliteSession: the states of modules in the table ``as_session`` of a database file.

That file is not part of a store and not an index. It is the file that agentscope's own example
keeps, with its columns, and its rows are the truth. So the adapters are exempt from the rule that
only ``_index`` names sqlite3.
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
from localsessions.adapters.document import finished
from localsessions.addresses import refuse_address
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
# CURRENT_TIMESTAMP has whole seconds; these tell two turns in the same second apart.
_UPSERT = """
    INSERT INTO as_session (session_id, session_data, created_at, updated_at)
    VALUES (?, json(?), strftime('%Y-%m-%d %H:%M:%f'), strftime('%Y-%m-%d %H:%M:%f'))
    ON CONFLICT(session_id) DO UPDATE
    SET session_data = excluded.session_data, updated_at = excluded.updated_at
"""
# As bytes: SQLite must not fail with its own message on a value that is not text.
_SELECT = "SELECT CAST(coalesce(session_data, '') AS BLOB) FROM as_session WHERE session_id = ?"
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


class SqliteSession(SessionBase):
    """Keeps the states of modules as JSON, ``{name: state}``, in a row for each session.

    It reads and updates rows that agentscope's example wrote. Any number of tasks, threads and
    processes may save at once, as ``JSONSession`` says. An acknowledged save is durable.

    Args:
        sqlite_path: The database file; a save creates it, with its folder and its table.
        lock_timeout: Seconds to wait for other writers of the file.

    Raises:
        ValueError: ``sqlite_path`` is not a file: a database in memory ends with each call.
    """

    def __init__(self, sqlite_path: str | os.PathLike[str], *, lock_timeout: float = 10.0) -> None:
        refuse_address(os.fspath(sqlite_path), "give a file, or keep the states with SessionStore")
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

        The states are those at the time of the call, whatever the modules do meanwhile. A
        cancelled save is finished first.

        Raises:
            ValueError: ``session_id`` is not a text, or is empty.
            TypeError: An argument is not a module.
            UnstorableValueError: A state is not JSON. Nothing was written; so for the following:
            UnreadableSessionError: The row or the file is broken; it stays as it is.
            LockTimeoutError: Other writers held the file for all of ``lock_timeout``.
            OSError: The file cannot be written.
        """
        _refuse_id(session_id)
        snapshot = self._snapshots.take(session_id, state_modules_mapping)
        try:
            await finished(lambda: self._write(snapshot))
        finally:
            self._snapshots.drop(snapshot)
        logger.info("saved session %r to %s", session_id, self.sqlite_path)

    async def load_session_state(
        self,
        /,
        session_id: str,
        allow_not_exist: bool = True,
        **state_modules_mapping: Stateful,
    ) -> None:
        """Put the saved states back into the modules, in place. Creates no file.

        If a module refuses its state, the modules before it are already loaded.

        Raises:
            ValueError: A module was never saved: none is loaded. Or there is no such file, table
                or row, and ``allow_not_exist`` is False. Or ``session_id`` is not a text.
            TypeError: An argument is not a module.
            UnreadableSessionError: The row or the file is broken; nothing was loaded.
            LockTimeoutError: Other writers held the file for all of ``lock_timeout``.
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
            encode_value(new, session_id=session_id)  # refuses it before a file is created
            os.makedirs(os.path.dirname(os.path.abspath(self.sqlite_path)), 0o700, exist_ok=True)
            is_new = not os.path.lexists(self.sqlite_path)
            with self._connection(session_id, "rwc") as db, db:
                # Take the write lock at once. If two processes read first and then both want to
                # write, SQLite answers "database is locked", however long they wait.
                db.execute("BEGIN IMMEDIATE")
                if is_new:
                    os.chmod(self.sqlite_path, 0o600)  # SQLite has created it, and it is empty
                db.execute(_TABLE)
                former = self._row(db, session_id)
                data = encode_value({**(former or {}), **new}, session_id=session_id)
                db.execute(_UPSERT, (session_id, data.decode()))

    def _read(self, session_id: str) -> dict[str, State] | None:
        if not os.path.exists(self.sqlite_path):
            return None
        # Not "ro": then SQLite cannot undo what a killed writer left.
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
        """Return our error for an error of SQLite's, with the file's name."""
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
