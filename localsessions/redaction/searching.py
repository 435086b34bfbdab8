"""Where the secrets are in many texts. Pure.

All texts are searched as one, joined by newlines, so that a look for an anchor costs one search in
C and not one for each text. What is found ends with its text, or with the list of which its text
is an item; of the latter, each text has its part. The shape of the data::

    texts --joined--> one text --anchors, lines--> Hit(text, start, end, kind, rank)
                                              and again, where a secret that was found is a word

The time grows with the length of the texts: a trial at an anchor reads a bounded part, or a part
that no other trial of the pattern reads again (``patterns.py``), and a person's own pattern sees at
most ``WINDOW`` characters at once.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from localsessions.redaction.patterns import BEGIN, END, Pattern
from localsessions.redaction.randomness import varies

__all__ = ["OVERLAP", "WINDOW", "Hit", "search"]

WINDOW = 2_048
"""How much of a line a pattern without anchors sees at once, in characters."""

OVERLAP = 512
"""By how much the next part of a long line begins before the end of the last."""

_LONGEST = 1 << 16
"""How far a match may go on beyond its part, in characters: far enough for a key or certificate in
one line, and still a bound for the time of one trial."""


class Hit(NamedTuple):
    """A secret in a text.

    Attributes:
        text: The index of the text.
        start: Where the secret begins in it.
        rank: The place of the pattern in its table; the first names what several found.
        end: Where the secret ends.
        kind: The name of the pattern.
    """

    text: int
    start: int
    rank: int
    end: int
    kind: str


class _Joined:
    """Many texts as one, and which of them a place belongs to."""

    def __init__(self, texts: Sequence[str], lists: Sequence[int]) -> None:
        self.whole = "\n".join(texts)
        self._starts = [0, *accumulate(len(text) + 1 for text in texts)]
        ends = [at for at, (one, next_one) in enumerate(pairwise(lists), 1) if one != next_one]
        self._ends = [*(self._starts[at] - 1 for at in ends), len(self.whole)]
        # In lower case, for one look at all spellings; as bytes, for that is several times faster.
        self._folded = _folded(self.whole)
        self._known: dict[bytes, bool] = {}

    def present(self, anchors: tuple[str, ...]) -> list[str]:
        """Return the anchors that the text may have."""
        known, whole = self._known, self._folded
        found = []
        for anchor, folded in _with_folded(anchors):
            if (is_there := known.get(folded)) is None:
                is_there = known[folded] = folded in whole
            if is_there:
                found.append(anchor)
        return found

    def before(self, text: int) -> str:
        """Return the texts before one."""
        return self.whole[: self._starts[text]]

    def end_of_list(self, at: int) -> int:
        """Return where the list ends that has the text of a place."""
        return self._ends[bisect_left(self._ends, at)]

    def hits(self, start: int, end: int, kind: str, rank: int) -> Iterator[Hit]:
        """Yield what is found from one place to another, a part for each text."""
        text = bisect_right(self._starts, start) - 1
        while (begin := self._starts[text]) < end:
            stop = min(end, self._starts[text + 1] - 1)
            if begin < stop:
                yield Hit(text, max(start - begin, 0), rank, stop - begin, kind)
            text += 1


def _folded(text: str) -> bytes:
    """Return a text as bytes; only letters of ASCII are folded, in texts and anchors alike."""
    return text.encode("utf-8", "surrogatepass").lower()


@lru_cache(maxsize=1024)
def _with_folded(anchors: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple((anchor, _folded(anchor)) for anchor in anchors)


def search(
    texts: Sequence[str],
    links: Sequence[str],
    lists: Sequence[int],
    patterns: Sequence[Pattern],
    known: Iterable[Hit] = (),
) -> list[Hit]:
    """Return what the patterns find in the texts, in order; hits may overlap.

    Args:
        texts: What is searched.
        links: Texts in which only patterns with anchors are looked for. Their indexes go on after
            those of ``texts``.
        lists: A number for each text and link. Texts beside each other with the same number are
            items of one list, and are searched as the lines of one text.
        patterns: What is looked for.
        known: Hits in ``texts`` that are known already; they are returned too.
    """
    every = [*texts, *links]
    joined = _Joined(every, lists)
    words = joined.before(len(texts))
    hits = list(known)
    for rank, pattern in enumerate(patterns):
        if not pattern.anchors:
            found = _in_lines(words, pattern)
        elif anchors := joined.present(pattern.anchors):
            found = _anchored(joined, pattern, anchors)
        else:
            continue
        for start, end in found:
            hits += joined.hits(start, end, pattern.kind, rank)
    found_again = _elsewhere(words, _words_of(every, hits)) if hits else ()
    for start, end, hit in found_again:
        hits += joined.hits(start, end, hit.kind, hit.rank)
    return sorted(hits)


def _anchored(
    joined: _Joined, pattern: Pattern, anchors: Sequence[str]
) -> Iterator[tuple[int, int]]:
    whole = joined.whole
    for anchor in anchors:
        at = whole.find(anchor)
        while at >= 0:
            after = at + len(anchor)
            if match := pattern.expression.match(whole, at, joined.end_of_list(at)):
                secrets = [*_secrets_in(match, pattern.each)]
                if pattern.accepts is None or all(
                    pattern.accepts(whole[start:end]) for start, end in secrets
                ):
                    yield from secrets
                # Also past what was not accepted: it was read and judged as a whole.
                after = max(after, match.end())
            at = whole.find(anchor, after)


def _secrets_in(match: re.Match[str], each: re.Pattern[str] | None) -> Iterator[tuple[int, int]]:
    start, end = _secret_in(match)
    if each is None:
        yield start, end
    else:
        yield from (secret.span() for secret in each.finditer(match.string, start, end))


def _secret_in(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret") if "secret" in match.re.groupindex else match.span()


# -- a person's own patterns ---------------------------------------------------------------------


def _in_lines(whole: str, pattern: Pattern) -> Iterator[tuple[int, int]]:
    start = 0
    # Each line by itself, so that \\A is its beginning, and nothing looks back over it.
    for line in whole.split("\n"):
        for match in _in_line(line, pattern.expression):
            begin, stop = _secret_in(match)
            if begin < stop and (pattern.accepts is None or pattern.accepts(line[begin:stop])):
                yield start + begin, start + stop
        start += len(line) + 1


def _in_line(line: str, expression: re.Pattern[str]) -> Iterator[re.Match[str]]:
    start, end = 0, len(line)
    while start < end:
        window = min(start + WINDOW, end)
        following = max(window - OVERLAP, start + 1) if window < end else end
        for match in expression.finditer(line, start, window):
            found: re.Match[str] | None = match
            if match.end() == window < end:
                # It may go on beyond the window, which is no end of the line either.
                room = min(match.start() + _LONGEST, end)
                found = expression.match(line, match.start(), room)
            if found is not None:
                yield found
                following = max(following, found.end())
        start = following


# -- a secret that was found, in other places ------------------------------------------------------

_SHORTEST = 16
_ALONE = re.compile(rf"\S{{{_SHORTEST},512}}+")
_WORD_BEGIN = re.compile(BEGIN)
_WORD_END = re.compile(END)

_SEPARATELY = 64
"""So many beginnings of secrets are looked for one by one, which is fast; more, at each word."""


def _stands_alone(secret: str) -> bool:
    """Tell whether a secret is a word that ordinary texts do not have."""
    return _ALONE.fullmatch(secret) is not None and varies(secret, letters=10)


def _words_of(texts: Sequence[str], hits: Iterable[Hit]) -> dict[str, Hit]:
    """Return the secrets that stand alone, each with the hit that names it."""
    ordered = sorted(hits, key=lambda hit: hit.rank, reverse=True)
    secrets = {texts[hit.text][hit.start : hit.end]: hit for hit in ordered}
    return {secret: hit for secret, hit in secrets.items() if _stands_alone(secret)}


def _elsewhere(whole: str, known: Mapping[str, Hit]) -> Iterator[tuple[int, int, Hit]]:
    sizes: dict[str, set[int]] = {}
    for secret in known:
        sizes.setdefault(secret[:_SHORTEST], set()).add(len(secret))
    ordered = {beginning: sorted(found, reverse=True) for beginning, found in sizes.items()}
    for start in _word_beginnings(whole, ordered):
        for size in ordered.get(whole[start : start + _SHORTEST], ()):
            stop = start + size
            if (hit := known.get(whole[start:stop])) and _WORD_END.match(whole, stop):
                yield start, stop, hit
                break


def _word_beginnings(whole: str, beginnings: Collection[str]) -> Iterator[int]:
    """Yield where words begin, at least those that begin as one of these texts."""
    if len(beginnings) > _SEPARATELY:
        yield from (word.start() for word in _WORD_BEGIN.finditer(whole))
        return
    for beginning in beginnings:
        at = whole.find(beginning)
        while at >= 0:
            if _WORD_BEGIN.match(whole, at):
                yield at
            at = whole.find(beginning, at + 1)
