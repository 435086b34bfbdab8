"""Reading a session: all of it, its end, or only what is around its messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localsessions._postgres.connections import Connection, execute
from localsessions._postgres.place import Place
from localsessions._postgres.row import Stored, session_of, unpack
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import PlainSummary, Session

__all__ = ["Reader"]

_HEAD = "session_id, no, version, before, after, proven, told, message_count, size_bytes"
_FROM = "FROM localsessions.sessions s WHERE store = %s AND session_id = %s"
_BODIES = "SELECT body FROM localsessions.messages m WHERE m.no = s.no"
_WHOLE = f"""
SELECT {_HEAD}, 0,
  CASE WHEN size_bytes <= %s THEN ARRAY({_BODIES} ORDER BY position) END {_FROM}
"""
_ALONE = f"SELECT {_HEAD}, message_count, '{{}}'::bytea[] {_FROM}"
_MANY = f"""
SELECT {_HEAD}, message_count, '{{}}'::bytea[] FROM localsessions.sessions
WHERE store = %s AND session_id = ANY (%s::text[])
"""
_LAST = f"""
SELECT {_HEAD}, greatest(message_count - %s, 0),
  ARRAY({_BODIES} AND position >= message_count - %s ORDER BY position) {_FROM}
"""
_RUN = f"""
SELECT {_HEAD}, begin, ARRAY({_BODIES} AND position >= begin ORDER BY position)
FROM (
  SELECT s.*, coalesce(
    (SELECT min(position) FROM localsessions.messages m WHERE m.no = s.no AND m.run = %s),
    message_count) AS begin
  {_FROM}
) s
"""


class Reader:
    """Reads the sessions of one store. Each answer is of one moment."""

    def __init__(self, place: Place) -> None:
        self._place = place

    # -- for callers ---------------------------------------------------------------------------

    def session(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionNotFoundError, UnreadableSessionError: As ``Engine.read``.
        """
        return session_of(self.whole(session_id), self._place.location(session_id))

    def whole(self, session_id: str) -> Stored:
        """Return a session with all messages."""
        path = self._place.location(session_id)
        values = [self._place.most_bytes, self._place.store, session_id]
        return self._stored(self._place.rows(_WHOLE, *values), session_id, path)

    def tail(self, session_id: str, n: int) -> Session:
        """Return a session with its last messages."""
        path = self._place.location(session_id)
        found = self._place.rows(_LAST, n, n, self._place.store, session_id)
        session = session_of(self._stored(found, session_id, path), path)
        session.messages = session.messages[-n:]
        return session

    def summary(self, session_id: str) -> PlainSummary | None:
        """Return what a listing says of a session; None if it does not exist."""
        self._place.location(session_id)
        found = self._place.rows(f"SELECT told {_FROM}", self._place.store, session_id)
        return unpack(found[0][0])[0] if found else None

    # -- inside a transaction ------------------------------------------------------------------

    def whole_in(self, connection: Connection, session_id: str) -> Stored:
        """Return a session with all messages."""
        values = [self._place.most_bytes, self._place.store, session_id]
        return self._in(connection, session_id, _WHOLE, values)

    def alone_in(self, connection: Connection, session_id: str) -> Stored:
        """Return a session without its messages."""
        return self._in(connection, session_id, _ALONE, [self._place.store, session_id])

    def many_in(self, connection: Connection, session_ids: Sequence[str]) -> dict[str, Stored]:
        """Return those of some sessions that exist, without their messages."""
        rows = execute(connection, _MANY, [self._place.store, [*session_ids]]).fetchall()
        return {row[0]: self._stored([row], row[0], "") for row in rows}

    def run_in(self, connection: Connection, session_id: str, run: bytes) -> Stored:
        """Return a session with the messages from the first one of a run on."""
        return self._in(connection, session_id, _RUN, [run, self._place.store, session_id])

    def _in(
        self, connection: Connection, session_id: str, query: str, values: Sequence[object]
    ) -> Stored:
        path = self._place.location(session_id)
        return self._stored(execute(connection, query, values).fetchall(), session_id, path)

    def _stored(self, rows: Sequence[tuple[Any, ...]], session_id: str, path: str) -> Stored:
        if not rows:
            raise SessionNotFoundError(session_id, path=self._place.shown)
        _, no, version, before, after, proven, told, count, size_bytes, first, bodies = rows[0]
        if bodies is None:
            reason = f"it takes {size_bytes} bytes, and at most {self._place.most_bytes} are read"
            raise UnreadableSessionError(session_id, reason, path=path)
        if not after:
            first, bodies = 0, ()  # not laid out in parts: all of it is here
        elif first + len(bodies) != count:
            reason = f"it has {count} messages, and {first + len(bodies)} of them are there"
            raise UnreadableSessionError(session_id, reason, path=path)
        around = (before, after, proven)
        return Stored(session_id, no, version, *around, *unpack(told), first, tuple(bodies))
