"""The log of changes: what happened to each session, in order, each change with a growing number.

The log is in the same database as the rows and is written in the same transactions. The functions
take the connection of an open transaction.

A store logs its own changes at once, or writes them into the journal, which is replayed into the
log. A difference that is found in the folder waits in
``pending``, together with the last logged state of that session, because a writer in another
process may be about to log it. When no process or thread holds the session's lock any more, the
difference is logged as an external change.

A change number is the current time in microseconds, or the last number plus one if the clock
stands still or goes back. So the numbers grow over restarts and over the loss of the whole index,
and a number that is lost in a power cut is not given twice.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import orjson

from localsessions import models
from localsessions._local.index.schema import seal_of
from localsessions._local.version import Fingerprint
from localsessions._rules.differences import differences

if TYPE_CHECKING:
    from localsessions._rules.touched import Touched
    from localsessions.models import ChangeKind, ChangeOrigin, SessionChange

__all__ = [
    "KEPT_CHANGES",
    "Log",
    "State",
    "begin",
    "changes_after",
    "clear",
    "first_number",
    "forget_pending",
    "is_complete",
    "journal_place",
    "last_number",
    "next_number",
    "packed_messages",
    "pending",
    "remember",
    "remembered",
    "same",
    "set_journal_place",
    "unpacked_messages",
]

KEPT_CHANGES = 50_000
"""The log keeps at least this many changes; a client that missed more lists again."""

_CUT_EVERY = 1024
# A kind is stored as its first letter.
_KINDS: Mapping[str, ChangeKind] = {
    "c": "created",
    "m": "modified",
    "d": "deleted",
    "u": "unreadable",
    "r": "readable",
}
_TOUCHES: Mapping[str, Literal["added", "changed", "removed"]] = {
    "a": "added",
    "c": "changed",
    "r": "removed",
}
_LARGEST = (1 << 63) - 1  # the largest integer that SQLite can store
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(NamedTuple):
    """What is known about one version of a file.

    Attributes:
        fingerprint: The file's fingerprint when it was read.
        settled: Whether the fingerprint can be trusted.
        digest: Hash of the content; empty if the content could not be read at all.
        summary: The summary as JSON.
        good: If the file is unreadable: the summary of its last readable version, as JSON.
    """

    fingerprint: Fingerprint
    settled: bool
    digest: bytes
    summary: str
    good: str | None

    @property
    def is_readable(self) -> bool:
        """Whether the file was a session."""
        return _loads(self.summary).get("unreadable") is None

    @property
    def last_readable(self) -> str | None:
        """The summary of the file's last readable version, as JSON."""
        return self.summary if self.is_readable else self.good


def same(one: State | None, other: State | None) -> bool:
    """Tell whether two states have the same content; touching a file does not change it."""
    if one is None or other is None:
        return one is other
    if one.digest or other.digest:
        return one.digest == other.digest
    here, there = _loads(one.summary), _loads(other.summary)
    return all(here.get(name) == there.get(name) for name in ("unreadable", "size_bytes"))


# -- numbers -------------------------------------------------------------------------------------


def next_number(db: sqlite3.Connection) -> int:
    """Return a new number, greater than all numbers before it."""
    number = _after(_meta(db, "change"))
    _set_meta(db, "change", number)
    return number


def _after(number: int) -> int:
    return max(number + 1, time.time_ns() // 1000)


def _meta(db: sqlite3.Connection, key: str) -> int:
    found = db.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
    return _checked(key, None if found is None else found[0])


def _checked(key: str, value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < _LARGEST // 2:
        raise sqlite3.DatabaseError(f"the index has lost its {key!r}")
    return value


def _set_meta(db: sqlite3.Connection, key: str, value: int) -> None:
    db.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key])


def journal_place(db: sqlite3.Connection) -> str:
    """Return the place up to which the journal is replayed; empty if it never was."""
    found = db.execute("SELECT value FROM meta WHERE key = 'journal'").fetchone()
    if found is None or not isinstance(found[0], str):
        raise sqlite3.DatabaseError("the index has lost its place in the journal")
    return found[0]


def set_journal_place(db: sqlite3.Connection, place: str) -> None:
    """Store the place up to which the journal is replayed."""
    db.execute("UPDATE meta SET value = ? WHERE key = 'journal'", [place])


def is_complete(db: sqlite3.Connection) -> bool:
    """Tell whether the rows once matched the whole folder: only then is a difference a change."""
    return bool(_meta(db, "complete"))


def begin(db: sqlite3.Connection) -> None:
    """Begin an empty log: the rows now match the folder. Do nothing if the log has begun."""
    if not is_complete(db):
        clear(db)  # if only the mark was garbled, nothing was logged since
        _set_meta(db, "complete", 1)


def clear(db: sqlite3.Connection) -> None:
    """Empty the log: it no longer knows any earlier number."""
    db.execute("DELETE FROM changes")
    db.execute("DELETE FROM pending")
    number = next_number(db)
    for key, value in (("complete", 0), ("waiting", 0), ("cut", number), ("last", number)):
        _set_meta(db, key, value)


