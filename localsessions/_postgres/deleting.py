"""Deleting and restoring sessions: their rows stay where they are, and only one moves.

Messages, texts and checkpoints hang on the number of a session, which it keeps in the trash.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from pydantic import JsonValue

from localsessions._codec.names import is_session_id
from localsessions._postgres.changelog import packed_differences
from localsessions._postgres.committing import Committing
from localsessions._postgres.connections import Connection, commit, execute
from localsessions._postgres.place import Place
from localsessions._postgres.reading import Reader
from localsessions._postgres.row import joined, session_of, unpack, unpacked_json
from localsessions._postgres.statements import DELETE, RESTORE
from localsessions._postgres.writing import Held, Writer
from localsessions.engine import Allows
from localsessions.errors import SessionNotFoundError
from localsessions.models import Deletion, PlainSummary, Session, TrashedSession, place_of
from localsessions.models.results import checked

__all__ = ["Due", "Trash", "deletion_of", "packed_place", "packed_source"]


class Due(NamedTuple):
    """A session that is to go.

    Attributes:
        session_id: Which session.
        version: The version that goes.
        summary: What a listing says of it.
        source: Where it came from, packed.
        act: What its deletion is called in the log of changes.
    """

    session_id: str
    version: UUID
    summary: PlainSummary
    source: bytes
    act: UUID


_FOUND = """
SELECT version, told, before, after FROM localsessions.sessions
WHERE store = %s AND session_id = %s
"""
_ITEMS = """
SELECT session_id, deleted_at, size_bytes FROM localsessions.trash
WHERE store = %s ORDER BY deletion DESC
"""
_LAST = """
SELECT deletion, told FROM localsessions.trash
WHERE store = %s AND session_id = %s ORDER BY deletion DESC LIMIT 1
"""
_PURGE = """
WITH gone AS (
  DELETE FROM localsessions.trash WHERE store = %s AND deleted_at <= %s
  RETURNING no, session_id, deleted_at, size_bytes, deletion
), messages AS (
  DELETE FROM localsessions.messages m USING gone g WHERE m.no = g.no
), texts AS (
  DELETE FROM localsessions.texts t USING gone g WHERE t.no = g.no
), checkpoints AS (
  DELETE FROM localsessions.checkpoints c USING gone g WHERE c.no = g.no
)
SELECT session_id, deleted_at, size_bytes FROM gone ORDER BY deletion DESC
"""
_DELETIONS = """
SELECT session_id, source, deleted_at, moved_to FROM localsessions.deletions
WHERE store = %s AND session_id = ANY (%s::text[]) ORDER BY deleted_at, deletion
"""
_FORGET = """
DELETE FROM localsessions.deletions d WHERE store = %s
  AND NOT EXISTS (SELECT FROM localsessions.trash t WHERE t.deletion = d.deletion)
"""


class Trash:
    """The trash of one store."""

    def __init__(self, place: Place, reader: Reader, writer: Writer) -> None:
        self._place = place
        self._reader = reader
        self._writer = writer
        self._committing: Committing = writer.committing

    # -- deleting ------------------------------------------------------------------------------

    def delete(self, held: Held, allows: Allows) -> bool:
        """Move a session to the trash; False if it is absent or stays."""
        due = self.due_in(held.connection, held.session_id, allows)
        if due is None:
            return False
        with self._committing.settling(held.session_id, due.act):
            is_gone = self.put(held.connection, due)
            commit(held.connection)
        return is_gone

    def due_in(self, connection: Connection, session_id: str, allows: Allows) -> Due | None:
        """Return a session that is to go; None if it is absent or stays."""
        found = execute(connection, _FOUND, [self._place.store, session_id]).fetchall()
        if not found:
            return None
        version, told, before, after = found[0]
        summary, _ = unpack(told)
        if not allows(checked(summary)):
            return None
        return Due(session_id, version, summary, packed_place(before, after), uuid4())

    def put(self, connection: Connection, due: Due, number: int = 0) -> bool:
        """Move a version of a session to the trash; tell whether it was there."""
        changed = packed_differences(due.summary, None)
        logged = self._committing.logged(number, due.session_id, "deleted", due.act, changed)
        values = [self._place.store, due.session_id, due.version, due.source, *logged]
        return bool(execute(connection, DELETE, values).fetchall())

    # -- restoring -----------------------------------------------------------------------------

    def restore(self, held: Held) -> Session:
        """Bring the session back that was deleted last under that id, and return it.

        Raises:
            SessionNotFoundError, SessionExistsError: As ``Engine.restore``.
        """
        session_id, connection = held
        values = [self._place.store, session_id]
        found = execute(connection, _LAST, values).fetchall()
        if not found:
            path = self._place.shown
            raise SessionNotFoundError(session_id, path=path, what="a deleted session")
        self._writer.refuse_twin(held)
        deletion, told = found[0]
        act, changed = uuid4(), packed_differences(None, unpack(told)[0])
        logged = self._committing.logged(0, session_id, "created", act, changed)
        with self._committing.settling(session_id, act):
            execute(connection, RESTORE, [deletion, deletion, *logged])
            stored = self._reader.whole_in(connection, session_id)
            commit(connection)
        return session_of(stored, self._place.location(session_id))

    # -- removing for good ---------------------------------------------------------------------

    def items(self) -> Sequence[TrashedSession]:
        """Return what can be restored, the last deleted first."""
        return [self._item(*row) for row in self._place.rows(_ITEMS, self._place.store)]

    def empty(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        """Remove for good what was deleted at an instant of this machine, or earlier."""
        asked_at = datetime.now(UTC)  # before the question: so nothing that is due is left
        server = self._place.rows("SELECT clock_timestamp()")[0][0]
        try:
            until = deleted_until + (server - asked_at)
        except OverflowError:
            until = deleted_until
        values = [self._place.store, until]
        rows = self._place.connections.done(lambda one: execute(one, _PURGE, values).fetchall())
        return [self._item(*row) for row in rows]

    def _item(self, session_id: str, deleted_at: Any, size_bytes: int) -> TrashedSession:
        path = self._place.location(session_id)
        return TrashedSession(session_id, deleted_at.astimezone(UTC), size_bytes, path)

    # -- what was deleted ----------------------------------------------------------------------

    def deletions(self, session_ids: Collection[str]) -> Sequence[Deletion]:
        """Return each deletion of some sessions, the first first."""
        chosen = sorted(filter(is_session_id, session_ids))
        rows = self._place.rows(_DELETIONS, self._place.store, chosen)
        return [deletion_of(*row) for row in rows]

    def forget(self) -> None:
        """Forget the deletions of what was removed for good."""
        values = [self._place.store]
        self._place.connections.done(lambda one: execute(one, _FORGET, values))


def deletion_of(
    session_id: str, source: bytes, deleted_at: datetime, moved_to: bytes | None
) -> Deletion:
    """Return a deletion of its row."""
    where = None if moved_to is None else moved_to.decode("utf-8", "surrogatepass")
    return Deletion(session_id, unpacked_json(source), deleted_at.astimezone(UTC), where)


def packed_place(before: bytes, after: bytes) -> bytes:
    """Return where a session came from, of the bytes around its messages; nothing if unreadable."""
    try:
        source = unpacked_json(joined(before, (), after)).get("source")
    except ValueError:
        source = None
    return packed_source(place_of(source if isinstance(source, dict) else {}))


def packed_source(source: Mapping[str, JsonValue]) -> bytes:
    """Return where a session came from, as bytes."""
    try:
        return orjson.dumps(source)
    except TypeError:  # lone surrogates, or a long number
        return json.dumps(source).encode()
