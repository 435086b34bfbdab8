"""The tables of present and of deleted sessions: rows that change together with the log.

The functions take the connection of an open transaction. Rows come singly or, for an empty table,
by the thousand. Then the secondary indexes are created after all rows are in: to update ten indexes
row by row takes longer than the rows themselves. While indexes are missing, every answer is right,
only slow. If a process is killed before it creates them, the next sweep does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from localsessions._local.index import changelog, schema
from localsessions._local.index.changelog import Log, State
from localsessions._local.index.recorded import BaseUnknown, Recorded
from localsessions._local.index.row import (
    COLUMNS,
    SEALED,
    Columns,
    IndexRow,
    Sealed,
    packed,
    sealed_among,
    state_of,
    tail_of,
    unsealed,
)
from localsessions._local.version import Spare

__all__ = [
    "GARBLED_ID",
    "MANY",
    "SELECT",
    "drop_indexes",
    "forget",
    "forget_all",
    "found",
    "has_indexes",
    "insert_new",
    "log_waiting",
    "make_indexes",
    "place",
    "put",
    "record",
    "record_removals",
    "spares",
    "waiting",
]

T = TypeVar("T")

SELECT = f"SELECT session_id, {', '.join(SEALED)} FROM sessions"  # noqa: S608
"""Selects rows in the form that ``row`` reads."""

GARBLED_ID = "an id in the index is garbled"

MANY = 200
"""From this many rows on, rows are inserted all at once."""

_ONE = f"{SELECT} WHERE session_id = ?"
_GARBLED = (
    "SELECT 1 FROM sessions WHERE typeof(session_id) <> 'text' OR instr(session_id, char(0)) > 0"
)
_ALL_KNOWN = (
    "SELECT asked.value, pending.session_id IS NOT NULL, pending.before, pending.seal,"  # noqa: S608
    f" {', '.join(f'sessions.{name}' for name in COLUMNS)} FROM json_each(?) AS asked"
    " LEFT JOIN sessions ON sessions.session_id = asked.value"
    " LEFT JOIN pending ON pending.session_id = asked.value"
)
_INSERT = (
    f"INSERT INTO sessions ({', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(COLUMNS))})"
)


# -- reading -------------------------------------------------------------------------------------


def found(db: sqlite3.Connection, session_id: str) -> Sealed | None:
    """Return the row of a session, in the form that ``row`` reads; None if it has no row."""
    row: Sealed | None = db.execute(_ONE, [session_id]).fetchone()
    return row


def place(db: sqlite3.Connection, session_id: str) -> tuple[int, bool]:
    """Return the number of a session's row or tombstone, and whether its file can be read."""
    query = (
        "SELECT change, unreadable FROM sessions WHERE session_id = ? UNION ALL "
        "SELECT change, 1 FROM gone WHERE session_id = ?"
    )
    change, unreadable = db.execute(query, [session_id, session_id]).fetchone() or (0, 0)
    if not isinstance(change, int):
        raise sqlite3.DatabaseError(f"the number of {session_id!r} is garbled")
    return change, not unreadable


class _Known(NamedTuple):
    """What is known about a session.

    Attributes:
        columns: Its row as stored; None if it has no row.
        waits: Whether a difference waits to be logged, see ``changelog``.
        logged: The last logged state, if a difference waits.
    """

    columns: Columns | None
    waits: bool
    logged: State | None

    @property
    def indexed(self) -> tuple[State | None, int]:
        """The state that the row holds, and its change number; None and 0 without a row."""
        return (None, 0) if self.columns is None else unsealed(sealed_among(self.columns))


def _known(db: sqlite3.Connection, session_ids: Sequence[str]) -> dict[str, _Known]:
    """Return what is known about each of these sessions, read in a single statement."""
    found = {}
    for session_id, waits, text, seal, *columns in db.execute(
        _ALL_KNOWN, [json.dumps(session_ids)]
    ):
        logged = changelog.remembered(session_id, text, seal) if waits else None
        row = None if columns[0] is None else tuple(columns)
        found[session_id] = _Known(row, bool(waits), logged)
    return found


def _parts(many: Iterable[T]) -> Iterator[list[T]]:
    """Yield parts of 1,000, because ``_known`` holds the row of each session in memory."""
    left = iter(many)
    while some := [*islice(left, 1000)]:
        yield some


