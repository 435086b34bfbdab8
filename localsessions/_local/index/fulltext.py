"""FullText: the words of messages, titles and metadata.

``texts`` has a row for each message that has words, and a row with position -1 for the session
itself; each row has a seal, like the rows of the sessions. ``words`` is an FTS5 table without its
own content, with a column for each place where words stand. ``indexed`` says from which version of
each session's file the rows were made. ``parts`` has the trigrams of the vocabulary, which grows
far slower than the texts: so parts of words cost little.

A search asks in steps, and each step only if the one before found too little: the words side by
side; the words; other words that may be meant; a session that has them in several messages. A step
is ranked by bm25 unless it finds very much: then the newest come first, and only as many are looked
at as are asked for. So the commonest word costs no more than a rare one.

A flipped bit in the words would hide a hit, and SQLite does not detect it. So a process that added
texts seals all words when it closes the database, and a process that opens the database checks the
seal.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar
from zlib import crc32

from localsessions._local.index import schema
from localsessions._local.index.database import Database
from localsessions._rules.finder import SECTIONS, Finder
from localsessions._rules.question import (
    Near,
    Question,
    Term,
    is_wordlike,
    stem_of,
)
from localsessions._rules.texts import SESSION_ITSELF, Text, columns_of
from localsessions._rules.words import fold, indexable

__all__ = ["FullText", "NewTexts", "TextHit", "match_of"]

T = TypeVar("T")
Allows: TypeAlias = Callable[[Sequence[str]], Collection[str]]

# What a tool was given, and what was thought, say less about a session than what was said; a hit in
# the title or the metadata says more.
_RANK = "bm25(words, 1.0, 1.0, 0.5, 0.5)"
_OWN_WEIGHT = 2.0
_GRADES = 20.0
"""Hits whose scores are of the same twentieth of the best one are equals."""
_MANY_HITS = 3000
"""Of more hits than these the newest come first; the others are ranked."""
_WINDOW = 400
_MOST_TERMS = 2000
_MOST_CANDIDATES = 100
_LONGEST_TERM_BYTES = 200
# A word that nobody can ask for: no phrase goes from one section of a text into the next.
_BETWEEN = " \ue000 "
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


class TextHit(NamedTuple):
    """The best hit in one session.

    Attributes:
        session_id: The session.
        position: Index of the message; None for title and metadata.
        text: What is searched there.
        score: Higher is better.
        finder: Finds in the text what was asked for.
    """

    session_id: str
    position: int | None
    text: Text
    score: float
    finder: Finder


class NewTexts(NamedTuple):
    """The texts of a session that was read.

    Attributes:
        session_id: Which session.
        digest: Hash of the file from which the texts were read; None if the file is gone.
        active_at: The session's last activity as a number: of equals, the last comes first.
        texts: The texts of its messages, by position.
        is_current: Called inside the transaction: whether the file is still as it was read.
    """

    session_id: str
    digest: bytes | None
    active_at: int
    texts: Mapping[int, Text]
    is_current: Callable[[], bool]


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

    def put(self, read: Sequence[NewTexts], *, is_learning: bool = True) -> list[str]:
        """Replace the texts of sessions, in one transaction; what did not change stays.

        Without ``is_learning``, parts of new words are found only after ``learn``.

        Returns:
            The sessions whose files are no longer as they were read: nothing of them was replaced.
        """

        def write(db: sqlite3.Connection) -> list[str]:
            overtaken, adding = [], _Adding(db, is_learning=is_learning)
            self._unseal(db)
            for one in read:
                if one.is_current():
                    adding.replace(one)
                else:
                    overtaken.append(one.session_id)
            adding.end()
            return overtaken

        return self._database.write(write)

    def learn(self) -> None:
        """See to it that parts of all words are found."""
        asked = "SELECT learned FROM sealed"
        if self._database.read(lambda db: db.execute(asked).fetchone()) != (1,):
            self._database.write(_learn_all)

    # -- asking ------------------------------------------------------------------------------

    def near(self, question: Question) -> Near:
        """Return which other words may be meant by those of a question."""

        def read(db: sqlite3.Connection) -> Near:
            vocabulary: set[str] = set()
            for word in question.varying:
                vocabulary |= _candidates(db, word)
            near = _there(db, question, vocabulary)
            unknown = question.varying - near.keys() - vocabulary
            for word in unknown:
                vocabulary |= _misspelt(db, word)
            return _there(db, question, vocabulary) if unknown else near

        return self._database.read(read) if question.varying else {}

    def search(
        self, question: Question, near: Near, allows: Allows | None = None
    ) -> Iterator[TextHit | None]:
        """Yield the best hit of each session, the best session first.

        None stands for a session whose texts another process replaced meanwhile: search again.

        Args:
            question: What is asked.
            near: Which other words may be meant.
            allows: Returns those of some sessions that are asked for; None allows all.
        """
        exact, any_form = Finder(question), Finder(question, near)
        told: set[str] = set()
        steps: list[tuple[Finder, Iterator[_Found]]] = []
        if (row := question.side_by_side) is not None:
            together = question._replace(groups=((row,),))
            steps.append((exact, self._ranked(together, {})))
        steps.append((exact, self._ranked(question, {})))
        if near:
            steps.append((any_form, self._ranked(question, near)))
        for number, (finder, step) in enumerate(steps):
            for found in _first_of_each(step, told, allows):
                yield from self._checked(found, finder, len(steps) - number)
        if len(question.groups) > 1:
            for found in _first_of_each(self._apart(question, near, told), told, allows):
                yield from self._checked(found, any_form, 0)

    def _checked(self, found: _Found, finder: Finder, step: int) -> Iterator[TextHit | None]:
        """Yield a hit after its text is checked: a garbled index cannot invent a hit."""
        text = self._body(found.session_id, found.row)
        if text is None:
            yield None
        elif (finder.occurs_in if step else finder.count_in)(text[1].body):
            position = None if text[0] == SESSION_ITSELF else text[0]
            # What a later step finds never has a higher score than what an earlier one found.
            score = step + found.score / (1 + found.score)
            yield TextHit(found.session_id, position, text[1], score, finder)

    def _ranked(self, question: Question, near: Near) -> Iterator[_Found]:
        """Yield the hits of one step, the best first."""
        match = match_of(question, near)
        if not match:
            return
        if self._database.read(lambda db: _count(db, question, near)) > _MANY_HITS:
            yield from self._newest(f"{{own}} : ({match})", question)
            yield from self._newest(match, question)
            return
        query = (
            f"WITH hits AS MATERIALIZED (SELECT rowid AS id, {_RANK} AS score"  # noqa: S608
            " FROM words WHERE words MATCH ?) "
            "SELECT texts.session_id, texts.id,"
            f" min(hits.score * iif(texts.position < 0, {_OWN_WEIGHT}, 1.0)) AS best, texts.role,"
            " indexed.active_at FROM hits LEFT JOIN texts ON texts.id = hits.id "
            "LEFT JOIN indexed ON indexed.session_id = texts.session_id "
            "GROUP BY texts.session_id, texts.role "
            f"ORDER BY round({_GRADES} * best / min(best) OVER ()) DESC, indexed.active_at DESC,"
            " texts.session_id, texts.position"
        )

        def read(db: sqlite3.Connection) -> list[_Found]:
            return _found(db.execute(query, [match]))

        for found in self._database.read(read):
            if question.is_role(found.role):
                yield found

    def _newest(self, match: str, question: Question) -> Iterator[_Found]:
        """Yield hits, the newest first; a window is read when the one before is used up."""
        query = (
            "SELECT texts.session_id, words.rowid, 0.0, texts.role, 0 FROM words"
            " LEFT JOIN texts ON texts.id = words.rowid"
            " WHERE words MATCH ? AND words.rowid < ? ORDER BY words.rowid DESC LIMIT ?"
        )
        before, size = (1 << 63) - 1, _WINDOW
        while size == _WINDOW:
            values = [match, before, _WINDOW]

            def read(db: sqlite3.Connection, values: list[object] = values) -> list[_Found]:
                return _found(db.execute(query, values))

            rows = self._database.read(read)
            for found in rows:
                if question.is_role(found.role):
                    yield found
            size = len(rows)
            before = rows[-1].row if rows else 0

    def _apart(self, question: Question, near: Near, told: set[str]) -> Iterator[_Found]:
        """Yield sessions that have the words in several messages, by the best hit of the rarest."""
        singles = [question._replace(groups=(group,)) for group in question.groups]

        def rarest(db: sqlite3.Connection) -> list[Question]:
            return sorted(singles, key=lambda one: _count(db, one, near))

        first, *others = self._database.read(rarest)
        left = _MOST_CANDIDATES
        for found in self._ranked(first, near):
            if found.session_id in told:
                continue
            left -= 1
            if left < 0:
                return
            if all(self._has(found.session_id, one, near) for one in others):
                yield found

    def _has(self, session_id: str, question: Question, near: Near) -> bool:
        """Tell whether any text of a session has what is asked for."""
        between = "SELECT min(id), max(id) FROM texts WHERE session_id = ?"
        query = (
            "SELECT texts.session_id, texts.id, 0.0, texts.role, 0 FROM words"
            " CROSS JOIN texts ON texts.id = words.rowid WHERE words MATCH ?"
            " AND words.rowid BETWEEN ? AND ? AND texts.session_id = ?"
        )

        def read(db: sqlite3.Connection) -> bool:
            begin, end = db.execute(between, [session_id]).fetchone()
            values = [match_of(question, near), begin, end, session_id]
            if begin is None:
                return False
            rows = db.execute(query, values)
            return any(question.is_role(one.role) for row in rows for one in _found([row]))

        return self._database.read(read)

    def clear(self) -> None:
        """Delete everything, so that it is read again from the files."""

        def write(db: sqlite3.Connection) -> None:
            self._unseal(db)
            for table in ("indexed", "texts", "terms"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
            db.execute("INSERT INTO words (words) VALUES ('delete-all')")
            db.execute("INSERT INTO parts (parts) VALUES ('delete-all')")
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


def _first_of_each(
    hits: Iterator[_Found], told: set[str], allows: Allows | None
) -> Iterator[_Found]:
    """Yield the first hit of each session that is allowed and was not told before."""
    size = 1 if allows is None else _WINDOW
    while some := [*islice(hits, size)]:
        new = {one.session_id: one for one in reversed(some) if one.session_id not in told}
        told.update(new)
        allowed = new.keys() if allows is None else allows([*new])
        yield from (one for one in some if one.session_id in allowed and new[one[0]] is one)


class _Found(NamedTuple):
    """A hit that is not checked yet; it has its score and the role of its message."""

    session_id: str
    row: int
    score: float
    role: str | None


def _found(rows: Iterable[tuple[str | None, int, float, object, object]]) -> list[_Found]:
    found = []
    for session_id, row, score, role, active_at in rows:
        if session_id is None or not isinstance(active_at, int):
            raise sqlite3.DatabaseError("there are words of a text that is not there")
        told = None if role is None else _text(_blob(role))
        found.append(_Found(session_id, row, -score, told))
    return found


# -- what FTS5 is asked --------------------------------------------------------------------------


def match_of(question: Question, near: Near) -> str:
    """Return a question in the syntax of FTS5; its words hold letters, digits and marks only."""
    groups = [
        " OR ".join(one for term in group for one in _forms(term, near))
        for group in question.groups
    ]
    without = " OR ".join(one for term in question.without for one in _forms(term, {}))
    asked = " AND ".join(f"({group})" for group in groups)
    return f"({asked}) NOT ({without})" if asked and without else asked


def _forms(term: Term, near: Near) -> Iterator[str]:
    phrase = " ".join(term.words)
    yield f'"{phrase}"'
    if term.parts:
        yield f'"{" ".join(term.parts)}"'
    if (word := term.may_vary) is None or word not in near:
        return
    if len(term.words) > 1:
        yield f'"{phrase}" *'
    else:
        yield from (f'"{other}"' for other in near[word])


def _count(db: sqlite3.Connection, question: Question, near: Near) -> int:
    """Return how many texts a question may find, at most."""
    counts = []
    for group in question.groups:
        count = 0
        for term in group:
            count += _texts_with(db, " ".join(term.words))
            word = term.may_vary
            others = near.get(word, ()) if word is not None and len(term.words) == 1 else ()
            count += sum(_texts_with(db, other) for other in others)
        counts.append(count)
    return min(counts, default=0)


def _texts_with(db: sqlite3.Connection, words: str) -> int:
    """Return in how many texts a word is, or just that it is in many; the rarest word counts."""
    least = _MANY_HITS + 1
    for word in dict.fromkeys(words.split()):
        found = db.execute("SELECT doc FROM vocabulary WHERE term = ?", [word]).fetchone()
        least = min(least, 0 if found is None else int(found[0]))
    return least


def _there(db: sqlite3.Connection, question: Question, vocabulary: set[str]) -> Near:
    """Return which words may be meant; those that no text has any more leave the vocabulary."""
    while True:
        near = question.near(vocabulary)
        gone = {one for found in near.values() for one in found if not _texts_with(db, one)}
        if not gone:
            return near
        vocabulary -= gone


def _candidates(db: sqlite3.Connection, word: str) -> set[str]:
    """Return words of the vocabulary among which are the longer ones and the other forms of one."""
    found = {word} if _texts_with(db, word) else set[str]()
    if len(word) > 2:
        asked = "SELECT term FROM parts WHERE parts MATCH ? LIMIT ?"
        found.update(one for (one,) in db.execute(asked, [f'"{word}"', _MOST_TERMS]))
    return found | _beginning_with(db, stem_of(word), 0, 1 << 10)


def _misspelt(db: sqlite3.Connection, word: str) -> set[str]:
    """Return words among which are those that differ in one letter, or are two parts of it.

    If one letter is wrong, one half is right.
    """
    half, length = len(word) // 2, len(word)
    found = _beginning_with(db, word[:half], length - 1, length + 1)
    if length - half > 2:
        asked = "SELECT term FROM parts WHERE parts MATCH ? LIMIT ?"
        found.update(one for (one,) in db.execute(asked, [f'"{word[half:]}"', _MOST_TERMS]))
    pairs = ((word[:at], word[at:]) for at in range(3, length - 2))
    found.update(f"{one} {other}" for one, other in pairs if _texts_with(db, f"{one} {other}"))
    return found


def _beginning_with(db: sqlite3.Connection, begin: str, least: int, most: int) -> set[str]:
    asked = (
        "SELECT term FROM terms WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ?"
        " LIMIT ?"
    )
    values = [begin, begin + "\U0010ffff", least, most, _MOST_TERMS]
    return {one for (one,) in db.execute(asked, values)}


# -- what is put in ------------------------------------------------------------------------------


class _Adding:
    """Texts that are put in, in one transaction.

    Args:
        db: The database.
        is_learning: Whether parts of their words are searched from now on; of many texts it costs
            less to learn all words of the vocabulary at the end.
    """

    def __init__(self, db: sqlite3.Connection, *, is_learning: bool) -> None:
        self._db = db
        self._next = (db.execute("SELECT max(id) FROM texts").fetchone()[0] or 0) + 1
        self._texts: list[tuple[object, ...]] = []
        self._words: list[tuple[object, ...]] = []
        self._is_learning = is_learning

    def replace(self, new: NewTexts) -> None:
        """Replace the texts of a session; texts that did not change are not indexed again."""
        session_id, texts, db = new.session_id, new.texts, self._db
        known = db.execute("SELECT 1 FROM indexed WHERE session_id = ?", [session_id]).fetchone()
        stored = _stored(db, session_id) if known else []
        former = {position: (text, row) for row, position, text in stored}
        stale = {p for p, (text, _) in former.items() if texts.get(p) != text}
        _remove(db, ((former[p][1], former[p][0]) for p in stale))
        for position in sorted(texts.keys() - (former.keys() - stale)):
            self._add(session_id, position, texts[position])
        if new.digest is None:
            db.execute("DELETE FROM indexed WHERE session_id = ?", [session_id])
        else:
            values = [session_id, new.digest, new.active_at]
            db.execute("INSERT OR REPLACE INTO indexed VALUES (?, ?, ?)", values)

    def _add(self, session_id: str, position: int, text: Text) -> None:
        role = None if text.role is None else _bytes(text.role)
        place = session_id, position, role, _bytes(text.body)
        columns = _columns(text)
        self._texts.append((self._next, *place, schema.seal_of_text(*place)))
        self._words.append((self._next, *columns))
        self._next += 1

    def end(self) -> None:
        """Put everything in."""
        self._db.executemany(
            "INSERT INTO texts (id, session_id, position, role, body, seal)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            self._texts,
        )
        self._db.executemany(
            "INSERT INTO words (rowid, own, said, argued, thought) VALUES (?, ?, ?, ?, ?)",
            self._words,
        )
        if self._is_learning:
            _learn(self._db, {word for one in self._words for word in _words_of(one)})
        else:
            self._db.execute("UPDATE sealed SET learned = 0 WHERE learned = 1")


def _words_of(row: tuple[object, ...]) -> Iterator[str]:
    for column in row:
        if isinstance(column, str):
            yield from fold(column).split()


def _remove(db: sqlite3.Connection, rows: Iterable[tuple[int, Text]]) -> None:
    for row, text in rows:
        # A table without content needs the old text to delete it.
        db.execute(
            "INSERT INTO words (words, rowid, own, said, argued, thought)"
            " VALUES ('delete', ?, ?, ?, ?, ?)",
            [row, *_columns(text)],
        )
        db.execute("DELETE FROM texts WHERE id = ?", [row])


def _columns(text: Text) -> tuple[str, ...]:
    columns = [one if one.isascii() else _storable(one) for one in columns_of(text)]
    return tuple([re.sub(SECTIONS, _BETWEEN, one) for one in columns])


def _storable(text: str) -> str:
    return indexable(text).encode("utf-8", "replace").decode()


def _learn(db: sqlite3.Connection, words: Iterable[str]) -> None:
    """Add words to those of which parts are searched."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM terms").fetchone()
    found = ((word,) for word in words if is_wordlike(word))
    db.executemany("INSERT OR IGNORE INTO terms (term) VALUES (?)", found)
    query = "INSERT INTO parts (rowid, term) SELECT id, term FROM terms WHERE id > ?"
    db.execute(query, [last])


