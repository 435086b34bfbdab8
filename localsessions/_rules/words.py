"""How a text is folded for the search, and how a snippet is made.

The full-text index consists of trigrams, so that parts of words are found in every script. Two
rules make it fit all scripts. First, letters are folded (Unicode NFKC, case), and everything else
becomes a space. Second, in a script whose words have a single sign or two (Han, Kana, Hangul), each
letter is followed by two fillers, so that a single sign is a trigram too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["Phrases", "fold"]

_FILLER = "\ue000\ue000"
# Patterns are compiled when they are used: compiling takes longer than importing this module.
_SHORT_WORDS = (
    "[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u312f"
    "\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_VOICED = "[\uff66-\uff9d][\uff9e\uff9f]"
_BEFORE, _AFTER = 40, 100
# A long text is searched in parts until a part has a hit; no phrase is longer than the overlap.
_BLOCK, _OVERLAP = 20_000, 2_000


class _Letters(dict[int, str]):
    """The table for ``str.translate``; each code point is folded at its first use."""

    def __missing__(self, code: int) -> str:
        letters = []
        for char in unicodedata.normalize("NFKC", chr(code)).casefold():
            if unicodedata.category(char)[0] not in "LNM":
                letters.append(" ")
            elif re.match(_SHORT_WORDS, char):
                letters.append(char + _FILLER)
            else:
                letters.append(char)
        self[code] = "".join(letters)
        return self[code]


_letters = _Letters()


def fold(text: str) -> str:
    """Return a text as it is indexed: folded words, with a space between and around them."""
    words = _normal(text).translate(_letters).split()
    return f" {' '.join(words)} "


def _normal(text: str) -> str:
    """Compose pairs of code points: letters with accents, and voiced Kana of half width."""
    composed = unicodedata.normalize("NFC", text)
    return re.sub(_VOICED, lambda match: unicodedata.normalize("NFKC", match.group()), composed)


class Phrases:
    """A search text: all its words must occur; words in quotes must follow each other.

    A word is also found inside longer words. A word of two letters is found only at the beginning
    or the end of a word, and a single letter only as a whole word. Chinese, Japanese and Korean
    words may have any length.

    Raises:
        ValueError: The text holds no letter and no digit.
    """

    def __init__(self, text: str) -> None:
        quoted_or_not = re.findall(r'"([^"]*)"|(\S+)', text)
        phrases = [fold(quoted or plain).strip() for quoted, plain in quoted_or_not]
        self.phrases = list(dict.fromkeys(phrase for phrase in phrases if phrase))
        if not self.phrases:
            raise ValueError(f"{text!r} holds no letter or digit to search for")

    @property
    def match(self) -> str:
        """The query in FTS5 syntax."""
        return " AND ".join(f"({' OR '.join(_variants(phrase))})" for phrase in self.phrases)

    def occurs_in(self, text: str) -> bool:
        """Tell whether a text matches the query."""
        return self.count_in(text) == len(self.phrases)

    def count_in(self, text: str) -> int:
        """Return how many of the query's words and phrases occur in a text."""
        folded = fold(text)
        return sum(
            any(variant[1:-1] in folded for variant in _variants(phrase)) for phrase in self.phrases
        )

    def places(self, text: str) -> tuple[str, list[tuple[int, int]]]:
        """Return a text in normal form, and where the query's words are in it."""
        text = _normal(text)
        folded, origin = _fold_with_origin(text)
        spans = []
        for phrase in self.phrases:
            for variant in _variants(phrase):
                needle = variant[1:-1]
                at = folded.find(needle)
                while at >= 0:
                    inner = at + len(needle) - len(needle.lstrip(" "))
                    last = at + len(needle.rstrip(" ")) - 1
                    spans.append((origin[inner], origin[last] + 1))
                    at = folded.find(needle, at + 1)
        return text, _merged(sorted(spans))

    def snippet(self, text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """Return the text around the first hit, on a single line, and where the hits are in it."""
        for block in range(0, len(text), _BLOCK):
            lead_in = max(0, block - _BEFORE)
            part, spans = self.places(text[lead_in : block + _BLOCK + _OVERLAP])
            if spans:
                return self._around(part, spans, cut=lead_in > 0)
        return self._around(text[: _BEFORE + _AFTER], [], cut=False)

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


def _variants(phrase: str) -> Iterator[str]:
    """Yield quoted strings, at least one of which must occur; a trigram needs three letters."""
    if len(phrase) >= 3:
        yield f'"{phrase}"'
    elif len(phrase) == 2:
        yield f'" {phrase}"'
        yield f'"{phrase} "'
    else:
        yield f'" {phrase} "'


def _fold_with_origin(text: str) -> tuple[str, list[int]]:
    """Fold a text; return the result and, for each of its letters, the position in the text."""
    letters, origin = [" "], [0]
    for index, char in enumerate(text):
        for letter in _letters[ord(char)]:
            if letter != " " or letters[-1] != " ":
                letters.append(letter)
                origin.append(index)
    if letters[-1] != " ":
        letters.append(" ")
        origin.append(max(len(text) - 1, 0))
    return "".join(letters), origin


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
