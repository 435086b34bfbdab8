"""FullText: the words of messages, titles and metadata.

``texts`` has a row for each message that has words, and a row with position -1 for the session
itself; each row has a seal, like the rows of the sessions. ``words`` is an FTS5 table without its
own content, with a column for each place where words stand. ``indexed`` says from which version of
each session's file the rows were made. ``adding`` fills these tables, ``hits`` asks them, and
``vocabulary`` says which other words may be meant.

A flipped bit in the words would hide a hit, and SQLite does not detect it. So a process that added
texts seals all words when it closes the database, and a process that opens the database checks the
seal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar
from zlib import crc32

from localsessions._local.index import schema
from localsessions._local.index.adding import Adding, NewTexts
from localsessions._local.index.database import Database
from localsessions._local.index.hits import Hits, Meant, TextHit
from localsessions._local.index.text_row import blob_of, stored_texts
from localsessions._local.index.vocabulary import learn_all
from localsessions._local.index.wear import forget_gone, is_worn, merge
from localsessions._rules.question import Question
from localsessions._rules.texts import Text

__all__ = ["FullText", "NewTexts"]

T = TypeVar("T")
CHECKED_BYTES = 1 << 26
"""Up to this size the words are checked whenever they are opened: 0.1 s at most."""

# The tables in which FTS5 keeps its words, https://www.sqlite.org/fts5.html, section 9.
_BLOCKS = (
    "SELECT id, block FROM words_data",
    "SELECT segid, term, pgno FROM words_idx",
    "SELECT id, sz FROM words_docsize",
    "SELECT k, v FROM words_config",
    "SELECT id, term FROM terms",
    "SELECT session_id, digest, active_at FROM indexed",
    "SELECT id, block FROM parts_data",
    "SELECT segid, term, pgno FROM parts_idx",
    "SELECT id, sz FROM parts_docsize",
    "SELECT k, v FROM parts_config",
)


# How much of the words FTS5 gathers in memory before it writes them: 1 MB without this. It writes
# and merges less. https://github.com/sqlite/sqlite/blob/master/ext/fts5/fts5_config.c knows the
# option, the documents do not.
_GATHERED = ("hashsize", 4 << 20)


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

    def digests_of(self, session_ids: Sequence[str]) -> dict[str, bytes]:
        """Return, of these sessions, what ``digests`` returns; nothing is checked."""
        query = "SELECT session_id, digest FROM indexed WHERE session_id = ?"

        def read(db: sqlite3.Connection) -> dict[str, bytes]:
            rows = [row for one in session_ids for row in db.execute(query, [one])]
            return {session_id: blob_of(digest) for session_id, digest in rows}

        return self._database.read(read)

    def put(self, read: Sequence[NewTexts], *, is_learning: bool = True) -> list[str]:
        """Replace the texts of sessions, in one transaction; what did not change stays.

        Without ``is_learning``, parts of new words are found only after ``learn``, and the texts
        of one session quickly only after ``end_filling``.

        Returns:
            The sessions whose files are no longer as they were read: nothing of them was replaced.
            See ``Adding.replace``.
        """

        def write(db: sqlite3.Connection) -> tuple[list[str], bool]:
            self._unseal(db)
            if not is_learning:
                _gather(db)
            overtaken = Adding(db, is_learning=is_learning).replace(read)
            return overtaken, is_worn(db)

        overtaken, is_worn_now = self._database.write(write)
        if is_worn_now:
            self._merge()
        return overtaken

    def _merge(self) -> None:
        """Take out what words of removed texts take, in short transactions."""
        is_first = True

        def write(db: sqlite3.Connection) -> bool:
            self._unseal(db)
            return merge(db, is_first=is_first)

        while self._database.write(write):
            is_first = False
        self._database.write(forget_gone)

    def learn(self, refuse_unwanted: Callable[[], None] = lambda: None) -> None:
        """See to it that parts of all words are found.

        Args:
            refuse_unwanted: Called now and then; if it raises, nothing is learnt.
        """
        asked = "SELECT learned FROM sealed"
        if self._database.read(lambda db: db.execute(asked).fetchone()) != (1,):
            self._database.write(partial(learn_all, refuse_unwanted=refuse_unwanted))

    def end_filling(self) -> None:
        """See to it that the texts of one session are found quickly, after all are put in."""
        asked = "SELECT count(*) FROM sqlite_master WHERE name = 'by_place'"
        if self._database.read(lambda db: db.execute(asked).fetchone()) != (1,):
            self._database.write(lambda db: db.execute(schema.BY_PLACE))

    def search(
        self,
        question: Question,
        meant: Meant | None = None,
        refuse_unwanted: Callable[[], None] = lambda: None,
    ) -> Iterator[TextHit | None]:
        """Yield the best hit of each session, the best session first; see ``hits``.

        None stands for a session whose texts another process replaced meanwhile: search again.

        Args:
            question: What is asked; it has words.
            meant: Which sessions are asked for; None means all.
            refuse_unwanted: Called between the steps; it may end the search by raising.
        """
        learn = partial(self.learn, refuse_unwanted)
        return iter(Hits(self._database, question, meant, learn, refuse_unwanted))

    def occurs(
        self, question: Question, session_id: str, refuse_unwanted: Callable[[], None]
    ) -> bool:
        """Tell whether a text of a session has the words of a question, as they are."""
        hits = Hits(self._database, question, None, self.learn, refuse_unwanted)
        return hits.occurs_in(session_id)

    def around(self, session_id: str, position: int, count: int) -> dict[int, Text]:
        """Return the texts of a message and its neighbours, by position.

        Args:
            session_id: The session.
            position: The message.
            count: How many messages before it, and how many after it.
        """
        where = "session_id = ? AND position BETWEEN ? AND ?"
        values = [session_id, max(0, position - count), position + count]
        found = self._database.read(lambda db: stored_texts(db, where, values))
        return {one.position: one.text for one in found}

    def clear(self) -> None:
        """Delete everything, so that it is read again from the files."""

        def write(db: sqlite3.Connection) -> None:
            self._unseal(db)
            for table in ("indexed", "texts", "blocks", "terms"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
            db.execute("INSERT INTO words (words) VALUES ('delete-all')")
            db.execute("INSERT INTO parts (parts) VALUES ('delete-all')")
            self._database.lose_rows(db)

        self._database.write(write)


def _gather(db: sqlite3.Connection) -> None:
    """Have FTS5 gather more words in memory; one that cannot be told so takes longer."""
    name, size_bytes = _GATHERED
    (is_told,) = db.execute("SELECT count(*) FROM words_config WHERE k = ?", [name]).fetchone()
    if is_told:
        return
    try:
        db.execute("INSERT INTO words (words, rank) VALUES (?, ?)", [name, size_bytes])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_ERROR":
            raise


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
