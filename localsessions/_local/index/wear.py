"""Wear: what the words of removed texts take, and how that is taken out.

FTS5 removes a text by writing once more which words it had; both go only when all that was written
before is merged into one (https://www.sqlite.org/fts5.html, section 6.8). So the removed bytes are
counted, and when they are a twelfth of the database, the words are merged step by step, and the
vocabulary forgets the words that are gone. The functions take the connection of an open
transaction.
"""

from __future__ import annotations

import sqlite3

__all__ = ["count_removed", "forget_gone", "is_worn", "merge"]

_LEAST_BYTES = 256 << 10
_SHARE, _SHARE_OF_TERMS = 12, 4
_STEP_PAGES = 128


def count_removed(db: sqlite3.Connection, size_bytes: int) -> None:
    """Remember that texts of this size were removed."""
    if size_bytes:
        db.execute("UPDATE sealed SET removed_bytes = removed_bytes + ?", [size_bytes])


def is_worn(db: sqlite3.Connection) -> bool:
    """Tell whether so much was removed that the words are to be merged."""
    (removed,) = db.execute("SELECT removed_bytes FROM sealed").fetchone()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    return bool(removed > max(_LEAST_BYTES, (pages - free) * page_bytes // _SHARE))


def merge(db: sqlite3.Connection, *, is_first: bool) -> bool:
    """Merge some more of the words; return whether there was something to merge.

    The first step begins to merge everything, unless another process has just begun; the next steps
    go on with it.
    """
    if is_first:
        if not is_worn(db):
            return False
        db.execute("UPDATE sealed SET removed_bytes = 0")
    before = db.total_changes
    pages = -_STEP_PAGES if is_first else _STEP_PAGES
    db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", [pages])
    return db.total_changes - before >= 2  # the command itself is one


def forget_gone(db: sqlite3.Connection) -> None:
    """Forget words that no text has any more, and their parts, if they are a quarter of all."""
    (count,) = db.execute("SELECT count(*) FROM terms").fetchone()
    query = "SELECT id FROM terms WHERE term NOT IN (SELECT term FROM vocabulary)"
    gone = db.execute(query).fetchall()
    if len(gone) > count // _SHARE_OF_TERMS:
        db.executemany("DELETE FROM terms WHERE id = ?", gone)
        db.execute("INSERT INTO parts (parts) VALUES ('rebuild')")