def spares(db: sqlite3.Connection, session_ids: Sequence[str]) -> list[Spare]:
    """Return the spares that the rows of these sessions name."""
    rows = [found.columns for found in _known(db, session_ids).values() if found.columns]
    tails = [tail_of(sealed_among(columns)) for columns in rows]
    return [tail.spare for tail in tails if tail is not None and tail.spare is not None]


def waiting(db: sqlite3.Connection, session_ids: Sequence[str]) -> dict[str, int]:
    """Return which of these sessions wait to be logged, with the numbers of their rows.

    A waiting session without a row is left out: its file was found to be gone, and another process
    may be about to log the deletion.
    """
    found = _known(db, session_ids)
    waits = [one for one, known in found.items() if known.waits and known.columns is not None]
    return {one: place(db, one)[0] for one in waits}


# -- what a store did ----------------------------------------------------------------------------


def record(db: sqlite3.Connection, written: Sequence[Recorded]) -> bool:
    """Store rows, and log the changes if the log is complete; sessions may come several times.

    Returns:
        False where something was left out, since it is not known what it replaced: the caller lets
        the files be looked at.
    """
    log, is_whole = Log(db), True
    for some in _parts(written):
        known = _known(db, [*{one.session_id: None for one in some}])
        standing = {session_id: _Standing(found) for session_id, found in known.items()}
        for one in some:
            try:
                standing[one.session_id].record(one, log)
            except BaseUnknown:
                is_whole = False
        for session in standing.values():
            session.store(db)
        recorded = {one: found for one, found in known.items() if standing[one].is_recorded}
        _forget_tombstones(db, recorded)
        changelog.forget_pending(db, [one for one, found in recorded.items() if found.waits])
    log.close()
    return is_whole


class _Standing:
    """A session inside a transaction: what was known of it, and what was recorded since.

    Its row is packed and stored once, however often it was written.
    """

    def __init__(self, known: _Known) -> None:
        self._columns = known.columns
        self._indexed, self._change = known.indexed
        self._logged = known.logged if known.waits else self._indexed
        self._last: Recorded | None = None

    def record(self, written: Recorded, log: Log) -> None:
        """Log what was written, if the log is complete; the row is stored later."""
        session_id, logged, indexed = written.session_id, self._logged, self._indexed
        after = written.state(indexed)
        is_told = not log.is_complete or written.is_recorded(logged)
        replaced = logged
        if not is_told and not written.is_based_on(logged):
            replaced = written.replaced(logged, indexed)
        if indexed is None or not changelog.same(indexed, after):
            self._change = log.next_number()
        self._logged, self._indexed, self._last = after, after, written
        if not is_told:
            log.add(session_id, logged, replaced, None)
            log.add(session_id, replaced, after, written.origin, written.seen_at, written.touched)

    @property
    def is_recorded(self) -> bool:
        """Whether anything was recorded."""
        return self._last is not None

    def store(self, db: sqlite3.Connection) -> None:
        """Store the row of what was written last."""
        if self._last is not None and self._indexed is not None:
            _renew(db, self._columns, packed(self._last.row, self._indexed, self._change))


def record_removals(db: sqlite3.Connection, session_ids: Sequence[str], origin: str) -> None:
    """Remove rows, and log the changes if the log is complete."""
    log, known = Log(db), _known(db, session_ids)
    _remove(db, log, known)
    for session_id, (columns, waits, logged) in known.items():
        before = None if columns is None else unsealed(sealed_among(columns))[0]
        if log.is_complete and waits and before is not None:
            log.add(session_id, logged, before, None)
        if log.is_complete:
            # No row: another process has already noticed this removal.
            log.add(session_id, before or logged, None, origin)
    changelog.forget_pending(db, [one for one, found in known.items() if found.waits])
    log.close()


# -- what was found in the folder ----------------------------------------------------------------