def first_number(db: sqlite3.Connection) -> int:
    """Return the number at which the log begins; older tombstones are deleted."""
    return _meta(db, "cut")


def last_number(db: sqlite3.Connection) -> int:
    """Return the number of the last change, or the number at which the log begins."""
    found = db.execute("SELECT number FROM changes ORDER BY seq DESC LIMIT 1").fetchone()
    number = first_number(db) if found is None else found[0]
    _refuse_other_end(db, number)
    return int(number)


def _refuse_other_end(db: sqlite3.Connection, number: object) -> None:
    if number != _meta(db, "last"):
        raise sqlite3.DatabaseError(_OTHER_END)


_OTHER_END = "the log of changes has lost its end"


# -- writing -------------------------------------------------------------------------------------


class Log:
    """The log inside a transaction: one statement reads its numbers, another writes them.

    A caller that takes a number calls ``close`` before the transaction ends.
    """

    _READ = (
        "SELECT (SELECT value FROM meta WHERE key = 'complete'),"
        " (SELECT value FROM meta WHERE key = 'change'),"
        " (SELECT value FROM meta WHERE key = 'last'),"
        " (SELECT value FROM meta WHERE key = 'cut'),"
        " (SELECT number FROM changes ORDER BY seq DESC LIMIT 1)"
    )
    _WRITE = (
        "UPDATE meta SET value = CASE key WHEN 'change' THEN ? ELSE ? END"
        " WHERE key IN ('change', 'last')"
    )

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        *meta, self._end = db.execute(self._READ).fetchone()
        complete, self._change, self._last, self._cut = map(
            _checked, ("complete", "change", "last", "cut"), meta
        )
        self.is_complete = bool(complete)
        self._written = self._change, self._last

    def next_number(self) -> int:
        """Return a new number, greater than all numbers before it."""
        self._change = _after(self._change)
        return self._change

    def add(
        self,
        session_id: str,
        before: State | None,
        after: State | None,
        origin: str | None,
        seen_at: int | None = None,
        touched: Touched = None,
    ) -> None:
        """Log that a session changed from one state to another; the same content logs nothing.

        Origin None means an external change. ``seen_at`` is the time of the change in microseconds
        since 1970; None means now. ``touched`` are the messages that it touched, if they are known.
        """
        if same(before, after):
            return
        previous = self._cut if self._end is None else self._end
        # A page of an older database has a valid seal. Without this check, readers would be told
        # that nothing happened since.
        if previous != self._last:
            raise sqlite3.DatabaseError(_OTHER_END)
        number, seen_at = self.next_number(), seen_at or time.time_ns() // 1000
        earlier, kind = number - seen_at, _kind(before, after)[0]
        details = _dumps(_details(before, after, touched))
        # The seal covers the previous number too, so that a missing change is detected.
        seal = seal_of(previous, number, session_id, kind, origin, earlier, details)
        seq = self._db.execute(
            "INSERT INTO changes (number, session_id, kind, origin, earlier, details, seal)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [number, session_id, kind, origin, earlier, details, seal],
        ).lastrowid
        self._end = self._last = number
        if seq is not None and seq % _CUT_EVERY == 0:
            _cut(self._db, seq - KEPT_CHANGES)

    def close(self) -> None:
        """Write the new numbers to the database."""
        if self._written != (self._change, self._last):
            self._db.execute(self._WRITE, [self._change, self._last])


def _kind(before: State | None, after: State | None) -> ChangeKind:
    if after is None:
        return "deleted"
    if not after.is_readable:
        return "unreadable"
    if before is None:
        return "created"
    return "modified" if before.is_readable else "readable"


def _details(before: State | None, after: State | None, touched: Touched) -> Mapping[str, object]:
    """Return which fields changed and which messages or, of a file that is no session, why."""
    if after is None:
        return {}
    now = _loads(after.summary)
    if (unreadable := now.get("unreadable")) is not None:
        return {**unreadable}
    told = differences(_loads((before and before.last_readable) or "{}"), now)
    return told if touched is None else {**told, _MESSAGES: packed_messages(touched)}


# No field of a summary has this name.
_MESSAGES = "messages"


def packed_messages(touched: Touched) -> list[tuple[int, str | None, str]] | None:
    """Return touched messages as the log and the journal store them."""
    if touched is None:
        return None
    return [(one.position, one.id, one.what[0]) for one in touched]


def unpacked_messages(packed: Any) -> Touched:
    """Return touched messages from what is stored."""
    if packed is None:
        return None
    return tuple(models.TouchedMessage(at, one, _TOUCHES[letter]) for at, one, letter in packed)


def _cut(db: sqlite3.Connection, seq: int) -> None:
    """Delete the changes up to ``seq``, and the tombstones that are not younger than these."""
    found = db.execute("SELECT max(number) FROM changes WHERE seq <= ?", [seq]).fetchone()
    if found[0] is not None:
        db.execute("DELETE FROM changes WHERE seq <= ?", [seq])
        db.execute("DELETE FROM gone WHERE change <= ?", [found[0]])
        _set_meta(db, "cut", found[0])


