"""Checkpoints: immutable snapshots, in the order in which they were saved."""

from __future__ import annotations

from collections.abc import Sequence

from localsessions._codec import checkpoint
from localsessions._codec.names import checkpoint_id_taken
from localsessions._postgres.connections import commit, execute
from localsessions._postgres.place import Place
from localsessions._postgres.writing import Held, Writer
from localsessions.errors import SessionNotFoundError
from localsessions.models import Checkpoint

__all__ = ["Checkpoints"]

_OF = """
FROM localsessions.checkpoints c JOIN localsessions.sessions s ON s.no = c.no
WHERE s.store = %s AND s.session_id = %s
"""
_SAVE = """
INSERT INTO localsessions.checkpoints (no, checkpoint_id, data)
SELECT no, %s, %s FROM localsessions.sessions WHERE store = %s AND session_id = %s
ON CONFLICT (no, checkpoint_id) DO UPDATE SET data = excluded.data
  WHERE checkpoints.data = excluded.data RETURNING seq
"""
"""Saved again after an answer that was lost, it is the same; another one of that id stays."""
_IS_THERE = f"SELECT 1 {_OF} AND c.checkpoint_id = %s"
_IDS = f"SELECT c.checkpoint_id {_OF} ORDER BY c.seq DESC"
_ONE = f"""
SELECT c.data {_OF} AND (%s::bytea IS NULL OR c.checkpoint_id = %s) ORDER BY c.seq DESC LIMIT 1
"""
_DELETE = """
DELETE FROM localsessions.checkpoints c USING localsessions.sessions s
WHERE s.no = c.no AND s.store = %s AND s.session_id = %s
  AND (%s::bytea IS NULL OR c.checkpoint_id = %s)
RETURNING c.seq
"""


class Checkpoints:
    """The checkpoints of one store."""

    def __init__(self, place: Place, writer: Writer) -> None:
        self._place = place
        self._writer = writer

    def save(self, made: Checkpoint) -> None:
        """Store a snapshot; see ``Engine.save_checkpoint``."""
        data, session_id = checkpoint.encode(made), made.session_id
        self._place.refuse_large(session_id, len(data))
        values = [_bytes_of(made.checkpoint_id), data, self._place.store, session_id]

        def save(held: Held) -> None:
            if not execute(held.connection, _SAVE, values).fetchall():
                if execute(held.connection, _IS_THERE, [*values[2:], values[0]]).fetchall():
                    raise checkpoint_id_taken(made.checkpoint_id)
                raise SessionNotFoundError(session_id, path=self._place.location(session_id))
            commit(held.connection)

        self._place.location(session_id)
        self._writer.held(session_id, save)

    def ids(self, session_id: str) -> Sequence[str]:
        """Return the ids of the checkpoints of a session, the last saved first."""
        self._place.location(session_id)
        rows = self._place.rows(_IDS, self._place.store, session_id)
        return [data.decode("utf-8", "surrogatepass") for (data,) in rows]

    def load(self, session_id: str, checkpoint_id: str | None) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved."""
        path = self._place.location(session_id)
        key = _bytes_of(checkpoint_id)
        rows = self._place.rows(_ONE, self._place.store, session_id, key, key)
        if not rows:
            what = f"a checkpoint {checkpoint_id!r} of session" if checkpoint_id else _ANY
            raise SessionNotFoundError(session_id, path=self._place.shown, what=what)
        return checkpoint.decode(rows[0][0], session_id, path)

    def delete(self, session_id: str, checkpoint_id: str | None) -> int:
        """Remove a checkpoint for good, or all if None; return how many."""
        self._place.location(session_id)
        key = _bytes_of(checkpoint_id)
        values = [self._place.store, session_id, key, key]

        def delete(held: Held) -> int:
            count = len(execute(held.connection, _DELETE, values).fetchall())
            commit(held.connection)
            return count

        return self._writer.held(session_id, delete)


def _bytes_of(checkpoint_id: str | None) -> bytes | None:
    return None if checkpoint_id is None else checkpoint_id.encode("utf-8", "surrogatepass")


_ANY = "a checkpoint of"
