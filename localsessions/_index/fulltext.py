"""FullText: the words of messages, titles and metadata.

A row of ``texts`` for each message that has words, and one with position -1 for the session
itself; ``words`` is an FTS5 table of trigrams without content of its own, ``indexed`` says which
version of each session's file the rows were made from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from localsessions._index.database import Database
from localsessions._index.words import Query, fold

__all__ = ["SESSION_ITSELF", "FullText", "Text", "TextHit"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE indexed (session_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE texts (
  id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, position INTEGER NOT NULL,
  role BLOB, body BLOB NOT NULL
);
CREATE UNIQUE INDEX by_place ON texts (session_id, position);
CREATE VIRTUAL TABLE words USING fts5 (body, content = '', tokenize = 'trigram')
"""
SESSION_ITSELF = -1
# A hit in the title or the metadata says more about a session than one in a message.
_OWN_WEIGHT = 2.0


class Text(NamedTuple):
    """What one message says; ``role`` is None for title and metadata."""

    role: str | None
    body: str


class TextHit(NamedTuple):
    """The best place of one session; ``position`` is None for title and metadata."""

    session_id: str
    position: int | None
    text: Text
    score: float


class FullText:
    """The searchable texts of one store.

    Args:
        path: The database; None keeps it in memory.
    """

    def __init__(self, path: str | None) -> None:
        self._database = Database(path, _SCHEMA, _SCHEMA_VERSION)

    @property
    def generation(self) -> int:
        """Grows whenever texts were lost."""
        return self._database.generation

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def size_bytes(self) -> int:
        """Return what the texts take on the disk."""
        return self._database.size_bytes()

    def caught_up_to(self) -> tuple[str, int]:
        """Return the epoch and the change number of the index that the texts agree with."""

        def read(db: sqlite3.Connection) -> tuple[str, int]:
            found = dict(db.execute("SELECT key, value FROM meta").fetchall())
            return str(found.get("epoch", "")), int(found.get("change", 0))

        return self._database.run(read)

    def set_caught_up_to(self, epoch: str, change: int) -> None:
        """Record which state of the index the texts agree with."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                pairs = [("epoch", epoch), ("change", change)]
                db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)

        self._database.run(write)

    def digests(self) -> dict[str, bytes]:
        """Return, by session id, the hash of the file that its texts were made from."""
        query = "SELECT session_id, digest FROM indexed"
        return self._database.run(lambda db: dict(db.execute(query).fetchall()))

    def digest(self, session_id: str) -> bytes | None:
        """Return the hash of the file that a session's texts were made from."""
        query = "SELECT digest FROM indexed WHERE session_id = ?"

        def read(db: sqlite3.Connection) -> bytes | None:
            found = db.execute(query, [session_id]).fetchone()
            return None if found is None else bytes(found[0])

        return self._database.run(read)

    def put(self, session_id: str, digest: bytes, texts: Mapping[int, Text]) -> None:
        """Replace a session's texts; those that stayed the same are not indexed again."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                query = "SELECT position, role, body, id FROM texts WHERE session_id = ?"
                former = {
                    position: (_text(role, body), row)
                    for position, role, body, row in db.execute(query, [session_id])
                }
                stale = {p for p, (text, _) in former.items() if texts.get(p) != text}
                _remove(db, ((former[p][1], former[p][0].body) for p in stale))
                for position in sorted(texts.keys() - (former.keys() - stale)):
                    _add(db, session_id, position, texts[position])
                db.execute("INSERT OR REPLACE INTO indexed VALUES (?, ?)", [session_id, digest])

        self._database.run(write)

    def remove(self, session_id: str) -> None:
        """Forget a session's texts."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                query = "SELECT id, role, body FROM texts WHERE session_id = ?"
                found = db.execute(query, [session_id]).fetchall()
                _remove(db, ((row, _text(role, body).body) for row, role, body in found))
                db.execute("DELETE FROM indexed WHERE session_id = ?", [session_id])

        self._database.run(write)

    def search(self, query: Query) -> Iterator[TextHit]:
        """Yield the best hit of each session, the best session first."""
        ranked = (
            "WITH hits AS MATERIALIZED ("
            " SELECT rowid AS id, bm25(words) AS score FROM words WHERE words MATCH ?) "
            "SELECT texts.session_id, texts.id, "
            " min(hits.score * CASE WHEN texts.position < 0 THEN ? ELSE 1.0 END) AS best "
            "FROM hits JOIN texts ON texts.id = hits.id "
            "GROUP BY texts.session_id ORDER BY best, texts.session_id"
        )
        values = [query.match, _OWN_WEIGHT]
        for session_id, row, score in self._database.run(
            lambda db: db.execute(ranked, values).fetchall()
        ):
            found = self._body(row)
            # Looked at again, so that a garbled index cannot invent a hit.
            if found is not None and query.places(found[1].body)[1]:
                position = None if found[0] == SESSION_ITSELF else found[0]
                yield TextHit(session_id, position, found[1], -score)

    def clear(self) -> None:
        """Forget everything, so that it is read anew from the files."""

        def write(db: sqlite3.Connection) -> None:
            with self._database.writing(db):
                for table in ("meta", "indexed", "texts"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608
                db.execute("INSERT INTO words (words) VALUES ('delete-all')")

        self._database.run(write)

    def _body(self, row: int) -> tuple[int, Text] | None:
        query = "SELECT position, role, body FROM texts WHERE id = ?"

        def read(db: sqlite3.Connection) -> tuple[int, Text] | None:
            found = db.execute(query, [row]).fetchone()
            return None if found is None else (found[0], _text(found[1], found[2]))

        return self._database.run(read)


def _add(db: sqlite3.Connection, session_id: str, position: int, text: Text) -> None:
    values = [session_id, position, text.role and _bytes(text.role), _bytes(text.body)]
    row = db.execute(
        "INSERT INTO texts (session_id, position, role, body) VALUES (?, ?, ?, ?)", values
    )
    db.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", [row.lastrowid, _folded(text.body)])


def _remove(db: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> None:
    for row, body in rows:
        # A table without content must be told what it once was given.
        values = [row, _folded(body)]
        db.execute("INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)", values)
        db.execute("DELETE FROM texts WHERE id = ?", [row])


def _folded(text: str) -> str:
    return fold(text).encode("utf-8", "replace").decode()


# Blobs, because SQLite's texts cannot hold the lone surrogates that a message may.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(role: bytes | None, body: bytes) -> Text:
    read = [part and bytes(part).decode("utf-8", "surrogatepass") for part in (role, body)]
    return Text(read[0] or None, read[1] or "")
