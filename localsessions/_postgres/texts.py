"""The texts of a session as rows for the search: their words, and where they stand.

A word of a text is stored with the number of its store before it, so that the commonest word of one
store costs the others nothing. Two signs that follow each other, of a script that does not part its
words, are a word besides: a part of such a text is found by its pairs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from localsessions._rules.finder import MARKS
from localsessions._rules.question import is_wordlike
from localsessions._rules.texts import Text, columns_of
from localsessions._rules.words import fold, is_sign

__all__ = ["TextRow", "counted", "grams_of", "row_of", "terms_of", "tokens_of", "words_of"]

_LONGEST_TOKEN = 60
_SECTIONS = re.compile(f"[{MARKS}]")
_BETWEEN = " | "
"""Stands between two sections of a folded text; no folded word has its sign."""


class TextRow(NamedTuple):
    """A text of a session.

    Attributes:
        position: The position of its message; -1 for the session's own.
        role: The role of the message, as bytes; None for the session's own.
        said: What was said, folded, or the session's own text.
        beside: What tools were given and what was thought, folded.
        size: How many words it has.
        words: What it is found by.
    """

    position: int
    role: bytes | None
    said: str
    beside: str
    size: int
    words: list[str]


def row_of(store: int, position: int, text: Text) -> TextRow:
    """Return a text as it is stored."""
    own, said, argued, thought = columns_of(text)
    words, beside = fold(own or said), [one for one in (argued, thought) if one]
    marks = sum(len(_SECTIONS.findall(one)) for one in beside)
    folded = _BETWEEN.join(fold(part) for one in beside for part in _SECTIONS.split(one))
    size = len(words.split()) + marks + sum(word != "|" for word in folded.split())
    role = None if text.role is None else text.role.encode("utf-8", "surrogatepass")
    tokens = {*tokens_of(store, words.split())}
    for part in folded.split("|"):
        tokens.update(tokens_of(store, part.split()))
    return TextRow(position, role, words, folded, size, sorted(tokens))


def tokens_of(store: int, words: Sequence[str]) -> Iterator[str]:
    """Yield what words that follow each other are found by."""
    for word in words:
        yield f"{store}:{_short(word)}"
    for one, other in pairwise(words):
        if is_sign(one) and is_sign(other):
            yield f"{store}:{one}{other}"


def _short(word: str) -> str:
    """Return what stands for a word; an index takes no long ones."""
    if len(word) <= _LONGEST_TOKEN:
        return word
    return word[:_LONGEST_TOKEN] + hashlib.blake2b(word.encode(), digest_size=16).hexdigest()


def words_of(row: TextRow) -> set[str]:
    """Return the words of a text."""
    return {*row.said.split(), *row.beside.split()} - {"|"}


def terms_of(rows: Iterable[TextRow], known: Collection[str]) -> list[str]:
    """Return the words of which parts are searched and which are not known yet, in order.

    In order, so that two writers that add the same words never wait for each other in a circle.
    """
    words = {word for row in rows for word in words_of(row)}
    return sorted(word for word in words if word not in known and is_wordlike(word))


def grams_of(store: int, word: str) -> list[str]:
    """Return the parts of three letters by which a longer word is found."""
    return sorted({f"{store}:{word[at : at + 3]}" for at in range(len(word) - 2)})


def counted(rows: Mapping[int, TextRow]) -> tuple[int, int]:
    """Return how many texts there are, and how many words they have."""
    return len(rows), sum(row.size for row in rows.values())
