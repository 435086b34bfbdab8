"""SessionIndex: a row for each session, with filters, orders, pages and the log of changes.

What is asked of the index and put into it; how a row is packed is the matter of ``row``, how the
rows change together with the log that of ``table``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter, gt, lt
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from localsessions._local.index import changelog, schema, table
from localsessions._local.index.changelog import Log
from localsessions._local.index.cursor import Cursor
from localsessions._local.index.database import Database
from localsessions._local.index.row import (
    IndexRow,
    comparable,
    is_proven,
    listed,
    microseconds,
    unpacked,
)
from localsessions._local.index.table import MANY, WrittenRow
from localsessions._local.version import Fingerprint, Spare
from localsessions._rules.words import fold
from localsessions.engine import Query
from localsessions.models import Order, SessionChange, SessionSummary

__all__ = ["UNSETTLED", "SessionIndex", "listing_of"]

T = TypeVar("T")

UNSETTLED = "?"
_FINGERPRINTS = (
    f"SELECT session_id, iif(settled = 1, fingerprint, '{UNSETTLED}' || fingerprint)"  # noqa: S608
    " FROM sessions NOT INDEXED"
)


class _Conditions(NamedTuple):
    """What of a query a statement asks for, and the values that it is asked with."""

    texts: list[str]
    values: list[object]

    @property
    def where(self) -> str:
        """The clause; empty where nothing restricts."""
        return f"WHERE {' AND '.join(self.texts)}" if self.texts else ""


def _conditions(query: Query) -> _Conditions:
    """Return what of a query restricts, but for ``live_at``."""
    found = _Conditions([], [])
    for name, condition, stands_for in _CONDITIONS:
        value = getattr(query, name)
        if value is not None:
            found.texts.append(condition)
            found.values.append(stands_for(value))
    return found


_CONDITIONS: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("user_id", "user_id = ?", comparable),
    ("agent_id", "agent_id = ?", comparable),
    ("status", "status = ?", comparable),
    ("since", "last_activity >= ?", microseconds),
    ("until", "last_activity < ?", microseconds),
    ("expired_at", "expires_at <= ?", microseconds),
)


class News(NamedTuple):
    """What the log says that was not known yet.

    Attributes:
        waits: The differences that are not logged yet: the number of each session's row, and
            whether its file can be read.
        last: The number of the last change.
        changed: The sessions that changed; none where the log does not know since when.
    """

    waits: dict[str, tuple[int, bool]]
    last: int
    changed: set[str]


_DEAD = "(expires_at <= ? OR status IN ('archived', 'unreadable'))"


class SessionIndex:
    """The rows of one store.

    Args:
        path: The database; None keeps it in memory.
    """

    def __init__(self, path: str | None) -> None:
        self._database = Database(path, schema.TABLES, schema.VERSION)

    @property
    def generation(self) -> int:
        """Grows whenever rows were lost; whoever put them in must look at the files again."""
        return self._database.generation

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def ask_while_lost(self, ask: Callable[[], tuple[int | None, T]]) -> T:
        """Return the answer to a question, asked again while it is lost, see ``Database``."""
        return self._database.ask_while_lost(ask)

    def size_bytes(self) -> int:
        """Return what the index takes on the disk."""
        return self._database.size_bytes()

    def page(self, query: Query, order: Order, limit: int, after: Cursor | None) -> list[IndexRow]:
        """Return at most ``limit`` rows in order, those behind ``after`` if given; no tails."""
        column, direction, sign = (
            order.lstrip("-"),
            "DESC" if order[0] == "-" else "ASC",
            "<" if order[0] == "-" else ">",
        )
        restricted = _conditions(query)
        if query.live_at is not None:
            restricted.texts.append(f"NOT coalesce({_DEAD}, 0)")
            restricted.values.append(microseconds(query.live_at))
        is_whole_table = not restricted.texts
        if after is not None:
            restricted.texts.append(f"({column}, session_id) {sign} (?, ?)")
            restricted.values.extend([after.value, after.session_id])
        statement = (
            f"{table.SELECT} {restricted.where} "  # no name comes from outside
            f"ORDER BY {column} {direction}, session_id {direction} LIMIT ?"
        )
        key_of, follows = attrgetter(column), lt if direction == "DESC" else gt

        def read(db: sqlite3.Connection) -> list[IndexRow]:
            rows = [listed(found) for found in db.execute(statement, [*restricted.values, limit])]
            keys = [(key_of(row.summary), row.summary.session_id) for row in rows]
            is_right = is_whole_table or all(query.matches(row.summary) for row in rows)
            if not is_right or not all(map(follows, keys[1:], keys)):
                raise sqlite3.DatabaseError(f"the index of {column} does not agree with its table")
            return rows

        return self._read(read)

    def cursor(self, row: SessionSummary, query: Query, order: Order) -> str:
        """Return the cursor that asks for what follows a row."""
        value = getattr(row, order.lstrip("-"))
        number = microseconds(value) if isinstance(value, datetime) else int(value)
        return Cursor(listing_of(query, order), number or 0, row.session_id).encode()

    def count(self, query: Query) -> int:
        """Return how many sessions there are.

        Few sessions are dead: counting all and those is done in the indexes, and opens few rows.
        """
        restricted = _conditions(query)
        statement = f"SELECT count(*) FROM sessions {restricted.where}"  # noqa: S608
        values = restricted.values
        if query.live_at is not None:
            dead = _Conditions([_DEAD, *restricted.texts], [microseconds(query.live_at), *values])
            statement = f"SELECT ({statement}) - (SELECT count(*) FROM sessions {dead.where})"  # noqa: S608
            values = [*values, *dead.values]
        return self._read(lambda db: int(db.execute(statement, values).fetchone()[0]))

    def get(self, session_id: str) -> IndexRow | None:
        """Return one row."""

        def read(db: sqlite3.Connection) -> IndexRow | None:
            found = table.found(db, session_id)
            return None if found is None else unpacked(found)

        return self._read(read)

    def rows(self, session_ids: Iterable[str]) -> dict[str, IndexRow]:
        """Return the rows of those of some sessions that have one."""

        def read(db: sqlite3.Connection) -> dict[str, IndexRow]:
            rows = {one: table.found(db, one) for one in session_ids}
            return {one: unpacked(row) for one, row in rows.items() if row is not None}

        return self._read(read)

    def is_proven(self, session_id: str, fingerprint: Fingerprint) -> bool:
        """Tell whether the file of a fingerprint is known to need no proof, see ``Tail``."""

        def read(db: sqlite3.Connection) -> bool:
            found = table.found(db, session_id)
            return found is not None and is_proven(found, fingerprint)

        return self._read(read)

    def spares(self, session_ids: Sequence[str]) -> list[Spare]:
        """Return the spares of some sessions, as far as their rows name one."""
        return self._read(lambda db: table.spares(db, session_ids))

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

    def ids(self, query: Query) -> list[str]:
        """Return all ids, those active longest ago first, or those that expired first."""
        restricted = _conditions(query)
        column = "last_activity, session_id" if query.expired_at is None else "expires_at"
        statement = f"SELECT session_id FROM sessions {restricted.where} ORDER BY {column}"  # noqa: S608
        return self._read(lambda db: _ids(db, statement, restricted.values))

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

    def put(
        self,
        rows: Sequence[IndexRow],
        is_current: Callable[[IndexRow], bool],
        is_free: Callable[[str], bool] = lambda _session_id: False,
    ) -> None:
        """Record rows of files that somebody changed, in one transaction.

        Args:
            rows: What was read of the files, at some time before.
            is_current: Asked inside the transaction, for each row: whether the file still is
                what was read. A row that was overtaken is left out; whoever overtook it records.
            is_free: Asked inside the transaction, for each session that was changed: whether
                nobody holds its lock. Then nobody is about to log this very change, which is
                logged at once; all others wait to be settled, see ``changelog``.
        """

        def write(db: sqlite3.Connection) -> None:
            log, current = Log(db), [row for row in rows if is_current(row)]
            if not log.is_complete and len(current) >= MANY:
                current = table.insert_new(db, log, current)
            changed = table.put(db, log, current)
            log.close()
            if places := {one: change for one, change in changed.items() if is_free(one)}:
                table.log_waiting(db, places)

        if rows:
            self._database.write(write)

    @contextmanager
    def filling(self, count: int) -> Iterator[None]:
        """Put ``count`` rows in: where there are none yet, indexes are made when all are in."""
        if count >= MANY:
            self._database.write(table.drop_indexes)
        yield
        if not self._read(table.has_indexes):
            self._database.write(table.make_indexes)

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
        self._database.write(lambda db: table.record(db, written, origin))

    def remove(self, session_ids: Iterable[str], is_gone: Callable[[str], bool]) -> None:
        """Forget sessions whose files, asked inside the transaction, somebody removed."""
        gone = list(session_ids)
        if gone:
            self._database.write(lambda db: table.forget(db, [*filter(is_gone, gone)]))

    def record_removal(self, session_id: str, is_gone: Callable[[str], bool], origin: str) -> None:
        """Forget a session that a store removed, inside its lock, and log the change."""
        self.record_removals([session_id], is_gone, origin)

    def record_removals(
        self, session_ids: Sequence[str], is_gone: Callable[[str], bool], origin: str
    ) -> None:
        """Forget sessions that a store removed, in one transaction; see above."""
        self._database.write(
            lambda db: table.record_removals(db, [*filter(is_gone, session_ids)], origin)
        )

    # -- changes -----------------------------------------------------------------------------

    def begin_log(self, generation: int) -> None:
        """Log from now on, if the rows that this generation holds are what the folder holds."""

        def write(db: sqlite3.Connection) -> None:
            if self._database.generation == generation:
                changelog.begin(db)

        if not self._read(changelog.is_complete):
            self._database.write(write)

    def pending(self) -> dict[str, tuple[int, bool]]:
        """Return what waits to be logged: the number of its row, and whether it is readable."""

        def read(db: sqlite3.Connection) -> dict[str, tuple[int, bool]]:
            return {one: table.place(db, one) for one in changelog.pending(db)}

        return self._read(read)

    def news(self, since: int, own: str) -> News:
        """Return what waits, the last number, and which sessions changed after another number."""

        def read(db: sqlite3.Connection) -> News:
            waits = {one: table.place(db, one) for one in changelog.pending(db)}
            last, number, changed = changelog.last_number(db), since, set[str]()
            while number != last and (some := changelog.changes_after(db, number, MANY, own)):
                changed.update(change.session_id for change in some)
                number = some[-1].number
            return News(waits, last, changed)

        return self._read(read)

    def waiting(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return which of some sessions wait to be logged, with the numbers of their rows."""
        return self._read(lambda db: table.waiting(db, session_ids))

    def log_waiting(self, places: Mapping[str, int]) -> None:
        """Log what waits as external changes, where the session's row is still of that number."""
        if places:
            self._database.write(lambda db: table.log_waiting(db, places))

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
            table.forget_all(db)
            self._database.renew(db)

        self._database.write(write)

    def _read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.read(act)


def listing_of(query: Query, order: Order) -> str:
    """Return a short name of an order and filters, which a cursor must agree with."""
    told = repr((order, *_conditions(query), query.live_at is None))
    return f"{crc32(told.encode('utf-8', 'surrogatepass')):08x}"


def _ids(db: sqlite3.Connection, query: str, values: Sequence[object]) -> list[str]:
    ids = [found for (found,) in db.execute(query, values)]
    if not all(isinstance(one, str) for one in ids):
        raise sqlite3.DatabaseError(table.GARBLED_ID)
    return ids
