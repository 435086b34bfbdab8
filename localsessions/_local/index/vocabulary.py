"""The vocabulary of the texts: which words there are, and which of them may be meant by another.

``vocabulary`` is FTS5's own list. ``terms`` has the words of which parts are searched, and
``parts`` their trigrams. A word stays in both for a while when its last text is gone (see
``wear``), so each one is checked.
The functions take the connection of an open transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from localsessions._rules.question import Near, Question, is_wordlike, stem_of

__all__ = ["learn", "learn_all", "near_words", "texts_with"]

_MOST_TERMS = 2000
_SOME = 20_000
_LONGEST_TERM_BYTES = 200


def learn(db: sqlite3.Connection, words: Iterable[str]) -> None:
    """Add words to those of which parts are searched."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM terms").fetchone()
    found = ((word,) for word in words if is_wordlike(word))
    db.executemany("INSERT OR IGNORE INTO terms (term) VALUES (?)", found)
    query = "INSERT INTO parts (rowid, term) SELECT id, term FROM terms WHERE id > ?"
    db.execute(query, [last])


def learn_all(db: sqlite3.Connection, refuse_unwanted: Callable[[], None]) -> None:
    """Add all words of the vocabulary; ``refuse_unwanted`` is called between some of them."""
    # FTS5 cuts a word at 32 kB, which may be in the middle of a letter.
    query = "SELECT term FROM vocabulary WHERE length(CAST(term AS BLOB)) <= ?"
    words = [word for (word,) in db.execute(query, [_LONGEST_TERM_BYTES])]
    for begin in range(0, len(words), _SOME):
        refuse_unwanted()
        learn(db, words[begin : begin + _SOME])
    db.execute("UPDATE sealed SET learned = 1")


def texts_with(db: sqlite3.Connection, words: str, most: int) -> int:
    """Return in how many texts a word is, or ``most`` if in more; of several, the rarest counts."""
    least = most
    for word in dict.fromkeys(words.split()):
        found = db.execute("SELECT doc FROM vocabulary WHERE term = ?", [word]).fetchone()
        least = min(least, 0 if found is None else int(found[0]))
    return least


def near_words(db: sqlite3.Connection, question: Question) -> Near:
    """Return which other words may be meant by those of a question."""
    known: set[str] = set()
    for word in question.varying:
        known |= _alike(db, word)
    near = _present(db, question, known)
    unknown = question.varying - near.keys() - known
    for word in unknown:
        known |= _misspelt(db, word)
    return _present(db, question, known) if unknown else near


def _present(db: sqlite3.Connection, question: Question, known: set[str]) -> Near:
    """Return which words may be meant; those that no text has any more leave ``known``."""
    while True:
        near = question.near(known)
        gone = {one for found in near.values() for one in found if not texts_with(db, one, 1)}
        if not gone:
            return near
        known -= gone


def _alike(db: sqlite3.Connection, word: str) -> set[str]:
    """Return words among which are the longer ones and the other forms of a word."""
    found = {word} if texts_with(db, word, 1) else set[str]()
    return found | _containing(db, word) | _beginning_with(db, stem_of(word), 0, 1 << 10)


def _misspelt(db: sqlite3.Connection, word: str) -> set[str]:
    """Return words among which are those that differ in one letter, or are two parts of it.

    If one letter is wrong, one half is right, unless the two letters in the middle are swapped.
    """
    half, length = len(word) // 2, len(word)
    found = _beginning_with(db, word[:half], length - 1, length + 1)
    found |= _containing(db, word[half:])
    swapped = word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :]
    pairs = (f"{word[:at]} {word[at:]}" for at in range(3, length - 2))
    found.update(one for one in (swapped, *pairs) if texts_with(db, one, 1))
    return found


def _containing(db: sqlite3.Connection, part: str) -> set[str]:
    if len(part) < 3:  # shorter than a trigram
        return set()
    query = "SELECT term FROM parts WHERE parts MATCH ? LIMIT ?"
    return {one for (one,) in db.execute(query, [f'"{part}"', _MOST_TERMS])}


def _beginning_with(db: sqlite3.Connection, begin: str, least: int, most: int) -> set[str]:
    query = (
        "SELECT term FROM terms WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ?"
        " LIMIT ?"
    )
    values = [begin, begin + "\U0010ffff", least, most, _MOST_TERMS]
    return {one for (one,) in db.execute(query, values)}
