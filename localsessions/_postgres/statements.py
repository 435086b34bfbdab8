"""The statements that write a session; each is one, so a version is there whole or not at all."""

from __future__ import annotations

from localsessions._postgres.row import COLUMNS
from localsessions._postgres.schema import NUMBERS

__all__ = ["ARE_LOGGED", "DELETE", "INSERT", "LEAVE", "RESTORE", "TERMS", "UPDATE"]

_NUMBER = f"(pg_current_xact_id()::text::bigint + s.shift) * {NUMBERS}"

_INSERTED = f"""
INSERT INTO localsessions.sessions
  (store, session_id, folded, version, texts, words, {", ".join(COLUMNS)})
VALUES (%s, %s, %s, %s, %s, %s, {", ".join(["%s"] * len(COLUMNS))})
ON CONFLICT DO NOTHING RETURNING no
"""
_UPDATED = f"""
UPDATE localsessions.sessions SET version = %s, texts = texts + %s, words = words + %s,
  {", ".join(f"{name} = %s" for name in COLUMNS)}
WHERE store = %s AND session_id = %s AND version = %s RETURNING no
"""

# The same statement may not remove a row and insert it again, so those that differ are replaced.
_ROWS = """
, gone AS (
  DELETE FROM localsessions.messages m USING written w WHERE m.no = w.no AND m.position >= %s
), quiet AS (
  DELETE FROM localsessions.texts t USING written w
  WHERE t.no = w.no AND t.position = ANY (%s::int[])
), said AS (
  INSERT INTO localsessions.messages (no, position, run, body)
  SELECT w.no, m.* FROM written w, unnest(%s::int[], %s::bytea[], %s::bytea[]) m
  ON CONFLICT (no, position) DO UPDATE SET run = excluded.run, body = excluded.body
), found AS (
  INSERT INTO localsessions.texts (no, position, role, said, beside, size, words)
  SELECT w.no, t.at, t.role, t.said, t.beside, t.size, string_to_array(t.words, ' ')
  FROM written w, unnest(
    %s::int[], %s::bytea[], %s::text[], %s::text[], %s::int[], %s::text[]
  ) t (at, role, said, beside, size, words)
  ON CONFLICT (no, position) DO UPDATE SET role = excluded.role, said = excluded.said,
    beside = excluded.beside, size = excluded.size, words = excluded.words
)
"""
_LOGGED = f"""
, logged AS (
  INSERT INTO localsessions.changes
    (store, number, session_id, kind, act, writer, seen_at, changed)
  SELECT s.store, {_NUMBER} + %s, %s, %s, %s, %s, clock_timestamp(), %s
  FROM localsessions.stores s, written WHERE s.store = %s
)
SELECT pg_notify(%s, '') FROM written
"""

INSERT = f"WITH written AS ({_INSERTED}) {_ROWS} {_LOGGED}"
"""Stores a new session, unless there is one of that id or of one that is spelled alike."""

UPDATE = f"WITH written AS ({_UPDATED}) {_ROWS} {_LOGGED}"
"""Stores a session over exactly one version of it."""

_SAME = (
    *("store", "session_id", "folded", "no", "version", "texts", "words"),
    *COLUMNS,
)
_FIELDS = ", ".join(_SAME)

DELETE = f"""
WITH written AS (
  DELETE FROM localsessions.sessions WHERE store = %s AND session_id = %s AND version = %s
  RETURNING {_FIELDS}
), noted AS (
  INSERT INTO localsessions.deletions (store, session_id, source, deleted_at)
  SELECT store, session_id, %s, clock_timestamp() FROM written RETURNING deletion, deleted_at
), kept AS (
  INSERT INTO localsessions.trash ({_FIELDS}, deletion, deleted_at)
  SELECT {", ".join(f"w.{name}" for name in _SAME)}, n.deletion, n.deleted_at
  FROM written w, noted n
) {_LOGGED}
"""
"""Moves exactly one version of a session to the trash."""

RESTORE = f"""
WITH forgotten AS (
  DELETE FROM localsessions.deletions WHERE deletion = %s
), taken AS (
  DELETE FROM localsessions.trash WHERE deletion = %s RETURNING {_FIELDS}
), written AS (
  INSERT INTO localsessions.sessions ({_FIELDS}) SELECT {_FIELDS} FROM taken
  RETURNING no
) {_LOGGED}
"""
"""Brings a session back from the trash."""

LEAVE = f"""
WITH written AS (
  DELETE FROM localsessions.sessions WHERE no = %s AND version = %s
  RETURNING store, session_id, no
), messages AS (
  DELETE FROM localsessions.messages m USING written w WHERE m.no = w.no
), texts AS (
  DELETE FROM localsessions.texts t USING written w WHERE t.no = w.no
), checkpoints AS (
  DELETE FROM localsessions.checkpoints c USING written w WHERE c.no = w.no
), noted AS (
  INSERT INTO localsessions.deletions (store, session_id, source, deleted_at, moved_to)
  SELECT store, session_id, %s, clock_timestamp(), %s FROM written
) {_LOGGED}
"""
"""Removes exactly one version of a session for good: it was moved."""

TERMS = """
INSERT INTO localsessions.terms (store, term, parts)
SELECT %s, t.term, string_to_array(t.parts, ' ')
FROM unnest(%s::text[], %s::text[]) t (term, parts) ON CONFLICT DO NOTHING
"""

ARE_LOGGED = "SELECT act FROM localsessions.changes WHERE store = %s AND act = ANY (%s::uuid[])"
