"""Finder: where a text has what a question asks for, and the snippet that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from localsessions._rules.question import Near, Question, Term
from localsessions._rules.words import fold, normal, traced

__all__ = ["MARKS", "Finder"]

_BEFORE, _AFTER = 40, 100
_REACHES = (200, 600)
# A long text is searched in parts until a part has a hit; no phrase is longer than the overlap.
_BLOCK, _OVERLAP, _LONGEST_WORD = 2_000, 2_000, 200
MARKS = "\x1d\x1e\x1f"
"""What parts the sections of a text, see ``texts``."""


class Finder:
    """Finds the terms of a question in texts.

    Args:
        question: The question.
        near: Which other words may be meant; without it, words are found as they are.
    """

    def __init__(self, question: Question, near: Near | None = None) -> None:
        self._groups = [
            list(dict.fromkeys(one for term in group for one in _needles(term, near or {})))
            for group in question.groups
        ]
        self._without = [one for term in question.without for one in _needles(term, {})]

    def occurs_in(self, text: str) -> bool:
        """Tell whether a text has a term of each group, and none that it must not have."""
        folded = _folded(text)
        if any(needle in folded for needle in self._without):
            return False
        return all(any(needle in folded for needle in group) for group in self._groups)

    def count_in(self, text: str) -> int:
        """Return of how many groups a text has a term."""
        folded = _folded(text)
        return sum(any(needle in folded for needle in group) for group in self._groups)

    def snippet(self, text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """Return the text around the first hit, on a single line, and where the hits are in it."""
        for block in range(0, len(text), _BLOCK):
            lead_in = _word_edge(text, block - _BEFORE)
            part = text[lead_in : _word_edge(text, block + _BLOCK + _OVERLAP)]
            if self.count_in(part):  # quicker than to trace where it is
                begin, end = self._first_in(part)
                near, spans = self.places(part[begin:end])
                return self._around(near, spans, cut=lead_in + begin > 0)
        return self._around(text[: _BEFORE + _AFTER], [], cut=False)

    def _first_in(self, part: str) -> tuple[int, int]:
        """Return a place in a part where its first hit is, with what a snippet shows around it.

        Whether a text has a hit is known a hundred times sooner than where it is. So the place is
        guessed from that in the folded text, and it is looked whether it is right.
        """
        folded = _folded(part)
        found = [folded.find(needle) for group in self._groups for needle in group]
        guess = min(at for at in found if at >= 0) * len(part) // len(folded)
        for reach in _REACHES:
            begin, end = _word_edge(part, guess - reach), _word_edge(part, guess + reach)
            if self.count_in(part[begin:end]) and not self.count_in(part[: begin + _BEFORE]):
                return begin, _word_edge(part, end + _AFTER)
        return 0, len(part)

    def places(self, text: str) -> tuple[str, list[tuple[int, int]]]:
        """Return a text in normal form, and where it has what is asked for."""
        text = normal(text)
        folded, origin = traced(text)
        spans = []
        for needle in dict.fromkeys(one for group in self._groups for one in group):
            at = folded.find(needle)
            while at >= 0:
                inner = at + len(needle) - len(needle.lstrip(" "))
                last = at + len(needle.rstrip(" ")) - 1
                spans.append((origin[inner], origin[last] + 1))
                at = folded.find(needle, at + 1)
        return text, _merged(sorted(spans))

    def _around(
        self, text: str, spans: list[tuple[int, int]], *, cut: bool
    ) -> tuple[str, tuple[tuple[int, int], ...]]:
        first = spans[0][0] if spans else 0
        begin = max(0, first - _BEFORE)
        end = min(len(text), max(first + _AFTER, spans[0][1] if spans else 0))
        lead, tail = "…" if begin or cut else "", "…" if end < len(text) else ""
        line = re.sub(r"\s", " ", text[begin:end])
        shift = len(lead) - begin
        inside = [
            (start + shift, stop + shift) for start, stop in spans if begin <= start and stop <= end
        ]
        return lead + line + tail, tuple(inside)


def _word_edge(text: str, at: int) -> int:
    """Return a place at or before another one where no word of usual length is cut in two."""
    if not 0 < at < len(text):
        return max(0, min(at, len(text)))
    space = max(text.rfind(one, max(0, at - _LONGEST_WORD), at) for one in " \n\t")
    return at if space < 0 else space


def _folded(text: str) -> str:
    """Fold a text; no phrase goes from one section into the next."""
    return _fold_again(text) if len(text) > _LONGEST_KEPT else _folded_last(text)


_LONGEST_KEPT = 1 << 16


@lru_cache(maxsize=8)  # a text that has a hit is looked at several times, one after the other
def _folded_last(text: str) -> str:
    return _fold_again(text)


def _fold_again(text: str) -> str:
    if not any(mark in text for mark in MARKS):
        return fold(text)
    return "|".join(map(fold, re.split(f"[{MARKS}]", text)))


def _needles(term: Term, near: Near) -> Iterator[str]:
    """Yield strings of which a folded text has one, if it has the term; a space ends a word."""
    words = " ".join(term.words)
    yield f" {words} "
    if term.otherwise:
        yield f" {' '.join(term.otherwise)} "
    if (word := term.may_vary) is None or word not in near:
        return
    if len(term.words) > 1 or len(word) == 2:
        yield f" {words}"  # the last word may go on
        return
    if any(word in other for other in near[word]):
        yield word
    yield from (f" {other} " for other in near[word] if word not in other)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