def put(db: sqlite3.Connection, log: Log, rows: Sequence[IndexRow]) -> dict[str, int]:
    """Record files that were found changed; return the new numbers of those with new content.

    The changes wait to be logged, see ``changelog``.
    """
    known = _known(db, [row.summary.session_id for row in rows])
    changed: dict[str, State | None] = {}
    numbers: dict[str, int] = {}
    for row in rows:
        session_id = row.summary.session_id
        before, change = known[session_id].indexed
        if before and before.settled and _is_same_version(before, row):
            continue  # this version has a row already, perhaps with ``tail``
        after = state_of(row, before)
        if not changelog.same(before, after):
            change = log.next_number()  # a file that was only touched keeps its number
            changed[session_id], numbers[session_id] = before, change
        _renew(db, known[session_id].columns, packed(row, after, change))
    _forget_tombstones(db, known)
    if log.is_complete and changed:
        changelog.remember(db, changed)
    return numbers


def _is_same_version(known: State, row: IndexRow) -> bool:
    return (known.fingerprint, known.digest) == (row.fingerprint, row.digest)


def forget(db: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    """Remove the rows of sessions whose files are gone; if the log is complete, changes wait."""
    # The ids come from rows. In JSON, SQLite reads a text only up to a NUL, which would give the id
    # of another session.
    ids = [one for one in session_ids if type(one) is str and "\0" not in one]
    if len(ids) < len(session_ids) and db.execute(_GARBLED).fetchone():
        raise sqlite3.DatabaseError(GARBLED_ID)
    log = Log(db)
    for some in _parts(ids):
        known = _known(db, some)
        before = {one: found.indexed[0] for one, found in known.items() if found.columns}
        _remove(db, log, known)
        if log.is_complete and before:
            changelog.remember(db, before)
    log.close()


def log_waiting(db: sqlite3.Connection, places: Mapping[str, int]) -> None:
    """Log waiting differences as external changes, if a row still has the given number."""
    log = Log(db)
    # Read all numbers first: the log may grow so long that tombstones are deleted.
    as_they_were = [one for one, change in places.items() if place(db, one)[0] == change]
    for some in _parts(as_they_were):
        settled = {one: found for one, found in _known(db, some).items() if found.waits}
        for session_id, found in settled.items():
            log.add(session_id, found.logged, found.indexed[0], None)
        changelog.forget_pending(db, settled)
    log.close()


# -- filling -------------------------------------------------------------------------------------


def insert_new(db: sqlite3.Connection, log: Log, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Insert the rows of sessions that have no row yet; return the other rows."""
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
    """Tell whether all secondary indexes exist: a killed process may have left some out."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql GLOB '* ON sessions *'"
    (count,) = db.execute(query).fetchone()
    return bool(count >= len(schema.INDEXES))


def drop_indexes(db: sqlite3.Connection) -> None:
    """Drop the secondary indexes if the table is empty."""
    if db.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is None:
        for name in schema.INDEXES:
            db.execute(f"DROP INDEX IF EXISTS {name}")


def make_indexes(db: sqlite3.Connection) -> None:
    """Create the missing secondary indexes."""
    for name, what in schema.INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON sessions {what}")


# -- rows ----------------------------------------------------------------------------------------


def forget_all(db: sqlite3.Connection) -> None:
    """Delete every row, every tombstone and the log."""
    db.execute("DELETE FROM sessions")
    db.execute("DELETE FROM gone")
    changelog.clear(db)


def _renew(db: sqlite3.Connection, former: Columns | None, now: Columns) -> None:
    """Insert or update a row; only the changed columns, and so only their indexes, are written."""
    if former is None:
        db.execute(_INSERT, now)
        return
    changed = [at for at in range(len(now)) if former[at] != now[at]]
    setting = ", ".join([f"{COLUMNS[at]} = ?" for at in changed])
    if changed:
        query = f"UPDATE sessions SET {setting} WHERE session_id = ?"  # noqa: S608
        db.execute(query, [*[now[at] for at in changed], now[0]])


def _forget_tombstones(db: sqlite3.Connection, known: Mapping[str, _Known]) -> None:
    """Delete the tombstones of sessions that had no row and now have a row."""
    new = [(session_id,) for session_id, found in known.items() if found.columns is None]
    if new:
        db.executemany("DELETE FROM gone WHERE session_id = ?", new)


def _remove(db: sqlite3.Connection, log: Log, known: Mapping[str, _Known]) -> None:
    """Replace rows with tombstones."""
    there = [session_id for session_id, found in known.items() if found.columns is not None]
    if there:
        db.executemany("DELETE FROM sessions WHERE session_id = ?", [(one,) for one in there])
        numbers = [(one, log.next_number()) for one in there]
        db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", numbers)
