"""The table of sessions and that of sessions that are gone: rows, changed together with the log.

The functions take the connection of a transaction that is under way. Rows come one by one or, to
a table that is empty, by the thousand, its secondary indexes made when all are in: ten indexes
kept up to date row by row take longer than the rows. While they are missing every answer is
right, only slow; whoever sweeps next makes those that a killed process left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from localsessions._local.index import changelog, schema
from localsessions._local.index.changelog import Log, State
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
from localsessions._local.version import Fingerprint, Spare

__all__ = [
    "GARBLED_ID",
    "MANY",
    "SELECT",
    "WrittenRow",
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

SELECT = f"SELECT session_id, {', '.join(SEALED)} FROM sessions"  # noqa: S608
"""Asks for rows to be read, see ``row``."""

GARBLED_ID = "an id in the index is garbled"

MANY = 200
"""From so many rows on they are put in all at once."""

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

    @property
    def session_id(self) -> str:
        """Of which session."""
        return self.row.summary.session_id


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


class _Known(NamedTuple):
    """What is known of a session.

    Attributes:
        columns: Its row as it stands.
        waits: Whether a difference waits to be logged, see ``changelog``.
        logged: What the log last said of it, where one waits.
    """

    columns: Columns | None
    waits: bool
    logged: State | None

    @property
    def indexed(self) -> tuple[State | None, int]:
        """What the row says, and its number."""
        return (None, 0) if self.columns is None else unsealed(sealed_among(self.columns))


def _known(db: sqlite3.Connection, session_ids: Sequence[str]) -> dict[str, _Known]:
    """Return what is known of each of some sessions, which one statement asks."""
    found = {}
    for session_id, waits, text, seal, *columns in db.execute(
        _ALL_KNOWN, [json.dumps(session_ids)]
    ):
        logged = changelog.remembered(session_id, text, seal) if waits else None
        row = None if columns[0] is None else tuple(columns)
        found[session_id] = _Known(row, bool(waits), logged)
    return found


def _by_thousands(session_ids: Iterable[str]) -> Iterator[list[str]]:
    """Of what is known of a session all of its row is in memory."""
    left = iter(session_ids)
    while some := [*islice(left, 1000)]:
        yield some


def spares(db: sqlite3.Connection, session_ids: Sequence[str]) -> list[Spare]:
    """Return the spares of some sessions, as far as their rows name one."""
    rows = [found.columns for found in _known(db, session_ids).values() if found.columns]
    tails = [tail_of(sealed_among(columns)) for columns in rows]
    return [tail.spare for tail in tails if tail is not None and tail.spare is not None]


def waiting(db: sqlite3.Connection, session_ids: Sequence[str]) -> dict[str, int]:
    """Return which of some sessions wait to be logged, with the numbers of their rows.

    What has no row was found to be gone: whether that is a deletion, others may be about to say.
    """
    found = _known(db, session_ids)
    waits = [one for one, known in found.items() if known.waits and known.columns is not None]
    return {one: place(db, one)[0] for one in waits}


# -- what a store did ----------------------------------------------------------------------------


def record(db: sqlite3.Connection, written: Sequence[WrittenRow], origin: str) -> None:
    """Put rows in their places and log the changes, if the log is complete."""
    log, known = Log(db), _known(db, [one.session_id for one in written])
    for one in written:
        _record(db, one, known[one.session_id], log, origin)
    _forget_tombstones(db, known)
    changelog.forget_pending(db, [one for one, found in known.items() if found.waits])
    log.close()


def _record(
    db: sqlite3.Connection, written: WrittenRow, known: _Known, log: Log, origin: str
) -> None:
    row, base, read_base = written
    indexed, change = known.indexed
    before, after = known.logged if known.waits else indexed, state_of(row, indexed)
    if indexed is None or not changelog.same(indexed, after):
        change = log.next_number()
    _renew(db, known.columns, packed(row, after, change))
    if not log.is_complete:
        return
    if not _is_logged(before, base):
        read = read_base()
        former = None if read is None else state_of(read, before)
        log.add(written.session_id, before, former, None)
        before = former
    log.add(written.session_id, before, after, origin)


def record_removals(db: sqlite3.Connection, session_ids: Sequence[str], origin: str) -> None:
    """Take rows away and log the changes, if the log is complete."""
    log, known = Log(db), _known(db, session_ids)
    _remove(db, log, known)
    for session_id, (columns, waits, logged) in known.items():
        before = None if columns is None else unsealed(sealed_among(columns))[0]
        if log.is_complete and waits and before is not None:
            log.add(session_id, logged, before, None)
        if log.is_complete:
            # Without a row somebody was faster to notice this very removal.
            log.add(session_id, before or logged, None, origin)
    changelog.forget_pending(db, [one for one, found in known.items() if found.waits])
    log.close()


def _is_logged(logged: State | None, base: Fingerprint | None) -> bool:
    """Tell whether what was replaced is sure to be what the log last said."""
    if logged is None or base is None:
        return logged is None and base is None
    return logged.settled and logged.fingerprint == base


# -- what was found in the folder ----------------------------------------------------------------


def put(db: sqlite3.Connection, log: Log, rows: Sequence[IndexRow]) -> dict[str, int]:
    """Record files that somebody changed; return the numbers of those that were more than touched.

    The changes wait to be settled, see ``changelog``.
    """
    known = _known(db, [row.summary.session_id for row in rows])
    changed: dict[str, State | None] = {}
    numbers: dict[str, int] = {}
    for row in rows:
        session_id = row.summary.session_id
        before, change = known[session_id].indexed
        if before and before.settled and _is_same_version(before, row):
            continue  # it was known, and where it ends perhaps with it
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
    """Forget sessions whose files somebody removed; where that is to be logged, it waits too."""
    # Rows gave these ids. A NUL ends a text where SQLite takes it from JSON: it would be another's.
    ids = [one for one in session_ids if type(one) is str and "\0" not in one]
    if len(ids) < len(session_ids) and db.execute(_GARBLED).fetchone():
        raise sqlite3.DatabaseError(GARBLED_ID)
    log = Log(db)
    for some in _by_thousands(ids):
        known = _known(db, some)
        before = {one: found.indexed[0] for one, found in known.items() if found.columns}
        _remove(db, log, known)
        if log.is_complete and before:
            changelog.remember(db, before)
    log.close()


def log_waiting(db: sqlite3.Connection, places: Mapping[str, int]) -> None:
    """Log what waits as external changes, where a session's row is still of the number given."""
    log = Log(db)
    # All of them first: the log may become so long that tombstones are forgotten.
    as_they_were = [one for one, change in places.items() if place(db, one)[0] == change]
    for some in _by_thousands(as_they_were):
        settled = {one: found for one, found in _known(db, some).items() if found.waits}
        for session_id, found in settled.items():
            log.add(session_id, found.logged, found.indexed[0], None)
        changelog.forget_pending(db, settled)
    log.close()


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
    return bool(count >= len(schema.INDEXES))