def _learn_all(db: sqlite3.Connection) -> None:
    """Add all words of the vocabulary."""
    # FTS5 cuts a word at 32 kB, perhaps in the middle of a letter.
    query = "SELECT term FROM vocabulary WHERE length(CAST(term AS BLOB)) <= ?"
    _learn(db, (word for (word,) in db.execute(query, [_LONGEST_TERM_BYTES]).fetchall()))
    db.execute("UPDATE sealed SET learned = 1")


# Blobs, because a message may contain lone surrogates, which SQLite's texts cannot store.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _sealed(session_id: str, position: int, role: object, body: object, seal: int) -> Text:
    """Return a text after its seal is checked.

    Raises:
        sqlite3.DatabaseError: The text is garbled.
    """
    role_bytes, body_bytes = None if role is None else _blob(role), _blob(body)
    if seal != schema.seal_of_text(session_id, position, role_bytes, body_bytes):
        raise sqlite3.DatabaseError(f"the text {position} of {session_id!r} is garbled")
    return Text(None if role_bytes is None else _text(role_bytes), _text(body_bytes))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _blob(value: object) -> bytes:
    # A flipped bit can turn a blob into a text or a number.
    if not isinstance(value, bytes):
        raise sqlite3.DatabaseError("a blob of the index is garbled")
    return value
