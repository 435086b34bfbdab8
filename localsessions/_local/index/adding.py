"""Adding: texts that are put into the tables of the search, in one transaction.

Many texts go in by one statement: Python is free meanwhile, so another thread can read what comes
next. With a statement for each text, the two threads would wait for each other at each.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from localsessions._local.index.text_row import PackedText, columns, stored_texts
from localsessions._local.index.vocabulary import learn
from localsessions._local.index.wear import count_removed
from localsessions._rules.texts import Text
from localsessions._rules.words import fold

__all__ = ["Adding", "NewTexts"]

_MOST_ROWS = 1000


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
        noted = [
            (one.session_id, one.digest, one.active_at) for one in read if one.digest is not None
        ]
        _insert(self._db, "INSERT OR REPLACE INTO indexed", noted)

    def _insert(self, texts: Sequence[PackedText]) -> None:
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM texts").fetchone()
        numbered = [*enumerate(texts, start=last + 1)]
        rows = [(row, *one[:-1]) for row, one in numbered]
        _insert(self._db, "INSERT INTO texts (id, session_id, position, role, body, seal)", rows)
        words = [(row, *one.columns) for row, one in numbered]
        _insert(self._db, "INSERT INTO words (rowid, own, said, argued, thought)", words)


def _insert(db: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows, as many by one statement as SQLite allows."""
    if not rows:
        return
    width = len(rows[0])
    most = min(_MOST_ROWS, db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width)
    row = f"({', '.join('?' * width)})"
    for begin in range(0, len(rows), most):
        some = rows[begin : begin + most]
        db.execute(f"{into} VALUES {', '.join([row] * len(some))}", [*chain.from_iterable(some)])


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
