"""FullText: the words of messages, titles and metadata.

``texts`` has a row for each message that has words, and a row with position -1 for the session
itself; each row has a seal, like the rows of the sessions. ``words`` is an FTS5 table of trigrams
without its own content. ``indexed`` says from which version of each session's file the rows were
made.

A flipped bit in the trigrams would hide a hit, and SQLite does not detect it. So a process that
added texts seals all words when it closes the database, and a process that opens the database
checks the seal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar
from zlib import crc32

from localsessions._local.index import schema
from localsessions._local.index.database import Database
from localsessions._rules.texts import SESSION_ITSELF, Text
from localsessions._rules.words import Phrases, fold

__all__ = ["FullText", "TextHit"]

T = TypeVar("T")

# A hit in the title or the metadata says more about a session than a hit in a message.
_OWN_WEIGHT = 2.0
CHECKED_BYTES = 1 << 26
"""Up to this size the words are checked whenever they are opened: 0.1 s at most."""

# The tables in which FTS5 keeps ``words``, https://www.sqlite.org/fts5.html, section 9.
_BLOCKS = (
    "SELECT id, block FROM words_data",
    "SELECT segid, term, pgno FROM words_idx",
    "SELECT id, sz FROM words_docsize",
    "SELECT k, v FROM words_config",
)


class TextHit(NamedTuple):
    """The best hit in one session; ``position`` is None for title and metadata."""

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
        self._database = Database(path, schema.SEARCH_TABLES, schema.SEARCH_VERSION)
        self._is_changed = False

    @property
    def generation(self) -> int:
        """A number that grows whenever texts are lost."""
        return self._database.generation

    def close(self) -> None:
        """Seal changed words, up to ``CHECKED_BYTES``, and close the database."""
        if self._is_changed and self.size_bytes() <= CHECKED_BYTES:
            self._is_changed = False
            self._database.write_last(_seal_whole)
        self._database.close()

    def _unseal(self, db: sqlite3.Connection) -> None:
        db.execute("UPDATE sealed SET checksum = NULL WHERE checksum IS NOT NULL")
        self._is_changed = True

    def ask_while_lost(self, ask: Callable[[], tuple[int | None, T]]) -> T:
        """Call ``ask`` until the database stays complete during the call, see ``Database``."""
        return self._database.ask_while_lost(ask)

    def size_bytes(self) -> int:
        """Return the size of the texts on the disk."""
        return self._database.size_bytes()

    def digests(self) -> dict[str, bytes]:
        """Return, by session id, the hash of the file from which the texts were made.

        Up to ``CHECKED_BYTES`` this also checks the words: 1.5 ms a megabyte.
        """
        is_small = self.size_bytes() <= CHECKED_BYTES

        def read(db: sqlite3.Connection) -> dict[str, bytes]:
            if is_small:
                _refuse_garbled(db)
            return dict(db.execute("SELECT session_id, digest FROM indexed").fetchall())

        return self._database.read(read)

    def digest(self, session_id: str) -> bytes | None:
        """Return the hash of the file from which a session's texts were made."""
        query = "SELECT digest FROM indexed WHERE session_id = ?"

        def read(db: sqlite3.Connection) -> bytes | None:
            found = db.execute(query, [session_id]).fetchone()
            return None if found is None else _blob(found[0])

        return self._database.read(read)

    def put(
        self,
        session_id: str,
        digest: bytes,
        texts: Mapping[int, Text],
        is_current: Callable[[], bool],
    ) -> bool:
        """Replace a session's texts; texts that did not change are not indexed again.

        Args:
            session_id: Which session.
            digest: Hash of the file from which the texts were read.
            texts: The texts of its messages, by position.
            is_current: Called inside the transaction: whether the file is still as it was read.

        Returns:
            False if it is not; then nothing was replaced.
        """

        def write(db: sqlite3.Connection) -> bool:
            if not is_current():
                return False
            self._unseal(db)
            former = {position: (text, row) for row, position, text in _stored(db, session_id)}
            stale = {p for p, (text, _) in former.items() if texts.get(p) != text}
            _remove(db, ((former[p][1], former[p][0].body) for p in stale))
            for position in sorted(texts.keys() - (former.keys() - stale)):
                _add(db, session_id, position, texts[position])
            db.execute("INSERT OR REPLACE INTO indexed VALUES (?, ?)", [session_id, digest])
            return True

        return self._database.write(write)

    def remove(self, session_id: str, is_gone: Callable[[], bool]) -> bool:
        """Delete a session's texts if its file is gone; checked inside the transaction."""

        def write(db: sqlite3.Connection) -> bool:
            if not is_gone():
                return False
            self._unseal(db)
            found = _stored(db, session_id)
            _remove(db, ((row, text.body) for row, _, text in found))
            db.execute("DELETE FROM indexed WHERE session_id = ?", [session_id])
            return True

        return self._database.write(write)

    def search(self, phrases: Phrases) -> Iterator[TextHit | None]:
        """Yield the best hit of each session, the best session first.

        None stands for a session whose texts another process replaced meanwhile: search again.
        """
        ranked = (
            "WITH hits AS MATERIALIZED ("
            " SELECT rowid AS id, bm25(words) AS score FROM words WHERE words MATCH ?) "
            "SELECT texts.session_id, texts.id, "
            " min(hits.score * CASE WHEN texts.position < 0 THEN ? ELSE 1.0 END) AS best "
            "FROM hits LEFT JOIN texts ON texts.id = hits.id "
            "GROUP BY texts.session_id ORDER BY best, texts.session_id"
        )
        values = [phrases.match, _OWN_WEIGHT]

        def read(db: sqlite3.Connection) -> list[tuple[str, int, float]]:
            found = db.execute(ranked, values).fetchall()
            if any(session_id is None for session_id, _, _ in found):
                raise sqlite3.DatabaseError("there are words of a text that is not there")
            return found

        for session_id, row, score in self._database.read(read):
            found = self._body(session_id, row)
            if found is None:
                yield None
            # The text is checked, so that a garbled index cannot invent a hit.
            elif phrases.occurs_in(found[1].body):
                position = None if found[0] == SESSION_ITSELF else found[0]
                yield TextHit(session_id, position, found[1], -score)

    def clear(self) -> None:
        """Delete everything, so that it is read again from the files."""

        def write(db: sqlite3.Connection) -> None:
            self._unseal(db)
            for table in ("indexed", "texts"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
            db.execute("INSERT INTO words (words) VALUES ('delete-all')")
            self._database.lose_rows(db)

        self._database.write(write)

    def _body(self, session_id: str, row: int) -> tuple[int, Text] | None:
        query = "SELECT position, role, body, seal FROM texts WHERE id = ? AND session_id = ?"

        def read(db: sqlite3.Connection) -> tuple[int, Text] | None:
            found = db.execute(query, [row, session_id]).fetchone()
            if found is None:
                return None
            position, role, body, seal = found
            return position, _sealed(session_id, position, role, body, seal)

        return self._database.read(read)


def _stored(db: sqlite3.Connection, session_id: str) -> list[tuple[int, int, Text]]:
    """Return (row, position, text) for each text of a session."""
    query = "SELECT id, position, role, body, seal FROM texts WHERE session_id = ?"
    return [
        (row, position, _sealed(session_id, position, role, body, seal))
        for row, position, role, body, seal in db.execute(query, [session_id]).fetchall()
    ]


def _refuse_garbled(db: sqlite3.Connection) -> None:
    # Since SQLite 3.44 the check goes through the words too, but by what FTS5 remembers of them: of
    # words that another process replaced it would say that they are damaged. A query renews that.
    db.execute("SELECT rowid FROM words LIMIT 1").fetchone()
    (verdict,) = db.execute("PRAGMA integrity_check (1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    sealed = db.execute("SELECT checksum FROM sealed").fetchall()
    if len(sealed) != 1 or (sealed[0][0] is not None and sealed[0][0] != _checksum(db)):
        raise sqlite3.DatabaseError("the words are not those that were put in")


def _seal_whole(db: sqlite3.Connection) -> None:
    db.execute("UPDATE sealed SET checksum = ?", [_checksum(db)])


def _checksum(db: sqlite3.Connection) -> int:
    found = 0
    for query in _BLOCKS:
        for row in db.execute(query):
            for value in row:
                found = crc32(value if isinstance(value, bytes) else repr(value).encode(), found)
    return found


def _add(db: sqlite3.Connection, session_id: str, position: int, text: Text) -> None:
    role = None if text.role is None else _bytes(text.role)
    place = session_id, position, role, _bytes(text.body)
    row = db.execute(
        "INSERT INTO texts (session_id, position, role, body, seal) VALUES (?, ?, ?, ?, ?)",
        [*place, schema.seal_of_text(*place)],
    )
    db.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", [row.lastrowid, _folded(text.body)])


def _remove(db: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> None:
    for row, body in rows:
        # A table without content needs the old text to delete it.
        values = [row, _folded(body)]
        db.execute("INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)", values)
        db.execute("DELETE FROM texts WHERE id = ?", [row])


def _folded(text: str) -> str:
    return fold(text).encode("utf-8", "replace").decode()


# Blobs, because a message may contain lone surrogates, which SQLite's texts cannot store.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _sealed(session_id: str, position: int, role: object, body: object, seal: int) -> Text:
    """Return a text after its seal is checked.

    Raises:
        sqlite3.DatabaseError: The text is garbled.
    """
    read = None if role is None else _blob(role), _blob(body)
    if seal != schema.seal_of_text(session_id, position, *read):
        raise sqlite3.DatabaseError(f"the text {position} of {session_id!r} is garbled")
    role_text, body_text = (part and part.decode("utf-8", "surrogatepass") for part in read)
    return Text(role_text or None, body_text or "")


def _blob(value: object) -> bytes:
    # A flipped bit can turn a blob into a text or a number.
    if not isinstance(value, bytes):
        raise sqlite3.DatabaseError("a blob of the index is garbled")
    return value
