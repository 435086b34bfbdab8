"""Adding: texts that are put into the tables of the search, in one transaction.

Many texts go in by one statement: their bytes stand one after the other in one blob, and a list in
JSON says where. SQLite frees Python meanwhile, so another thread can read what comes next.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson

from localsessions._local.index.text_row import PackedText, columns, stored_texts
from localsessions._local.index.vocabulary import learn
from localsessions._local.index.wear import count_removed
from localsessions._rules.texts import Text
from localsessions._rules.words import fold

__all__ = ["Adding", "NewTexts"]


class NewTexts(NamedTuple):
    """The texts of a session that was read.

    Attributes:
        session_id: Which session.
        digest: Hash of the file from which the texts were read; None if the file is gone.
        active_at: The session's last activity as a number: of equals, the last comes first.
        texts: The texts of its messages, by position.
        is_current: Called inside the transaction: whether the file is still as it was read.
        packed: The texts as the tables take them, in order, if that is done already.
    """

    session_id: str
    digest: bytes | None
    active_at: int
    texts: Mapping[int, Text]
    is_current: Callable[[], bool]
    packed: Sequence[PackedText] | None = None

    def pack(self, positions: Iterable[int] | None = None) -> Sequence[PackedText]:
        """Return the texts, or those at some positions, as the tables take them."""
        if positions is None and self.packed is not None:
            return self.packed
        chosen = sorted(self.texts if positions is None else positions)
        return [PackedText.of(self.session_id, one, self.texts[one]) for one in chosen]


class Adding:
    """Texts that are put in, in one transaction.

    Args:
        db: The database.
        is_learning: Whether parts of their words are searched from now on; of many texts it costs
            less to learn all words of the vocabulary at the end.
    """

    def __init__(self, db: sqlite3.Connection, *, is_learning: bool) -> None:
        self._db = db
        self._is_learning = is_learning

    def replace(self, read: Sequence[NewTexts]) -> None:
        """Replace the texts of sessions; texts that did not change are not indexed again."""
        known = self._known([one.session_id for one in read])
        added: list[PackedText] = []
        for one in read:
            added += self._changed(one) if one.session_id in known else one.pack()
        self._note(read)
        self._insert(added)
        if self._is_learning:
            learn(self._db, {word for one in added for word in _words_of(one)})
        else:
            self._db.execute("UPDATE sealed SET learned = 0 WHERE learned = 1")

    def _known(self, session_ids: Sequence[str]) -> set[str]:
        query = (
            "SELECT json_group_array(session_id) FROM indexed"
            " WHERE session_id IN (SELECT value FROM json_each(?))"
        )
        (found,) = self._db.execute(query, [json.dumps(session_ids)]).fetchone()
        return {*json.loads(found)}

    def _changed(self, new: NewTexts) -> Sequence[PackedText]:
        """Remove the texts of a session that are no longer so; return those that are new."""
        former = {at: (text, row) for row, at, text in stored_texts(self._db, new.session_id)}
        stale = {at for at, (text, _) in former.items() if new.texts.get(at) != text}
        count_removed(self._db, sum(len(former[at][0].body) for at in stale))
        _remove(self._db, ((former[at][1], former[at][0]) for at in stale))
        return new.pack(new.texts.keys() - (former.keys() - stale))

    def _note(self, read: Sequence[NewTexts]) -> None:
        """Note from which versions of the files the texts are."""
        gone = [one.session_id for one in read if one.digest is None]
        if gone:
            query = "DELETE FROM indexed WHERE session_id IN (SELECT value FROM json_each(?))"
            self._db.execute(query, [json.dumps(gone)])
        parts = _Parts()
        rows = [
            (one.session_id, *parts.place(one.digest), one.active_at)
            for one in read
            if one.digest is not None
        ]
        self._db.execute(_INSERT_INDEXED, parts.values(rows))

    def _insert(self, texts: Sequence[PackedText]) -> None:
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM texts").fetchone()
        bodies, words = _Parts(), _Parts()
        rows, spoken = [], []
        for row, one in enumerate(texts, start=last + 1):
            role = (None, None) if one.role is None else bodies.place(one.role)
            body = bodies.place(one.body)
            rows.append((row, one.session_id, one.position, *role, *body, one.seal))
            places = [number for text in one.columns for number in words.place(text.encode())]
            spoken.append((row, *places))
        self._db.execute(_INSERT_TEXTS, bodies.values(rows))
        self._db.execute(_INSERT_WORDS, words.values(spoken))


class _Parts:
    """Bytes that a statement takes one after the other, and where each part of them is."""

    def __init__(self) -> None:
        self._parts = [b"."]  # of a blob without bytes SQLite would make NULL
        self._end = 2

    def place(self, part: bytes) -> tuple[int, int]:
        """Add a part; return where it begins, as SQLite counts, and its length."""
        begin = self._end
        self._parts.append(part)
        self._end += len(part)
        return begin, len(part)

    def values(self, rows: Sequence[Sequence[object]]) -> Mapping[str, object]:
        """Return the parts, and rows that name places in them, as a statement takes them."""
        return {"parts": b"".join(self._parts), "rows": orjson.dumps(rows).decode()}


def _cell(at: int) -> str:
    return f"json_extract(value, '$[{at}]')"


def _part(at: int) -> str:
    return f"substr(:parts, {_cell(at)}, {_cell(at + 1)})"


_EACH = "FROM json_each(:rows)"
_INSERT_INDEXED = (
    f"INSERT OR REPLACE INTO indexed SELECT {_cell(0)}, {_part(1)}, {_cell(3)} {_EACH}"
)
_INSERT_TEXTS = (
    "INSERT INTO texts (id, session_id, position, role, body, seal) "
    f"SELECT {_cell(0)}, {_cell(1)}, {_cell(2)}, {_part(3)}, {_part(5)}, {_cell(7)} {_EACH}"
)
_WORDS = ", ".join(f"CAST({_part(at)} AS TEXT)" for at in (1, 3, 5, 7))
_INSERT_WORDS = (
    f"INSERT INTO words (rowid, own, said, argued, thought) SELECT {_cell(0)}, {_WORDS} {_EACH}"
)


def _words_of(text: PackedText) -> Iterator[str]:
    for column in text.columns:
        yield from fold(column).split()


def _remove(db: sqlite3.Connection, rows: Iterable[tuple[int, Text]]) -> None:
    for row, text in rows:
        # A table without content needs the old text to delete it.
        db.execute(
            "INSERT INTO words (words, rowid, own, said, argued, thought)"
            " VALUES ('delete', ?, ?, ?, ?, ?)",
            [row, *columns(text)],
        )
        db.execute("DELETE FROM texts WHERE id = ?", [row])
