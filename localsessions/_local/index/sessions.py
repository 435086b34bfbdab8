"""SessionIndex: a row for each session, with filters, orders, pages and the log of changes.

This file has the questions and the writes. ``conditions`` says in SQL which sessions are asked for,
``row`` packs the rows, ``table`` changes the rows together with the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from operator import gt, lt
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from localsessions._local.index import changelog, table
from localsessions._local.index.changelog import Log
from localsessions._local.index.conditions import (
    COLUMNS_OF,
    DEAD,
    Choices,
    Conditions,
    conditions_of,
    listing_of,
    values_of,
)
from localsessions._local.index.grouping import parts
from localsessions._local.index.recorded import WrittenRow
from localsessions._local.index.replayed import ReplayedDatabase
from localsessions._local.index.row import (
    IndexRow,
    is_proven,
    listed,
    unpacked,
)
from localsessions._local.index.table import MANY
from localsessions._local.index.turn import line_of
from localsessions._local.recent import Recent
from localsessions._local.version import Fingerprint, Spare
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.groups import Part
from localsessions._rules.question import Question
from localsessions._rules.words import fold
from localsessions.engine import Query
from localsessions.models import Grouping, Order
from localsessions.models.instants import microseconds
from localsessions.models.plain import Summary

if TYPE_CHECKING:
    from localsessions._rules.touched import Touched
    from localsessions.models import SessionChange

__all__ = ["UNSETTLED", "ChangedRow", "SessionIndex"]

T = TypeVar("T")

_MOST_LOOKED_AT, _MOST_VALUES = 2000, 500
_ROW_BYTES = 4096  # a row that is kept in memory takes about as much
UNSETTLED = "?"
_FINGERPRINTS = (
    f"SELECT session_id, iif(settled = 1, fingerprint, '{UNSETTLED}' || fingerprint)"  # noqa: S608
    " FROM sessions NOT INDEXED"
)


class News(NamedTuple):
    """What the log says since the caller's last change number.

    Attributes:
        waits: The differences that are not logged yet: for each session, the change number of its
            row, and whether its file can be read.
        last: The number of the last change.
        changed: The sessions that changed; empty if the log does not know the caller's number.
    """

    waits: dict[str, tuple[int, bool]]
    last: int
    changed: set[str]


class ChangedRow(NamedTuple):
    """A session whose row changed.

    Attributes:
        change: The number of its last change.
        session_id: The session.
        digest: The hash of its file; None if it is deleted.
        active_at: Its last activity as a number that only sorts; 0 if it is deleted.
        is_proven: Whether the file needs no proof, see ``Tail``.
    """

    change: int
    session_id: str
    digest: bytes | None
    active_at: int
    is_proven: bool = False


class SessionIndex:
    """The rows of one store.

    Args:
        path: The database; None keeps it in memory.
    """

    def __init__(self, path: str | None) -> None:
        self._database = ReplayedDatabase(path)
        self._written: Recent[IndexRow] = Recent()

    @property
    def generation(self) -> int:
        """A number that grows whenever rows are lost; the caller must then read the files again."""
        return self._database.generation

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def ask_while_lost(self, ask: Callable[[], tuple[int | None, T]]) -> T:
        """Call ``ask`` until the database stays complete during the call, see ``Database``."""
        return self._database.ask_while_lost(ask)

    def page(
        self,
        query: Query,
        order: Order,
        limit: int,
        after: Cursor | None,
        choices: Choices | None = None,
    ) -> list[IndexRow]:
        """Return at most ``limit`` rows in order, after ``after`` if given; no row has ``tail``.

        Args:
            query: Which sessions.
            order: What to sort by.
            limit: How many at most.
            after: Where the page before ended.
            choices: Restricts further.
        """
        column, direction, sign = (
            order.lstrip("-"),
            "DESC" if order[0] == "-" else "ASC",
            "<" if order[0] == "-" else ">",
        )
        restricted = conditions_of(query, choices)
        is_whole_table = not restricted.texts
        if after is not None:
            restricted.texts.append(f"({column}, session_id) {sign} (?, ?)")
            restricted.values.extend([after.value, after.session_id])
        statement = (
            f"{table.SELECT} {restricted.where} "  # no name comes from outside
            f"ORDER BY {column} {direction}, session_id {direction} LIMIT ?"
        )
        follows = lt if direction == "DESC" else gt

        def read(db: sqlite3.Connection) -> list[IndexRow]:
            rows = [listed(found) for found in db.execute(statement, [*restricted.values, limit])]
            keys = [key_of(row.summary, order) for row in rows]
            is_right = is_whole_table or all(query.matches(row.summary) for row in rows)
            if not is_right or not all(map(follows, keys[1:], keys)):
                raise sqlite3.DatabaseError(f"the index of {column} does not agree with its table")
            return rows

        return self._database.read(read)

    def cursor(self, row: Summary, query: Query, order: Order) -> str:
        """Return the cursor for the page after a row."""
        return Cursor(listing_of(query, order), *key_of(row, order)).encode()

    def count(self, query: Query) -> int:
        """Return how many sessions there are.

        With ``live_at`` it counts all sessions, and subtracts those that are not live. These are
        few, so the indexes answer both, and few rows are read.
        """
        restricted = conditions_of(query._replace(live_at=None))
        statement = f"SELECT count(*) FROM sessions {restricted.where}"  # noqa: S608
        values = restricted.values
        if query.live_at is not None:
            dead = Conditions([DEAD, *restricted.texts], [microseconds(query.live_at), *values])
            statement = f"SELECT ({statement}) - (SELECT count(*) FROM sessions {dead.where})"  # noqa: S608
            values = [*values, *dead.values]
        return self._database.read(lambda db: int(db.execute(statement, values).fetchone()[0]))

    def parts(self, by: Grouping, query: Query) -> list[Part]:
        """Return the parts of the groups of the sessions, by one statement."""
        return self._database.read(lambda db: parts(db, by, query))

    def get(self, session_id: str) -> IndexRow | None:
        """Return the row of a session; None if it has no row."""

        def read(db: sqlite3.Connection) -> IndexRow | None:
            found = table.found(db, session_id)
            return None if found is None else unpacked(found)

        return self._database.read(read)

    def row_at(self, session_id: str, fingerprint: Fingerprint | None) -> IndexRow | None:
        """Return the row of a file with exactly this fingerprint; None if none is known.

        Of what this store wrote last, it is known without a question to the database.
        """
        if (written := self._written_as(session_id, fingerprint)) is not None:
            return written
        row = self.get(session_id)
        return row if row is not None and row.fingerprint == fingerprint else None

    def _written_as(self, session_id: str, fingerprint: Fingerprint | None) -> IndexRow | None:
        """Return the row of what this store wrote last, if the file still is that."""
        row = self._written.get(session_id)
        return row if row is not None and row.fingerprint == fingerprint else None

    def rows(self, session_ids: Iterable[str]) -> dict[str, IndexRow]:
        """Return rows by session id; sessions without a row are left out."""

        def read(db: sqlite3.Connection) -> dict[str, IndexRow]:
            rows = {one: table.found(db, one) for one in session_ids}
            return {one: unpacked(row) for one, row in rows.items() if row is not None}

        return self._database.read(read)

    def is_proven(self, session_id: str, fingerprint: Fingerprint) -> bool:
        """Tell whether the session's file of this fingerprint needs no proof, see ``Tail``."""
        if (written := self._written_as(session_id, fingerprint)) is not None:
            return written.tail is not None and written.tail.proven

        def read(db: sqlite3.Connection) -> bool:
            found = table.found(db, session_id)
            return found is not None and is_proven(found, fingerprint)

        return self._database.read(read)

    def spares(self, session_ids: Sequence[str]) -> list[Spare]:
        """Return the spares that the rows of these sessions name."""
        return self._database.read(lambda db: table.spares(db, session_ids))

    def ids_folded_like(self, folded: Sequence[str]) -> list[str]:
        """Return the ids that would share a file with one of these on macOS or Windows."""
        marks = ", ".join("?" * len(folded))
        query = f"SELECT session_id FROM sessions WHERE folded IN ({marks})"  # noqa: S608
        return self._database.read(lambda db: _ids(db, query, folded))

    def ids_like(self, prefix: str, limit: int) -> list[str]:
        """Return at most ``limit`` ids that begin with ``prefix``."""
        query = "SELECT session_id FROM sessions WHERE session_id >= ? AND session_id < ? LIMIT ?"
        values = [prefix, prefix + "\U0010ffff", limit]
        return self._database.read(lambda db: _ids(db, query, values))

    def ids_beside(self, session_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return for each id the one before it and the one after it, where there are such."""
        query = (
            "SELECT max(session_id) FROM sessions WHERE session_id < ? UNION ALL"
            " SELECT min(session_id) FROM sessions WHERE session_id > ?"
        )

        def read(db: sqlite3.Connection) -> dict[str, list[str]]:
            found = {one: db.execute(query, [one, one]).fetchall() for one in session_ids}
            return {one: [other for (other,) in rows if other] for one, rows in found.items()}

        return self._database.read(read)

    def ids_titled(self, title: str, limit: int) -> list[str]:
        """Return the ids of sessions whose title has the same words; case does not matter."""
        query = "SELECT session_id FROM sessions WHERE title = ? ORDER BY session_id LIMIT ?"
        values = [fold(title), limit]
        if not fold(title).strip():
            return []  # otherwise all sessions without a title would match
        return self._database.read(lambda db: _ids(db, query, values))

    def choices(self, question: Question) -> Choices:
        """Return which values the columns have that the fields of a question ask for.

        Most columns have few values, so each is looked at once. One with many does not restrict.
        """

        def read(db: sqlite3.Connection) -> Choices:
            chosen = {}
            for name in question.attributes:
                columns = COLUMNS_OF.get(name, (name,))
                values = chain.from_iterable(values_of(db, one) for one in columns)
                looked_at = [*islice(values, _MOST_LOOKED_AT + 1)]
                fitting = {one for one, told in looked_at if question.may_fit(name, told)}
                if len(looked_at) <= _MOST_LOOKED_AT and len(fitting) <= _MOST_VALUES:
                    chosen[name] = [*fitting]
            return chosen

        return self._database.read(read)

    def newest_ids(self, query: Query, choices: Choices, limit: int) -> list[str]:
        """Return at most ``limit`` ids, the most recently active first."""
        found = conditions_of(query, choices)
        statement = (
            f"SELECT session_id FROM sessions {found.where}"  # noqa: S608
            " ORDER BY last_activity DESC, session_id DESC LIMIT ?"
        )
        return self._database.read(lambda db: _ids(db, statement, [*found.values, limit]))

    def ids(self, query: Query) -> list[str]:
        """Return all ids, the least recently active first.

        With ``expired_at``, the sessions that expired first come first.
        """
        restricted = conditions_of(query)
        column = "last_activity, session_id" if query.expired_at is None else "expires_at"
        statement = f"SELECT session_id FROM sessions {restricted.where} ORDER BY {column}"  # noqa: S608
        return self._database.read(lambda db: _ids(db, statement, restricted.values), apart=True)

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

        return self._database.read(read, apart=True)

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each row as text, by session id.

        A fingerprint that is not settled begins with ``UNSETTLED``, so that it never equals the
        fingerprint of a file. The whole database is checked too, unless it is known to be intact
        since its last check.
        """

        def read(db: sqlite3.Connection) -> dict[str, str]:
            # This compares the rows with each secondary index: a flipped key would hide its row
            # for ever.
            self._database.refuse_damage(db)
            found: dict[str, str] = dict(db.execute(_FINGERPRINTS))
            (count,) = db.execute("SELECT count(*) FROM sessions").fetchone()
            if len(found) != count:
                raise sqlite3.DatabaseError("a session has two rows")
            return found

        return self._database.read(read, apart=True)

    def put(
        self,
        rows: Sequence[IndexRow],
        is_current: Callable[[IndexRow], bool],
        is_free: Callable[[str], bool] = lambda _session_id: False,
    ) -> None:
        """Record rows of files that were found changed, in one transaction.

        Args:
            rows: The rows of the files, read earlier.
            is_current: Called inside the transaction for each row: whether the file is still as it
                was read. Otherwise the row is left out, and the process that changed the file
                again records it.
            is_free: Called inside the transaction for each changed session: whether its lock is
                free. If so, no store is about to log this change, and it is logged at once. All
                other changes wait to be logged, see ``changelog``.
        """

        def write(db: sqlite3.Connection) -> None:
            changes, current = Log(db), [row for row in rows if is_current(row)]
            if not changes.is_complete and len(current) >= MANY:
                current = table.insert_new(db, changes, current)
            changed = table.put(db, changes, current)
            changes.close()
            places = {one: change for one, change in changed.items() if is_free(one)}
            # Who has just let go of a lock has written a line before.
            if places and self._database.replay(db):
                table.log_waiting(db, places)

        if rows:
            self._database.write(write)

    @contextmanager
    def filling(self, count: int) -> Iterator[None]:
        """Expect ``count`` rows in the block; if many fill an empty table, create indexes after."""
        with self._database.filling():
            if count >= MANY:
                self._database.write(table.drop_indexes)
            yield
            if not self._database.read(table.has_indexes):
                self._database.write(table.make_indexes)

    def record(self, written: Sequence[WrittenRow]) -> None:
        """Record what a store wrote, inside the sessions' locks, and log the changes.

        Everything is recorded in one transaction.
        """
        self._database.write(lambda db: table.record(db, written))

    def record_turn(self, row: IndexRow, base: IndexRow, origin: str, touched: Touched) -> None:
        """Record what a store wrote over a known version; a line of the journal says it.

        Call it inside the lock of the session.

        Args:
            row: The row of the written version.
            base: The row of the version that it replaced.
            origin: The store that wrote it.
            touched: The messages that it touched; None if that is not known.
        """
        if not self._database.append(line_of(row, base, origin, touched)):
            self.record([WrittenRow(row, base.fingerprint, lambda: base, origin, touched)])
        self._written.keep(row.summary.session_id, row, _ROW_BYTES)

    def remove(self, session_ids: Iterable[str], is_gone: Callable[[str], bool]) -> None:
        """Delete the rows of sessions whose files are gone; checked inside the transaction."""
        gone = list(session_ids)
        if gone:
            self._database.write(lambda db: table.forget(db, [*filter(is_gone, gone)]))

    def record_removal(self, session_id: str, is_gone: Callable[[str], bool], origin: str) -> None:
        """Delete the row of a session that a store removed, inside its lock; log the change."""
        self.record_removals([session_id], is_gone, origin)

    def record_removals(
        self, session_ids: Sequence[str], is_gone: Callable[[str], bool], origin: str
    ) -> None:
        """Do what ``record_removal`` does for many sessions, in one transaction."""
        self._database.write(
            lambda db: table.record_removals(db, [*filter(is_gone, session_ids)], origin)
        )

    # -- changes -----------------------------------------------------------------------------

    def begin_log(self, generation: int) -> None:
        """Log from now on; the caller knows that the rows of ``generation`` match the folder.

        If rows were lost since that generation, nothing is done.
        """

        def write(db: sqlite3.Connection) -> None:
            if self._database.generation == generation:
                changelog.begin(db)

        if not self._database.read(changelog.is_complete):
            self._database.write(write)

    def pending(self) -> dict[str, tuple[int, bool]]:
        """Return the differences that wait to be logged.

        Returns:
            By session id: the change number of its row, and whether its file can be read.
        """

        def read(db: sqlite3.Connection) -> dict[str, tuple[int, bool]]:
            return {one: table.place(db, one) for one in changelog.pending(db)}

        return self._database.read(read)

    def news(self, since: int, own: str) -> News:
        """Return what waits, the last number, and which sessions changed after ``since``."""

        def read(db: sqlite3.Connection) -> News:
            waits = {one: table.place(db, one) for one in changelog.pending(db)}
            last, number, changed = changelog.last_number(db), since, set[str]()
            while number != last and (some := changelog.changes_after(db, number, MANY, own)):
                changed.update(change.session_id for change in some)
                number = some[-1].number
            return News(waits, last, changed)

        return self._database.read(read)

    def waiting(self, session_ids: Sequence[str]) -> dict[str, int]:
        """Return which of these sessions wait to be logged, with the numbers of their rows."""
        return self._database.read(lambda db: table.waiting(db, session_ids))

    def log_waiting(self, places: Mapping[str, int]) -> None:
        """Log waiting differences as external changes, if a row still has the given number."""

        def write(db: sqlite3.Connection) -> None:
            if self._database.replay(db):  # otherwise a line may say whose change it is
                table.log_waiting(db, places)

        if places:
            self._database.write(write)

    def first_change(self) -> int:
        """Return the number at which the log begins; nothing is known about earlier changes."""
        return self._database.read(changelog.first_number)

    def last_change(self) -> int:
        """Return the number of the last change, or the number at which the log begins."""
        return self._database.read(changelog.last_number)

    def changes(self, since: int, limit: int, own: str) -> list[SessionChange] | None:
        """Return at most ``limit`` changes after ``since``, in order; None: ``since`` is unknown.

        Args:
            since: The number of a change, or the number at which the log begins.
            limit: How many at most.
            own: The origin that is reported as "this store".
        """
        return self._database.read(lambda db: changelog.changes_after(db, since, limit, own))

    def changed_since(self, change: int) -> list[ChangedRow]:
        """Return the sessions with a later change, by its number."""
        query = (
            "SELECT change, session_id, digest, last_activity, tail LIKE '%,true]' FROM sessions"
            " WHERE change > ? UNION ALL SELECT change, session_id, NULL, 0, 0 FROM gone"
            " WHERE change > ?"
            " ORDER BY change"
        )

        def read(db: sqlite3.Connection) -> list[ChangedRow]:
            found = db.execute(query, [change, change]).fetchall()
            if not all(isinstance(one[0], int) and isinstance(one[1], str) for one in found):
                raise sqlite3.DatabaseError("a number in the index is garbled")
            return [ChangedRow(*row) for row in found]

        return self._database.read(read, apart=True)

    def epoch(self) -> str:
        """Return the random name of this build of the index; a rebuild gets a new name.

        Change numbers are valid for this build only.
        """
        return self._database.read(lambda _: str(self._database.identity))

    def clear(self) -> None:
        """Delete everything, so that it is read again from the files."""

        def write(db: sqlite3.Connection) -> None:
            table.forget_all(db)
            self._database.lose_rows(db)

        with self._database.filling():
            self._database.write(write)


def _ids(db: sqlite3.Connection, query: str, values: Sequence[object]) -> list[str]:
    ids = [found for (found,) in db.execute(query, values)]
    if not all(isinstance(one, str) for one in ids):
        raise sqlite3.DatabaseError(table.GARBLED_ID)
    return ids
