"""The vocabulary of a store: which other words may be meant by those of a question.

A word stays in it when its last text is gone, so each one is looked up among the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from localsessions._postgres.place import Place
from localsessions._postgres.texts import grams_of, tokens_of
from localsessions._rules.question import Near, Question, stem_of

__all__ = ["Vocabulary"]

_MOST_TERMS = 2000
_PRESENT = """
SELECT asked.word FROM unnest(%s::text[], %s::text[]) asked (word, tokens)
WHERE EXISTS (
  SELECT FROM localsessions.texts t JOIN localsessions.sessions s ON s.no = t.no
  WHERE t.words @> string_to_array(asked.tokens, ' ') AND s.store = %s
    AND (strpos(t.said, ' ' || asked.word || ' ') > 0
      OR strpos(t.beside, ' ' || asked.word || ' ') > 0))
"""
_CONTAINING = """
SELECT term FROM localsessions.terms
WHERE store = %s AND parts @> %s::text[] AND strpos(term, %s) > 0 LIMIT %s
"""
_BEGINNING = """
SELECT term FROM localsessions.terms
WHERE store = %s AND term >= %s AND term < %s AND length(term) BETWEEN %s AND %s LIMIT %s
"""


class Vocabulary:
    """The words of one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def near(self, question: Question) -> Near:
        """Return which other words may be meant by those of a question."""
        known: set[str] = set()
        for word in question.varying:
            known |= self._alike(word)
        near = self._present_near(question, known)
        unknown = question.varying - near.keys() - known
        for word in unknown:
            known |= self._misspelt(word)
        return self._present_near(question, known) if unknown else near

    def _present_near(self, question: Question, known: set[str]) -> Near:
        """Return which words may be meant; those that no text has any more leave ``known``."""
        while True:
            near = question.near(known)
            found = {one for others in near.values() for one in others}
            gone = found - self.present(sorted(found))
            if not gone:
                return near
            known -= gone

    def present(self, words: Sequence[str]) -> set[str]:
        """Return those of some words, or of some phrases, that a text has."""
        if not words:
            return set()
        tokens = [" ".join(tokens_of(self._place.store, word.split())) for word in words]
        rows = self._place.rows(_PRESENT, [*words], tokens, self._place.store)
        return {word for (word,) in rows}

    def _alike(self, word: str) -> set[str]:
        """Return words among which are the longer ones and the other forms of a word."""
        found = self.present([word]) | self._containing(word)
        return found | self._beginning_with(stem_of(word), 0, 1 << 10)

    def _misspelt(self, word: str) -> set[str]:
        """Return words among which are those that differ in one letter, or are two parts of it."""
        half, length = len(word) // 2, len(word)
        found = self._beginning_with(word[:half], length - 1, length + 1)
        found |= self._containing(word[half:])
        swapped = word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :]
        pairs = (f"{word[:at]} {word[at:]}" for at in range(3, length - 2))
        return found | self._apart((swapped, *pairs))

    def _apart(self, words: Iterable[str]) -> set[str]:
        """Return those of some words, or rows of words, of which each word is in a text."""
        chosen = [*dict.fromkeys(words)]
        there = self.present(sorted({one for row in chosen for one in row.split()}))
        return {row for row in chosen if row.split() and {*row.split()} <= there}

    def _containing(self, part: str) -> set[str]:
        if len(part) < 3:
            return set()
        store = self._place.store
        rows = self._place.rows(_CONTAINING, store, grams_of(store, part), part, _MOST_TERMS)
        return {term for (term,) in rows}

    def _beginning_with(self, begin: str, least: int, most: int) -> set[str]:
        values = [self._place.store, begin, begin + "\U0010ffff", least, most, _MOST_TERMS]
        return {term for (term,) in self._place.rows(_BEGINNING, *values)}
