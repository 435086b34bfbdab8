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

from localsessions._local.index import schema
from localsessions._local.index.text_row import (
    Block,
    StoredText,
    blocks_of,
    columns,
    many_small,
    places_of,
    stored_texts,
    what_tells,
)
from localsessions._local.index.vocabulary import learn
from localsessions._local.index.wear import count_removed
from localsessions._rules.texts import Text
from localsessions._rules.words import fold

__all__ = ["Adding", "NewTexts"]

_MOST_ROWS = 1000  # of a longer statement, sqlite3 keeps megabytes for the next time
_OF_BLOCK = "(id, body, seal)"
_OF_TEXT = "(id, session_id, position, role, block, begin, size_bytes, seal)"


class NewTexts(NamedTuple):
    """The texts of a session that was read.

    Attributes:
        session_id: Which session.
        digest: Hash of the file from which the texts were read; None if the file is gone.
        active_at: The session's last activity as a number: of equals, the last comes first.
        texts: The texts of its messages, by position.
        is_current: Called inside the transaction: whether the file is still as it was read.
        packed: The texts as the tables take them, if that is done already.
    """

    session_id: str
    digest: bytes | None
    active_at: int
    texts: Mapping[int, Text]
    is_current: Callable[[], bool]
    packed: PackedTexts | None = None

    def pack(self, positions: Iterable[int] | None = None) -> PackedTexts:
        """Return the texts, or those at some positions, as the tables take them."""
        if positions is None and self.packed is not None:
            return self.packed
        chosen = sorted(self.texts if positions is None else positions)
        texts = [(one, self.texts[one]) for one in chosen]
        blocks = [*blocks_of(self.session_id, texts)]
        return PackedTexts(self.session_id, blocks, [columns(text) for _, text in texts])


class PackedTexts(NamedTuple):
    """Texts of a session as the tables take them; both are in the same order."""

    session_id: str
    blocks: Sequence[Block]
    columns: Sequence[Sequence[str]]


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

    def replace(self, read: Sequence[NewTexts]) -> list[str]:
        """Replace the texts of sessions; texts that did not change are not indexed again.

        Returns:
            The sessions of which another search may have put in later texts: nothing of them was
            replaced. Of a session that has no texts yet the file is not looked at again: what it
            said is put in, and the next search sees that it changed.
        """
        known = self._known([one.session_id for one in read])
        if known or self._is_learning:
            self._db.execute(schema.BY_PLACE)
        overtaken = [
            one.session_id for one in read if one.session_id in known and not one.is_current()
        ]
        current = [one for one in read if one.session_id not in overtaken] if overtaken else read
        added = [self._changed(one) if one.session_id in known else one.pack() for one in current]
        self._note(current)
        self._insert(added)
        if self._is_learning:
            learn(self._db, {word for one in added for word in _words_of(one)})
        else:
            self._db.execute("UPDATE sealed SET learned = 0 WHERE learned = 1")
        return overtaken

    def _known(self, session_ids: Sequence[str]) -> set[str]:
        query = (
            "SELECT json_group_array(session_id) FROM indexed"
            " WHERE session_id IN (SELECT value FROM json_each(?))"
        )
        (found,) = self._db.execute(query, [json.dumps(session_ids)]).fetchone()
        return {*json.loads(found)}

    def _changed(self, new: NewTexts) -> PackedTexts:
        """Remove the texts of a session that are no longer so; return those that are new.

        Only blocks of which a text changed are unpacked, and small ones, to be joined.
        """
        places = places_of(self._db, new.session_id)
        tell = {at: what_tells(new.session_id, at, text) for at, text in new.texts.items()}
        opened = {one.block for one in places if tell.get(one.position) != one.tells}
        former = self._taken_out(new.session_id, opened | many_small(places))
        stale = [one for one in former if new.texts.get(one.position) != one.text]
        count_removed(self._db, sum(len(one.text.body) for one in stale))
        self._remove(stale)
        gone = {one.position for one in stale}
        self._move(new.session_id, [one for one in former if one.position not in gone])
        return new.pack(new.texts.keys() - ({one.position for one in places} - gone))

    def _taken_out(self, session_id: str, blocks: set[int]) -> Sequence[StoredText]:
        """Return the texts of some blocks, in order, and remove the blocks."""
        if not blocks:
            return []
        chosen = "IN (SELECT value FROM json_each(?))"
        numbers = json.dumps(sorted(blocks))
        where = f"session_id = ? AND block {chosen} ORDER BY position"
        found = stored_texts(self._db, where, [session_id, numbers])
        self._db.execute(f"DELETE FROM blocks WHERE id {chosen}", [numbers])  # noqa: S608
        return found

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

    def _remove(self, stale: Sequence[StoredText]) -> None:
        """Remove texts; their blocks are gone."""
        for one in stale:
            # A table without content needs the old text to delete it.
            self._db.execute(
                "INSERT INTO words (words, rowid, own, said, argued, thought)"
                " VALUES ('delete', ?, ?, ?, ?, ?)",
                [one.row, *columns(one.text)],
            )
            self._db.execute("DELETE FROM texts WHERE id = ?", [one.row])

    def _move(self, session_id: str, texts: Sequence[StoredText]) -> None:
        """Give new blocks to texts whose blocks are gone."""
        left = iter(texts)
        for block in blocks_of(session_id, ((one.position, one.text) for one in texts)):
            rows = [next(left).row for _ in block.places]
            _insert(self._db, f"INSERT INTO blocks {_OF_BLOCK}", [(rows[0], *block[:2])])
            moved = zip(block.places, rows, strict=True)
            self._db.executemany(
                "UPDATE texts SET block = ?, begin = ? WHERE id = ?",
                [(rows[0], place.begin, row) for place, row in moved],
            )

    def _insert(self, added: Sequence[PackedTexts]) -> None:
        """Insert texts; a block has the id of the first of them that stands in it."""
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM texts").fetchone()
        blocks: list[Sequence[object]] = []
        rows: list[Sequence[object]] = []
        for texts in added:
            for block in texts.blocks:
                first = last + 1 + len(rows)
                blocks.append((first, block.body, block.seal))
                for row, (position, role, begin, size, seal) in enumerate(block.places, first):
                    rows.append((row, texts.session_id, position, role, first, begin, size, seal))
        _insert(self._db, f"INSERT INTO blocks {_OF_BLOCK}", blocks)
        _insert(self._db, f"INSERT INTO texts {_OF_TEXT}", rows)
        found = chain.from_iterable(one.columns for one in added)
        words = [(row, *one) for row, one in enumerate(found, last + 1)]
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


def _words_of(texts: PackedTexts) -> Iterator[str]:
    for column in chain.from_iterable(texts.columns):
        yield from fold(column).split()
