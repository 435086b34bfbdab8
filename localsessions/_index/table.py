"""The table of sessions and that of sessions that are gone: rows, changed together with the log.

The functions take the connection of a transaction that is under way. Rows come one by one or, to
a table that is empty, by the thousand, its secondary indexes made when all are in: ten indexes
kept up to date row by row take longer than the rows. While they are missing every answer is
right, only slow; whoever sweeps next makes those that a killed process left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from localsessions._index import changelog
from localsessions._index.changelog import Log, State, pending_before
from localsessions._index.row import (
    COLUMNS,
    SEALED,
    Columns,
    IndexRow,
    Sealed,
    packed,
    sealed_among,
    state_of,
    unsealed,
)
from localsessions._version import Fingerprint

__all__ = [
    "MANY",
    "SCHEMA",
    "SELECT",
    "WrittenRow",
    "drop_indexes",
    "forget",
    "forget_all",
    "found",
    "has_indexes",
    "insert_new",
    "make_indexes",
    "place",
    "put",
    "record",
    "record_removal",
    "settle",
]

_INDEXES = {
    "by_last_activity": "(last_activity, session_id)",
    "by_created_at": "(created_at, session_id)",
    "by_size_bytes": "(size_bytes, session_id, message_count, unreadable)",
    "by_user": "(user_id, last_activity, session_id)",
    "by_agent": "(agent_id, last_activity, session_id)",
    "by_status": "(status, last_activity, session_id)",
    "by_folded": "(folded)",
    "by_title": "(title)",
    "by_change": "(change)",
    "by_expires_at": "(expires_at) WHERE expires_at IS NOT NULL",
}
_MADE = ";\n".join(f"CREATE INDEX {name} ON sessions {what}" for name, what in _INDEXES.items())
SCHEMA = f"""
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY, folded TEXT NOT NULL,
  title TEXT NOT NULL, user_id, agent_id, status,
  created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER,
  size_bytes INTEGER NOT NULL, message_count INTEGER NOT NULL, unreadable INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, settled INTEGER NOT NULL, digest BLOB NOT NULL,
  change INTEGER NOT NULL, summary TEXT NOT NULL, good TEXT, tail TEXT, seal INTEGER NOT NULL
);
{_MADE};
CREATE TABLE gone (session_id TEXT PRIMARY KEY, change INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_by_change ON gone (change)
"""
SELECT = f"SELECT session_id, {', '.join(SEALED)} FROM sessions"  # noqa: S608
"""Asks for rows to be read, see ``row``."""

MANY = 200
"""From so many rows on they are put in all at once."""

_ONE = f"{SELECT} WHERE session_id = ?"
_WHOLE = f"SELECT {', '.join(COLUMNS)} FROM sessions WHERE session_id = ?"  # noqa: S608
_INSERT = (
    f"INSERT INTO sessions ({', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(COLUMNS))})"
)


class WrittenRow(NamedTuple):
    """What a store wrote, and what it replaced.

    Attributes:
        row: What was written.
        base: The fingerprint of what it replaced; None where there was nothing.
        read_base: Returns the row of what it replaced; asked only where nobody has logged that
            version, which then is an external change.
    """

    row: IndexRow
    base: Fingerprint | None
    read_base: Callable[[], IndexRow | None]


# -- reading -------------------------------------------------------------------------------------


def found(db: sqlite3.Connection, session_id: str) -> Sealed | None:
    """Return the row of a session, to be read; None where there is none."""
    row: Sealed | None = db.execute(_ONE, [session_id]).fetchone()
    return row


def place(db: sqlite3.Connection, session_id: str) -> tuple[int, bool]:
    """Return the number of a session's row, or tombstone, and whether its file can be read."""
    query = (
        "SELECT change, unreadable FROM sessions WHERE session_id = ?1 UNION ALL "
        "SELECT change, 1 FROM gone WHERE session_id = ?1"
    )
    change, unreadable = db.execute(query, [session_id]).fetchone() or (0, 0)
    if not isinstance(change, int):
        raise sqlite3.DatabaseError(f"the number of {session_id!r} is garbled")
    return change, not unreadable


def _state(db: sqlite3.Connection, session_id: str) -> State | None:
    """Return what the row of a session says."""
    row = found(db, session_id)
    return None if row is None else unsealed(row)[0]


# -- what a store did ----------------------------------------------------------------------------


def record(db: sqlite3.Connection, written: WrittenRow, log: Log, origin: str) -> None:
    """Put a row in its place and log the change, if the log is complete."""
    row, base, read_base = written
    session_id = row.summary.session_id
    columns, (waits, logged) = _columns_of(db, session_id), pending_before(db, session_id)
    indexed, change = (None, 0) if columns is None else unsealed(sealed_among(columns))
    before, after = logged if waits else indexed, state_of(row, indexed)
    if indexed is None or not changelog.same(indexed, after):
        change = log.next_number()
    _renew(db, columns, packed(row, after, change))
    if waits:
        changelog.forget_pending(db, session_id)
    if not log.is_complete:
        return
    if not _is_known(before, base):
        read = read_base()
        former = None if read is None else state_of(read, before)
        log.add(session_id, before, former, None)
        before = former
    log.add(session_id, before, after, origin)


def record_removal(db: sqlite3.Connection, session_id: str, origin: str | None) -> None:
    """Take a row away and log the change; origin None logs nothing."""
    waits, logged = pending_before(db, session_id)
    before = _state(db, session_id)
    _remove(db, session_id)
    changelog.forget_pending(db, session_id)
    if origin is None:
        return
    if waits and before is not None:
        changelog.log(db, session_id, logged, before, None)
    # Without a row somebody was faster to notice this very removal.
    changelog.log(db, session_id, before or logged, None, origin)


def _is_known(logged: State | None, base: Fingerprint | None) -> bool:
    """Tell whether what was replaced is sure to be what the log last said."""
    if logged is None or base is None:
        return logged is None and base is None
    return logged.settled and logged.fingerprint == base


# -- what was found in the folder ----------------------------------------------------------------


def put(db: sqlite3.Connection, log: Log, row: IndexRow) -> bool:
    """Record a file that somebody changed; tell whether it was more than touched.

    The change waits to be settled, see ``changelog``.
    """
    session_id = row.summary.session_id
    columns = _columns_of(db, session_id)
    before, change = (None, 0) if columns is None else unsealed(sealed_among(columns))
    if before and before.settled and _is_same_version(before, row):
        return False  # it was known, and where it ends perhaps with it
    after = state_of(row, before)
    if is_changed := not changelog.same(before, after):
        change = log.next_number()  # a file that was only touched keeps its number
    _renew(db, columns, packed(row, after, change))
    if is_changed and log.is_complete:
        changelog.remember(db, session_id, before)
    return is_changed


def _is_same_version(known: State, row: IndexRow) -> bool:
    return (known.fingerprint, known.digest) == (row.fingerprint, row.digest)


def forget(db: sqlite3.Connection, session_id: str, *, is_logged: bool) -> None:
    """Forget a session whose file somebody removed; where it is logged, that waits too."""
    before = _state(db, session_id)
    if _remove(db, session_id) and is_logged:
        changelog.remember(db, session_id, before)


def settle(db: sqlite3.Connection, session_id: str, change: int) -> None:
    """Log what waits as an external change, where the session's row is still of that number."""
    waits, before = pending_before(db, session_id)
    if waits and place(db, session_id)[0] == change:
        changelog.log(db, session_id, before, _state(db, session_id), None)
        changelog.forget_pending(db, session_id)


# -- filling -------------------------------------------------------------------------------------


def insert_new(db: sqlite3.Connection, log: Log, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Record files of which nothing is known yet; return the others."""
    among = json.dumps([row.summary.session_id for row in rows])
    query = "SELECT session_id FROM sessions WHERE session_id IN (SELECT value FROM json_each(?))"
    known = {session_id for (session_id,) in db.execute(query, [among])}
    new = [row for row in rows if row.summary.session_id not in known]
    states = ((row, state_of(row, None)) for row in new)
    db.executemany(_INSERT, (packed(row, state, log.next_number()) for row, state in states))
    query = "DELETE FROM gone WHERE session_id IN (SELECT value FROM json_each(?))"
    db.execute(query, [json.dumps([row.summary.session_id for row in new])])
    return [row for row in rows if row.summary.session_id in known]


def has_indexes(db: sqlite3.Connection) -> bool:
    """Tell whether no process was killed while it was filling."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql GLOB '* ON sessions *'"
    (count,) = db.execute(query).fetchone()
    return bool(count >= len(_INDEXES))


def drop_indexes(db: sqlite3.Connection) -> None:
    """Drop the secondary indexes if there is no row yet."""
    if db.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is None:
        for name in _INDEXES:
            db.execute(f"DROP INDEX IF EXISTS {name}")


def make_indexes(db: sqlite3.Connection) -> None:
    """Make those that are missing."""
    for name, what in _INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON sessions {what}")


# -- rows ----------------------------------------------------------------------------------------


def forget_all(db: sqlite3.Connection) -> None:
    """Forget every row, every tombstone and the log."""
    db.execute("DELETE FROM sessions")
    db.execute("DELETE FROM gone")
    changelog.clear(db)


def _columns_of(db: sqlite3.Connection, session_id: str) -> Columns | None:
    """Return the row of a session as it stands."""
    columns: Columns | None = db.execute(_WHOLE, [session_id]).fetchone()
    return columns


def _renew(db: sqlite3.Connection, former: Columns | None, now: Columns) -> None:
    """Put a row in the place of what was found; only indexes of what changed are touched."""
    if former is None:
        db.execute(_INSERT, now)
        db.execute("DELETE FROM gone WHERE session_id = ?", now[:1])
        return
    changed = [at for at in range(len(now)) if former[at] != now[at]]
    setting = ", ".join(f"{COLUMNS[at]} = ?" for at in changed)
    if changed:
        query = f"UPDATE sessions SET {setting} WHERE session_id = ?"  # noqa: S608
        db.execute(query, [*(now[at] for at in changed), now[0]])


def _remove(db: sqlite3.Connection, session_id: str) -> bool:
    """Put a tombstone in the place of a row; tell whether there was one."""
    if not db.execute("DELETE FROM sessions WHERE session_id = ?", [session_id]).rowcount:
        return False
    number = changelog.next_number(db)
    db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", [session_id, number])
    return True
