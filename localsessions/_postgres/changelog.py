"""The log of changes: numbers that never skip, and what each change tells.

A change is numbered by its transaction and its place in it. A transaction that has a lower number
may still be going on when another has ended; so the log is read up to the oldest transaction that
goes on, and no further.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import orjson

from localsessions._postgres.place import Place
from localsessions._postgres.row import unpacked_json
from localsessions._postgres.schema import NUMBERS
from localsessions._rules.differences import differences
from localsessions._rules.touched import Touched
from localsessions.errors import ChangesExpiredError
from localsessions.models import PlainSummary, SessionChange, TouchedMessage
from localsessions.models.results import checked

__all__ = ["ChangeLog", "packed_differences"]

KEPT = 50_000
_SLACK = 5_000
_LONGEST_WAIT, _PAUSE = 1.0, 0.002

# The first number that may still be missing.
_OPEN = f"(pg_snapshot_xmin(pg_current_snapshot())::text::bigint + s.shift) * {NUMBERS}"
_LAST = """
SELECT max(number) FROM localsessions.changes c WHERE c.store = s.store
"""
_STATE = f"""
SELECT s.begin, ({_LAST} AND number < {_OPEN}), ({_LAST})
FROM localsessions.stores s WHERE s.store = %s
"""
_AFTER = f"""
SELECT s.begin <= %s AND (s.begin = %s OR EXISTS (
    SELECT FROM localsessions.changes c
    WHERE c.store = s.store AND c.number = %s AND c.number < {_OPEN})),
  c.number, c.session_id, c.kind, c.writer = %s, c.seen_at, c.changed
FROM localsessions.stores s LEFT JOIN LATERAL (
  SELECT * FROM localsessions.changes c
  WHERE c.store = s.store AND c.number > %s AND c.number < {_OPEN}
  ORDER BY c.number LIMIT %s
) c ON true
WHERE s.store = %s ORDER BY c.number
"""
_TRIM = """
WITH cut AS (
  SELECT number FROM localsessions.changes WHERE store = %s ORDER BY number DESC OFFSET %s LIMIT 1
), gone AS (
  DELETE FROM localsessions.changes c USING cut WHERE c.store = %s AND c.number <= cut.number
)
UPDATE localsessions.stores s SET begin = greatest(begin, cut.number) FROM cut WHERE s.store = %s
"""
_CLEAR = f"""
WITH gone AS (DELETE FROM localsessions.changes WHERE store = %s)
UPDATE localsessions.stores
SET begin = (pg_current_xact_id()::text::bigint + shift) * {NUMBERS} WHERE store = %s
RETURNING pg_notify(%s, '')
"""


class ChangeLog:
    """The log of one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def state(self) -> tuple[int, bool]:
        """Return the number of the last change, and whether a later one waits for an older."""
        begin, last, newest = self._place.rows(_STATE, self._place.store)[0]
        return max(begin, last or begin), (newest or begin) > (last or begin)

    def last(self) -> int:
        """Return the number of the last change."""
        return self.state()[0]

    def settle(self) -> None:
        """Wait a moment for older transactions, if a change waits for them."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while self.state()[1] and time.monotonic() < deadline:
            time.sleep(_PAUSE)

    def after(self, since: int, limit: int) -> Sequence[SessionChange]:
        """Return the next changes after a given change.

        Raises:
            ChangesExpiredError: The log never gave this number, or no longer knows it.
        """
        if not 0 <= since < 1 << 63:
            raise ChangesExpiredError(since, path=self._place.shown)
        me, store = self._place.writer, self._place.store
        rows = self._place.rows(_AFTER, since, since, since, me, since, limit, store)
        if not rows[0][0]:
            raise ChangesExpiredError(since, path=self._place.shown)
        return [_change(*row[1:]) for row in rows if row[1] is not None]

    def trim(self) -> None:
        """Forget the oldest changes, if there are many more than are kept."""
        query = "SELECT count(*) FROM localsessions.changes WHERE store = %s"
        store = self._place.store
        if self._place.rows(query, store)[0][0] > KEPT + _SLACK:
            self._place.connections.done(
                lambda one: one.execute(_TRIM.encode(), [store, KEPT, store, store])
            )

    def clear(self) -> None:
        """Forget all changes; nobody knows the former numbers any more."""
        store = self._place.store
        values = [store, store, self._place.channel]
        self._place.connections.done(lambda one: one.execute(_CLEAR.encode(), values).fetchall())


def _change(
    number: int, session_id: str, kind: Any, is_own: bool, seen_at: Any, changed: bytes
) -> SessionChange:
    told = unpacked_json(changed)
    touched = told.pop(_MESSAGES, None)
    origin: Any = "this store" if is_own else "another store"
    return SessionChange(
        number=number,
        session_id=session_id,
        kind=kind,
        origin=origin,
        seen_at=seen_at.astimezone(UTC),
        changed={name: (was, now) for name, (was, now) in told.items()},
        messages=None if touched is None else tuple(TouchedMessage(*one) for one in touched),
    )


# No field of a summary has this name.
_MESSAGES = "messages"


def packed_differences(
    was: PlainSummary | None, now: PlainSummary | None, touched: Touched = None
) -> bytes:
    """Return what a change tells, as bytes.

    Args:
        was: What a listing said of the session; None if there was none.
        now: What it says now; None if there is none.
        touched: The messages that the change touched, if they are known.
    """
    told: dict[str, Any] = {**differences(_plain(was), _plain(now))}
    if touched is not None:
        told[_MESSAGES] = [(one.position, one.id, one.what) for one in touched]
    try:
        return orjson.dumps(told)
    except TypeError:  # lone surrogates in a title
        return json.dumps(told).encode()


def _plain(summary: PlainSummary | None) -> Mapping[str, Any]:
    return {} if summary is None else checked(summary).model_dump(mode="json")