def drop_indexes(db: sqlite3.Connection) -> None:
    """Drop the secondary indexes if there is no row yet."""
    if db.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is None:
        for name in schema.INDEXES:
            db.execute(f"DROP INDEX IF EXISTS {name}")


def make_indexes(db: sqlite3.Connection) -> None:
    """Make those that are missing."""
    for name, what in schema.INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON sessions {what}")


# -- rows ----------------------------------------------------------------------------------------


def forget_all(db: sqlite3.Connection) -> None:
    """Forget every row, every tombstone and the log."""
    db.execute("DELETE FROM sessions")
    db.execute("DELETE FROM gone")
    changelog.clear(db)


def _renew(db: sqlite3.Connection, former: Columns | None, now: Columns) -> None:
    """Put a row in the place of what was found; only indexes of what changed are touched."""
    if former is None:
        db.execute(_INSERT, now)
        return
    changed = [at for at in range(len(now)) if former[at] != now[at]]
    setting = ", ".join([f"{COLUMNS[at]} = ?" for at in changed])
    if changed:
        query = f"UPDATE sessions SET {setting} WHERE session_id = ?"  # noqa: S608
        db.execute(query, [*[now[at] for at in changed], now[0]])


def _forget_tombstones(db: sqlite3.Connection, known: Mapping[str, _Known]) -> None:
    """Sessions that had no row have one now."""
    new = [(session_id,) for session_id, found in known.items() if found.columns is None]
    if new:
        db.executemany("DELETE FROM gone WHERE session_id = ?", new)


def _remove(db: sqlite3.Connection, log: Log, known: Mapping[str, _Known]) -> None:
    """Put tombstones in the places of rows."""
    there = [session_id for session_id, found in known.items() if found.columns is not None]
    if there:
        db.executemany("DELETE FROM sessions WHERE session_id = ?", [(one,) for one in there])
        numbers = [(one, log.next_number()) for one in there]
        db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", numbers)
