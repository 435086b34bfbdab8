"""Where the secrets are in many texts. Pure.

All texts are searched as one, joined by newlines, so that a look for an anchor costs one search in
C and not one for each text. The shape of the data::

    texts --joined--> one text --anchors, lines--> Hit(text, start, end, kind, rank)
                                              and again, where a secret that was found stands alone

The time grows with the length of the texts: a trial at an anchor reads a bounded part, or a part
that no other trial of the pattern reads again (``patterns.py``), and a person's own pattern sees at
most ``WINDOW`` characters at once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from localsessions.redaction.patterns import Pattern

__all__ = ["OVERLAP", "WINDOW", "Hit", "search"]

WINDOW = 2_048
"""How much of a line a pattern without anchors sees at once, in characters."""

OVERLAP = 512
"""By how much the next part of a long line begins before the end of the last."""

_LONGEST = 1 << 16
_WORD = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}+")


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

    def __init__(self, texts: Sequence[str]) -> None:
        self.whole = "\n".join(texts)
        self._starts = [0, *accumulate(len(text) + 1 for text in texts)]
        # In lower case, for one look at all spellings; as bytes, for that is several times faster.
        self._folded = self.whole.encode("utf-8", "surrogatepass").lower()
        self._known: dict[bytes, bool] = {}

    def may_have(self, anchor: str) -> bool:
        folded = _folded(anchor)
        if folded not in self._known:
            self._known[folded] = folded in self._folded
        return self._known[folded]

    def end_of_text(self, at: int) -> int:
        return self._starts[bisect_right(self._starts, at)] - 1

    def hit(self, start: int, end: int, kind: str, rank: int) -> Hit:
        text = bisect_right(self._starts, start) - 1
        begin = self._starts[text]
        return Hit(text, start - begin, rank, end - begin, kind)


@lru_cache(maxsize=1024)
def _folded(anchor: str) -> bytes:
    return anchor.lower().encode()


def search(
    texts: Sequence[str], patterns: Sequence[Pattern], known: Iterable[Hit] = ()
) -> list[Hit]:
    """Return what the patterns find in the texts, in order; hits may overlap.

    Args:
        texts: What is searched.
        patterns: What is looked for.
        known: Hits that are known already; they are returned too.
    """
    joined = _Joined(texts)
    hits = list(known)
    for rank, pattern in enumerate(patterns):
        found = _anchored(joined, pattern) if pattern.anchors else _in_lines(joined.whole, pattern)
        hits += [joined.hit(start, end, pattern.kind, rank) for start, end in found]
    hits += _elsewhere(joined, _words_of(texts, hits))
    return sorted(hits)


def _anchored(joined: _Joined, pattern: Pattern) -> Iterator[tuple[int, int]]:
    whole = joined.whole
    for anchor in filter(joined.may_have, pattern.anchors):
        at = whole.find(anchor)
        while at >= 0:
            after = at + len(anchor)
            if match := pattern.expression.match(whole, at, joined.end_of_text(at)):
                start, end = _secret_in(match)
                if pattern.accepts is None or pattern.accepts(whole[start:end]):
                    yield start, end
                # Also past what was not accepted: it was read and judged as a whole.
                after = max(after, match.end())
            at = whole.find(anchor, after)


def _secret_in(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret") if "secret" in match.re.groupindex else match.span()


# -- a person's own patterns ---------------------------------------------------------------------


def _in_lines(whole: str, pattern: Pattern) -> Iterator[tuple[int, int]]:
    start = 0
    while start <= len(whole):
        end = whole.find("\n", start)
        end = len(whole) if end < 0 else end
        for match in _in_line(whole, pattern.expression, start, end):
            begin, stop = _secret_in(match)
            if begin < stop and (pattern.accepts is None or pattern.accepts(whole[begin:stop])):
                yield begin, stop
        start = end + 1


def _in_line(
    whole: str, expression: re.Pattern[str], start: int, end: int
) -> Iterator[re.Match[str]]:
    while start < end:
        window = min(start + WINDOW, end)
        following = max(window - OVERLAP, start + 1) if window < end else end
        for match in expression.finditer(whole, start, window):
            found: re.Match[str] | None = match
            if match.end() == window < end:
                # It may go on beyond the window, which is no end of the line either.
                room = min(match.start() + _LONGEST, end)
                found = expression.match(whole, match.start(), room)
            if found is not None:
                yield found
                following = max(following, found.end())
        start = following


# -- a secret that was found, in other places ------------------------------------------------------


def _stands_alone(secret: str) -> bool:
    """Tell whether a secret is a word that nobody writes for another reason."""
    return (
        _WORD.fullmatch(secret) is not None
        and len(set(secret)) >= 10
        and any(map(str.isdigit, secret))
    )


def _words_of(texts: Sequence[str], hits: Iterable[Hit]) -> dict[str, Hit]:
    """Return the secrets that stand alone, each with the hit that names it."""
    ordered = sorted(hits, key=lambda hit: hit.rank, reverse=True)
    secrets = {texts[hit.text][hit.start : hit.end]: hit for hit in ordered}
    return {secret: hit for secret, hit in secrets.items() if _stands_alone(secret)}


def _elsewhere(joined: _Joined, known: Mapping[str, Hit]) -> Iterator[Hit]:
    if not known:
        return
    for word in _WORD.finditer(joined.whole):
        start, end = word.span()
        if start and joined.whole[start - 1] == "\\":
            start += 1  # the letter of \n
        for stop in (end, start + len(joined.whole[start:end].rstrip("="))):
            if hit := known.get(joined.whole[start:stop]):
                yield joined.hit(start, stop, hit.kind, hit.rank)
                break