# -- what waits ----------------------------------------------------------------------------------


def remember(db: sqlite3.Connection, before: Mapping[str, State | None]) -> None:
    """Keep the last logged state of sessions whose files were found to be different."""
    texts = {session_id: _packed(state) for session_id, state in before.items()}
    added = db.executemany(
        "INSERT OR IGNORE INTO pending VALUES (?, ?, ?)",
        ((session_id, text, seal_of(session_id, text)) for session_id, text in texts.items()),
    )
    _count_waiting(db, added.rowcount)


def _packed(state: State | None) -> str | None:
    if state is None:
        return None
    fingerprint, settled, digest, summary, good = state
    return json.dumps([list(fingerprint), settled, digest.hex(), summary, good])


def pending(db: sqlite3.Connection) -> list[str]:
    """Return the ids of the sessions whose difference is not logged yet."""
    rows = db.execute("SELECT session_id, before, seal FROM pending").fetchall()
    for session_id, text, seal in rows:
        _refuse_garbled(session_id, text, seal)
    if len(rows) != _meta(db, "waiting"):
        raise sqlite3.DatabaseError("the index has lost what waits to be logged")
    return [session_id for session_id, _, _ in rows]


def _refuse_garbled(session_id: str, text: str | None, seal: int) -> None:
    if seal != seal_of(session_id, text):
        raise sqlite3.DatabaseError(f"what is pending of {session_id!r} is garbled")


def remembered(session_id: str, text: str | None, seal: int) -> State | None:
    """Return the last logged state of a session, from its row in ``pending``."""
    _refuse_garbled(session_id, text, seal)
    if text is None:
        return None
    fingerprint, settled, digest, summary, good = json.loads(text)
    return State(Fingerprint(*fingerprint), settled, bytes.fromhex(digest), summary, good)


def forget_pending(db: sqlite3.Connection, session_ids: Iterable[str]) -> None:
    """Delete pending differences: they are logged, or are no longer differences."""
    ids = [(session_id,) for session_id in session_ids]
    if ids:
        removed = db.executemany("DELETE FROM pending WHERE session_id = ?", ids)
        _count_waiting(db, -removed.rowcount)


def _count_waiting(db: sqlite3.Connection, more: int) -> None:
    if more:
        _set_meta(db, "waiting", max(0, _meta(db, "waiting") + more))


# -- reading -------------------------------------------------------------------------------------


def changes_after(
    db: sqlite3.Connection, number: int, limit: int, own: str
) -> list[SessionChange] | None:
    """Return at most ``limit`` changes after a number, in order; None: the log does not know it.

    The log knows only numbers that it gave itself. A number of a lost index, or a number that is
    lost in a power cut, is never taken for another change.
    """
    if not 0 <= number <= _LARGEST:
        return None
    cut = _meta(db, "cut")
    query = "SELECT seq FROM changes WHERE number = ?"
    after = db.execute(query, [number]).fetchone()
    if (after is None and number != cut) or not is_complete(db):
        return None
    # Read the table itself, not its index of numbers: a flipped key there would hide a change.
    rows = db.execute(
        "SELECT number, session_id, kind, origin, earlier, details, seal FROM changes"
        " WHERE seq > ? ORDER BY seq LIMIT ?",
        [after[0] if after else -1, limit],
    ).fetchall()
    before = [number, *(row[0] for row in rows)]
    if len(rows) < limit:
        _refuse_other_end(db, before[-1])
    return [_change(previous, row, own) for previous, row in zip(before, rows, strict=False)]


_Columns: TypeAlias = tuple[int, str, str, str | None, int, str, int]


def _change(previous: int, found: _Columns, own: str) -> SessionChange:
    *parts, seal = found
    if seal != seal_of(previous, *parts):
        raise sqlite3.DatabaseError(f"the change {found[0]} is garbled, or those before it")
    number, session_id, letter, made_by, earlier, details, _ = found
    told = dict(_loads.__wrapped__(details))  # not the cached object: the caller keeps this
    kind, messages = _KINDS[letter], unpacked_messages(told.pop(_MESSAGES, None))
    changed = {} if kind == "unreadable" else told
    return models.SessionChange(
        number=number,
        session_id=session_id,
        kind=kind,
        origin=_origin(made_by, own),
        seen_at=_EPOCH + timedelta(microseconds=number - earlier),
        changed={name: (was, now) for name, (was, now) in changed.items()},
        unreadable=models.Unreadable.model_validate(told) if kind == "unreadable" else None,
        messages=messages,
    )


def _origin(made_by: str | None, own: str) -> ChangeOrigin:
    if made_by is None:
        return "external"
    return "this store" if made_by == own else "another store"


def _dumps(value: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # lone surrogates: they are escaped
        return json.dumps(value, separators=(",", ":"))


@lru_cache(maxsize=64)  # the state after this change is the state before the next
def _loads(text: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:  # lone surrogates and long numbers: only json reads them
        found = json.loads(text)
    if not isinstance(found, dict):
        raise sqlite3.DatabaseError("a summary is garbled")
    return found
