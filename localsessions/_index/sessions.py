"""SessionIndex: a row for each session, with filters, orders, pages and the log of changes.

The shape of a row: the summary as JSON, the columns that listings filter and order by, the
fingerprint and the hash of the file it was made from, the number of its last change, and a seal
over all of it, so that a garbled page cannot pass for a row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, gt, lt
from typing import Any, NamedTuple, TypeAlias, TypeVar
from zlib import crc32

import orjson
from pydantic_core import from_json

from localsessions._index import changelog, filling
from localsessions._index.changelog import (
    Log,
    State,
    fingerprint_of,
    next_number,
    pending_before,
    seal_of,
)
from localsessions._index.cursor import Cursor
from localsessions._index.database import Database
from localsessions._index.words import fold
from localsessions._version import Fingerprint, Spare, Tail
from localsessions.models import Order, SessionChange, SessionSummary

__all__ = ["UNSETTLED", "Filter", "IndexRow", "SessionIndex", "WrittenRow", "listing_of"]

T = TypeVar("T")

_SCHEMA_VERSION = 4
_SCHEMA = f"""
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY, folded TEXT NOT NULL,
  title TEXT NOT NULL, user_id, agent_id, status,
  created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER,
  size_bytes INTEGER NOT NULL, message_count INTEGER NOT NULL, unreadable INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, settled INTEGER NOT NULL, digest BLOB NOT NULL,
  change INTEGER NOT NULL, summary TEXT NOT NULL, good TEXT, tail TEXT, seal INTEGER NOT NULL
);
{filling.INDEXES};
CREATE TABLE gone (session_id TEXT PRIMARY KEY, change INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_by_change ON gone (change);
{changelog.SCHEMA}
"""
UNSETTLED = "?"
_FINGERPRINTS = (
    f"SELECT session_id, iif(settled = 1, fingerprint, '{UNSETTLED}' || fingerprint)"  # noqa: S608
    " FROM sessions NOT INDEXED"
)
# From so many files on, rows are put in all at once.
_MANY = 200
_COLUMNS = "session_id, fingerprint, settled, digest, change, summary, good, tail, seal"


class Filter(NamedTuple):
    """Which sessions a listing is about; None does not restrict. Times are of last activity."""

    user_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def sql(self) -> tuple[list[str], list[object]]:
        """Return the conditions and their values."""
        pairs: list[tuple[str, object]] = [
            ("user_id = ?", _key(self.user_id)),
            ("agent_id = ?", _key(self.agent_id)),
            ("status = ?", _key(self.status)),
            ("last_activity >= ?", _microseconds(self.since)),
            ("last_activity < ?", _microseconds(self.until)),
        ]
        used = [(condition, value) for condition, value in pairs if value is not None]
        return [condition for condition, _ in used], [value for _, value in used]

    def matches(self, summary: SessionSummary) -> bool:
        """Tell whether a session is one of these."""
        return (
            self.user_id in (None, summary.user_id)
            and self.agent_id in (None, summary.agent_id)
            and self.status in (None, summary.status)
            and (self.since is None or summary.last_activity >= self.since)
            and (self.until is None or summary.last_activity < self.until)
        )


class IndexRow(NamedTuple):
    """What the index knows of one file.

    ``settled`` says that the fingerprint can be believed; ``digest`` is the hash of the content;
    ``tail`` is known of files that a store wrote.
    """

    summary: SessionSummary
    fingerprint: Fingerprint
    settled: bool
    digest: bytes
    folded: str
    change: int = 0
    tail: Tail | None = None


class WrittenRow(NamedTuple):
    """What a store wrote, and what it replaced; see ``SessionIndex.record``."""

    row: IndexRow
    base: Fingerprint | None
    read_base: Callable[[], IndexRow | None]


class SessionIndex:
    """The rows of one store.

    Args:
        path: The database; None keeps it in memory.
    """

    def __init__(self, path: str | None) -> None:
        self._database = Database(path, _SCHEMA, _SCHEMA_VERSION)

    @property
    def generation(self) -> int:
        """Grows whenever rows were lost; whoever put them in must look at the files again."""
        return self._database.generation

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def size_bytes(self) -> int:
        """Return what the index takes on the disk."""
        return self._database.size_bytes()

    def page(self, which: Filter, order: Order, limit: int, after: Cursor | None) -> list[IndexRow]:
        """Return at most ``limit`` rows in order, those behind ``after`` if given; no tails."""
        column, direction, sign = (
            order.lstrip("-"),
            "DESC" if order[0] == "-" else "ASC",
            "<" if order[0] == "-" else ">",
        )
        conditions, values = which.sql()
        if after is not None:
            conditions.append(f"({column}, session_id) {sign} (?, ?)")
            values += [after.value, after.session_id]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        query = (
            f"SELECT {_COLUMNS} FROM sessions {where} "  # noqa: S608  (no name comes from outside)
            f"ORDER BY {column} {direction}, session_id {direction} LIMIT ?"
        )

        key_of, follows = attrgetter(column), lt if direction == "DESC" else gt

        def read(db: sqlite3.Connection) -> list[IndexRow]:
            rows = [_listed(found) for found in db.execute(query, [*values, limit])]
            keys = [(key_of(row.summary), row.summary.session_id) for row in rows]
            is_whole = not conditions or all(which.matches(row.summary) for row in rows)
            if not is_whole or not all(map(follows, keys[1:], keys)):
                raise sqlite3.DatabaseError(f"the index of {column} does not agree with its table")
            return rows

        return self._read(read)

    def cursor(self, row: SessionSummary, which: Filter, order: Order) -> str:
        """Return the cursor that asks for what follows a row."""
        value = getattr(row, order.lstrip("-"))
        number = _microseconds(value) if isinstance(value, datetime) else int(value)
        return Cursor(listing_of(which, order), number or 0, row.session_id).encode()

    def count(self, which: Filter) -> int:
        """Return how many sessions there are."""
        conditions, values = which.sql()
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        query = f"SELECT count(*) FROM sessions {where}"  # noqa: S608
        return self._read(lambda db: int(db.execute(query, values).fetchone()[0]))

    def count_live(self, which: Filter, now: datetime) -> int:
        """Return how many of them are neither expired nor archived nor unreadable.

        Few sessions are dead: counting all and those is done in the indexes, and opens few rows.
        """
        conditions, values = which.sql()
        dead = "(expires_at <= ? OR status IN ('archived', 'unreadable'))"
        all_of_them = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        query = (
            f"SELECT (SELECT count(*) FROM sessions {all_of_them}) - "  # noqa: S608
            f"(SELECT count(*) FROM sessions WHERE {' AND '.join([dead, *conditions])})"
        )
        bound = [*values, _microseconds(now), *values]
        return self._read(lambda db: int(db.execute(query, bound).fetchone()[0]))

    def get(self, session_id: str) -> IndexRow | None:
        """Return one row."""
        query = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"  # noqa: S608

        def read(db: sqlite3.Connection) -> IndexRow | None:
            found = db.execute(query, [session_id]).fetchone()
            return None if found is None else _row(found)

        return self._read(read)

    def is_proven(self, session_id: str, fingerprint: Fingerprint) -> bool:
        """Tell whether the file of a fingerprint was written or proven by a store, see ``Base``."""
        query = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"  # noqa: S608

        def read(db: sqlite3.Connection) -> bool:
            if (found := db.execute(query, [session_id]).fetchone()) is None:
                return False
            (state, _), tail = _sealed(found), _unpacked_tail(found[7])
            is_it = state.settled and state.fingerprint == fingerprint
            return is_it and tail is not None and tail.proven

        return self._read(read)

    def ids_folded_like(self, folded: Sequence[str]) -> list[str]:
        """Return the ids that macOS or Windows would give the file of one of these."""
        marks = ", ".join("?" * len(folded))
        query = f"SELECT session_id FROM sessions WHERE folded IN ({marks})"  # noqa: S608
        return self._read(lambda db: _ids(db, query, folded))

    def ids_like(self, prefix: str, limit: int) -> list[str]:
        """Return ids that begin with a text."""
        query = "SELECT session_id FROM sessions WHERE session_id >= ? AND session_id < ? LIMIT ?"
        values = [prefix, prefix + "\U0010ffff", limit]
        return self._read(lambda db: _ids(db, query, values))

    def ids_titled(self, title: str, limit: int) -> list[str]:
        """Return the ids of sessions with a title of the same words; case does not matter."""
        query = "SELECT session_id FROM sessions WHERE title = ? ORDER BY session_id LIMIT ?"
        values = [fold(title), limit]
        if not fold(title).strip():
            return []  # it would be the title of all that have none
        return self._read(lambda db: _ids(db, query, values))

    def expired(self, now: datetime) -> list[str]:
        """Return the sessions whose time to live has passed."""
        query = "SELECT session_id FROM sessions WHERE expires_at <= ? ORDER BY expires_at"
        return self._read(lambda db: _ids(db, query, [_microseconds(now)]))

    def totals(self) -> tuple[int, int, int, int]:
        """Return the numbers of sessions, unreadable files, messages and bytes."""
        query = (
            "SELECT count(*), coalesce(sum(unreadable), 0), coalesce(sum(message_count), 0),"
            " coalesce(sum(size_bytes), 0) FROM sessions"
        )

        def read(db: sqlite3.Connection) -> tuple[int, int, int, int]:
            found: tuple[int, int, int, int] = db.execute(query).fetchone()
            if not all(isinstance(one, int) for one in found):
                raise sqlite3.DatabaseError("a number in the index is garbled")
            return found

        return self._read(read)

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each row as text, by session id.

        One that is not settled begins with ``UNSETTLED``: it is equal to no file's. The whole
        database is checked on the way, unless nobody wrote to it since that was done last.
        """

        def read(db: sqlite3.Connection) -> dict[str, str]:
            # Row by row against each secondary index: a flipped key would hide its row for ever.
            self._database.refuse_damage(db)
            found: dict[str, str] = dict(db.execute(_FINGERPRINTS))
            (count,) = db.execute("SELECT count(*) FROM sessions").fetchone()
            if len(found) != count:
                raise sqlite3.DatabaseError("a session has two rows")
            return found

        return self._read(read)

    def put(self, rows: Iterable[IndexRow], is_current: Callable[[IndexRow], bool]) -> int:
        """Record rows of files that somebody changed, in one transaction; return how many were.

        Each change waits to be settled, see ``changelog``.

        Args:
            rows: What was read of the files, at some time before.
            is_current: Asked inside the transaction, for each row: whether the file still is
                what was read. A row that was overtaken is left out; whoever overtook it records.
        """

        def write(db: sqlite3.Connection) -> int:
            with self._database.writing(db):
                log, current = Log(db), [row for row in rows if is_current(row)]
                known = current
                if not log.is_complete and len(current) >= _MANY:
                    known = _insert_new(db, log, current)
                changed = len(current) - len(known) + sum(_put(db, log, row) for row in known)
                log.close()
                return changed

        rows = list(rows)
        return self._database.run(write) if rows else 0

    @contextmanager
    def filling(self, count: int) -> Iterator[None]:
        """Put ``count`` rows in: where there are none yet, indexes are made when all are in."""

        def begin(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                filling.drop_indexes(db)

        def end(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                filling.make_indexes(db)

        if count >= _MANY:
            self._database.run(begin)
        yield
        if not self._read(filling.has_indexes):
            self._database.run(end)

    def record(
        self,
        row: IndexRow,
        base: Fingerprint | None,
        read_base: Callable[[], IndexRow | None],
        origin: str,
    ) -> None:
        """Record what a store wrote, inside the session's lock, and log the change.

        Args:
            row: What was written.
            base: The fingerprint of what it replaced; None where there was nothing.
            read_base: Returns the row of what it replaced; asked only where nobody has logged
                that version, which then is an external change.
            origin: Of which store the change is.
        """
        self.record_many([WrittenRow(row, base, read_base)], origin)

    def record_many(self, written: Sequence[WrittenRow], origin: str) -> None:
        """Record what a store wrote, inside the sessions' locks, in one transaction; see above."""

        def write(db: sqlite3.Connection) -> None:
            log = Log(db)
            for one in written:
                _record(db, one, log, origin)
            log.close()

        self._database.write(write)

    def remove(self, session_ids: Iterable[str], is_gone: Callable[[str], bool]) -> None:
        """Forget sessions whose files, asked inside the transaction, somebody removed."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                is_logged = changelog.is_complete(db)
                for session_id in filter(is_gone, gone):
                    before, _ = _found(db, session_id)
                    if _forget(db, session_id) and is_logged:
                        changelog.remember(db, session_id, before)

        gone = list(session_ids)
        if gone:
            self._database.run(write)

    def record_removal(self, session_id: str, is_gone: Callable[[str], bool], origin: str) -> None:
        """Forget a session that a store removed, inside its lock, and log the change."""
        self.record_removals([session_id], is_gone, origin)

    def record_removals(
        self, session_ids: Sequence[str], is_gone: Callable[[str], bool], origin: str
    ) -> None:
        """Forget sessions that a store removed, in one transaction; see above."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                is_logged = changelog.is_complete(db)
                for session_id in filter(is_gone, session_ids):
                    _record_removal(db, session_id, origin if is_logged else None)

        self._database.run(write)

    # -- changes -----------------------------------------------------------------------------

    def begin_log(self, generation: int) -> None:
        """Log from now on, if the rows that this generation holds are what the folder holds."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                if self._database.generation == generation:
                    changelog.begin(db)

        if not self._read(changelog.is_complete):
            self._database.run(write)

    def pending(self) -> dict[str, tuple[int, bool]]:
        """Return what waits to be logged: the number of its row, and whether it is readable."""

        def read(db: sqlite3.Connection) -> dict[str, tuple[int, bool]]:
            return {one: _place(db, one) for one in changelog.pending(db)}

        return self._read(read)

    def settle(self, places: Mapping[str, int]) -> None:
        """Log what waits as external changes, where the session's row is still of that number."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                for session_id, change in places.items():
                    waits, before = changelog.pending_before(db, session_id)
                    if not waits or _place(db, session_id)[0] != change:
                        continue
                    after, _ = _found(db, session_id)
                    changelog.log(db, session_id, before, after, None)
                    changelog.forget_pending(db, session_id)

        if places:
            self._database.run(write)

    def first_change(self) -> int:
        """Return the number at which the log begins; of what went before, nothing is known."""
        return self._read(changelog.first_number)

    def last_change(self) -> int:
        """Return the number of the last change, or the one at which the log begins."""
        return self._read(changelog.last_number)

    def changes(self, since: int, limit: int, own: str) -> list[SessionChange] | None:
        """Return at most ``limit`` changes after one, in order; None: the log does not know it.

        Args:
            since: The number of that change.
            limit: How many at most.
            own: The origin that is called "this store".
        """
        return self._read(lambda db: changelog.changes_after(db, since, limit, own))

    def changed_since(self, change: int) -> list[tuple[int, str, bytes | None]]:
        """Return (change, session id, digest) of what changed later; digest None: it is gone."""
        query = (
            "SELECT change, session_id, digest FROM sessions WHERE change > ?1 UNION ALL "
            "SELECT change, session_id, NULL FROM gone WHERE change > ?1 ORDER BY change"
        )

        def read(db: sqlite3.Connection) -> list[tuple[int, str, bytes | None]]:
            found = db.execute(query, [change]).fetchall()
            if not all(isinstance(one[0], int) and isinstance(one[1], str) for one in found):
                raise sqlite3.DatabaseError("a number in the index is garbled")
            return found

        return self._read(read)

    def epoch(self) -> str:
        """Return the name of this making of the index; change numbers belong to it."""
        return self._read(lambda _: str(self._database.identity))

    def clear(self) -> None:
        """Forget everything, so that it is read anew from the files."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                db.execute("DELETE FROM sessions")
                db.execute("DELETE FROM gone")
                changelog.clear(db)
                self._database.renew(db)

        self._database.run(write)

    def _read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.read(act)


def listing_of(which: Filter, order: Order) -> str:
    """Return a short name of an order and filters, which a cursor must agree with."""
    return f"{crc32(repr((order, *which.sql())).encode('utf-8', 'surrogatepass')):08x}"


def _record(db: sqlite3.Connection, written: WrittenRow, log: Log, origin: str) -> None:
    """Put a row in its place and log the change, if the log is complete."""
    row, base, read_base = written
    session_id = row.summary.session_id
    columns, (waits, logged) = _columns_of(db, session_id), pending_before(db, session_id)
    indexed, change = (None, 0) if columns is None else _sealed(_told(columns))
    before, after = logged if waits else indexed, _state_of(row, indexed)
    if indexed is None or not changelog.same(indexed, after):
        change = log.next_number()
    _renew(db, columns, _columns(row, after, change))
    if waits:
        changelog.forget_pending(db, session_id)
    if not log.is_complete:
        return
    if not _is_known(before, base):
        found = read_base()
        former = None if found is None else _state_of(found, before)
        log.add(session_id, before, former, None)
        before = former
    log.add(session_id, before, after, origin)


def _record_removal(db: sqlite3.Connection, session_id: str, origin: str | None) -> None:
    waits, logged = changelog.pending_before(db, session_id)
    before, _ = _found(db, session_id)
    _forget(db, session_id)
    changelog.forget_pending(db, session_id)
    if origin is None:
        return
    if waits and before is not None:
        changelog.log(db, session_id, logged, before, None)
    # Without a row somebody was faster to notice this very removal.
    changelog.log(db, session_id, before or logged, None, origin)


def _put(db: sqlite3.Connection, log: Log, row: IndexRow) -> bool:
    """Record a file that somebody changed; tell whether it was more than touched."""
    session_id = row.summary.session_id
    columns = _columns_of(db, session_id)
    before, change = (None, 0) if columns is None else _sealed(_told(columns))
    if before and before.settled and _is_same_version(before, row):
        return False  # it was known, and where it ends perhaps with it
    after = _state_of(row, before)
    if is_changed := not changelog.same(before, after):
        change = log.next_number()  # a file that was only touched keeps its number
    _renew(db, columns, _columns(row, after, change))
    if is_changed and log.is_complete:
        changelog.remember(db, session_id, before)
    return is_changed


def _insert_new(db: sqlite3.Connection, log: Log, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Record files of which nothing is known yet; return the others."""
    known = filling.known_among(db, [row.summary.session_id for row in rows])
    new = [row for row in rows if row.summary.session_id not in known]
    states = ((row, _state_of(row, None)) for row in new)
    columns = (_columns(row, state, log.next_number()) for row, state in states)
    db.executemany(f"INSERT INTO sessions {_VALUES}", columns)
    filling.forget_gone(db, [row.summary.session_id for row in new])
    return [row for row in rows if row.summary.session_id in known]


def _is_same_version(known: State, row: IndexRow) -> bool:
    return (known.fingerprint, known.digest) == (row.fingerprint, row.digest)


_NAMES = (
    *("session_id", "folded", "title", "user_id", "agent_id", "status"),
    *("created_at", "last_activity", "expires_at", "size_bytes", "message_count", "unreadable"),
    *("fingerprint", "settled", "digest", "change", "summary", "good", "tail", "seal"),
)
_VALUES = f"({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
_ALL = f"SELECT {', '.join(_NAMES)} FROM sessions WHERE session_id = ?"  # noqa: S608


def _columns(row: IndexRow, now: State, change: int) -> tuple[object, ...]:
    """Return what stands in the row of a session, in the order of ``_NAMES``."""
    summary = row.summary
    fingerprint = row.fingerprint.text
    tail = _packed_tail(row.tail)
    sealed = fingerprint, row.settled, row.digest, change, now.summary, now.good, tail
    return (
        summary.session_id,
        row.folded,
        _folded_title(summary.title),
        _key(summary.user_id),
        _key(summary.agent_id),
        _key(summary.status),
        _microseconds(summary.created_at),
        _microseconds(summary.last_activity),
        _microseconds(summary.expires_at),
        summary.size_bytes,
        summary.message_count,
        summary.unreadable is not None,
        *sealed,
        seal_of(summary.session_id, *sealed),
    )


_folded_title = lru_cache(maxsize=256)(fold)  # it seldom changes from one turn to the next


def _columns_of(db: sqlite3.Connection, session_id: str) -> tuple[Any, ...] | None:
    """Return the row of a session as it stands, in the order of ``_NAMES``."""
    found: tuple[Any, ...] | None = db.execute(_ALL, [session_id]).fetchone()
    return found


def _told(columns: tuple[Any, ...]) -> _Columns:
    """Return of all columns those that are sealed, as ``_COLUMNS`` asks for them."""
    return columns[0], *columns[12:]


def _renew(
    db: sqlite3.Connection, former: tuple[object, ...] | None, now: tuple[object, ...]
) -> None:
    """Put a row in the place of what was found; only indexes of what changed are touched."""
    if former is None:
        db.execute(f"INSERT INTO sessions {_VALUES}", now)
        db.execute("DELETE FROM gone WHERE session_id = ?", now[:1])
        return
    changed = [at for at in range(len(now)) if former[at] != now[at]]
    setting = ", ".join(f"{_NAMES[at]} = ?" for at in changed)
    if changed:
        query = f"UPDATE sessions SET {setting} WHERE session_id = ?"  # noqa: S608
        db.execute(query, [*(now[at] for at in changed), now[0]])


def _forget(db: sqlite3.Connection, session_id: str) -> bool:
    """Put a tombstone in the place of a row; tell whether there was one."""
    if not db.execute("DELETE FROM sessions WHERE session_id = ?", [session_id]).rowcount:
        return False
    db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", [session_id, next_number(db)])
    return True


def _found(db: sqlite3.Connection, session_id: str) -> tuple[State | None, int]:
    """Return what the row of a session says, and its number."""
    query = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"  # noqa: S608
    found = db.execute(query, [session_id]).fetchone()
    return (None, 0) if found is None else _sealed(found)


def _state_of(row: IndexRow, former: State | None) -> State:
    text = _packed(row.summary)
    good = former.last_readable if former is not None and row.summary.unreadable else None
    return State(row.fingerprint, row.settled, row.digest, text, good)


def _ids(db: sqlite3.Connection, query: str, values: Sequence[object]) -> list[str]:
    ids = [found for (found,) in db.execute(query, values)]
    if not all(isinstance(one, str) for one in ids):
        raise sqlite3.DatabaseError("an id in the index is garbled")
    return ids


def _is_known(logged: State | None, base: Fingerprint | None) -> bool:
    """Tell whether what was replaced is sure to be what the log last said."""
    if logged is None or base is None:
        return logged is None and base is None
    return logged.settled and logged.fingerprint == base


def _place(db: sqlite3.Connection, session_id: str) -> tuple[int, bool]:
    """Return the number of a session's row, or tombstone, and whether its file can be read."""
    query = (
        "SELECT change, unreadable FROM sessions WHERE session_id = ?1 UNION ALL "
        "SELECT change, 1 FROM gone WHERE session_id = ?1"
    )
    change, unreadable = db.execute(query, [session_id]).fetchone() or (0, 0)
    if not isinstance(change, int):
        raise sqlite3.DatabaseError(f"the number of {session_id!r} is garbled")
    return change, not unreadable


_Columns: TypeAlias = tuple[str, str, int, bytes, int, str, str | None, str | None, int]


def _sealed(found: _Columns) -> tuple[State, int]:
    """Return the state and the number of a row that was not garbled."""
    session_id, *parts, seal = found
    if seal != seal_of(session_id, *parts):
        raise sqlite3.DatabaseError(f"the row of {session_id!r} is garbled")
    _, fingerprint, settled, digest, change, text, good, _, _ = found
    return State(fingerprint_of(fingerprint), bool(settled), digest, text, good), change


def _row(found: _Columns) -> IndexRow:
    return _listed(found)._replace(tail=_unpacked_tail(found[7]))


def _listed(found: _Columns) -> IndexRow:
    state, change = _sealed(found)
    summary = _unpacked(state.summary)
    return IndexRow(summary, state.fingerprint, state.settled, state.digest, "", change)


def _packed_tail(tail: Tail | None) -> str | None:
    if tail is None:
        return None
    spare = tail.spare
    told = None if spare is None else [spare.name, spare.common, *spare.fingerprint]
    return orjson.dumps([tail.at, told, tail.proven]).decode()


def _unpacked_tail(text: str | None) -> Tail | None:
    if text is None:
        return None
    at, spare, *proven = json.loads(text)
    return Tail(at, spare and Spare(spare[0], spare[1], Fingerprint(*spare[2:])), proven == [True])


def _packed(summary: SessionSummary) -> str:
    told = summary.__dict__
    if summary.unreadable is not None:
        told = {**told, "unreadable": dict(summary.unreadable)}
    try:
        return orjson.dumps(told).decode()
    except TypeError:  # a title may hold lone surrogates, which are escaped, and numbers be long
        return json.dumps(told, default=datetime.isoformat, separators=(",", ":"))


def _unpacked(text: str) -> SessionSummary:
    try:
        return SessionSummary.model_validate(from_json(text))
    except ValueError:  # lone surrogates are nothing to pydantic's parser
        return SessionSummary.model_validate(json.loads(text))


def _key(text: str | None) -> str | bytes | None:
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _microseconds(instant: datetime | None) -> int | None:
    if instant is None:
        return None
    delta = instant - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
