"""A JSON text inside a string, such as the arguments of a call: it has to stay JSON. Pure.

Only what stands inside its strings is replaced, never an escape in part, and a number as a whole.
So nothing else of the text changes: spaces, order and the spelling of numbers. Keys that differ
still differ: a parser would keep one of two equal ones. The lines of a text that is no JSON are
such texts too, and so is what a string says, ``LEVELS`` deep.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from localsessions.redaction.patterns import LEVELS

__all__ = [
    "Span",
    "is_json",
    "replaced",
    "respelled",
    "spans_inside",
    "without_needless_escapes",
]


class Span(NamedTuple):
    """A part of a text that is a secret.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        kind: What the stand-in calls it.
        quote: What stands on both sides of the stand-in: of a number, the quote of a string.
        key: Where the key of a JSON object begins and ends in which it stands; None outside of one.
        ending: What follows the stand-in, so that the key is another than the others.
    """

    start: int
    end: int
    kind: str
    quote: str = ""
    key: tuple[int, int] | None = None
    ending: str = ""

    @property
    def stand_in(self) -> str:
        """What takes its place."""
        return f"{self.quote}[REDACTED:{self.kind}]{self.ending}{self.quote}"

    def moved(self, by: int) -> Span:
        """Return it so many characters further on."""
        return self._replace(start=self.start + by, end=self.end + by)


def replaced(text: str, spans: Iterable[Span]) -> str:
    """Return a text in which each span is its stand-in."""
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], span.stand_in]
        at = span.end
    return "".join([*parts, text[at:]])


# -- what can be replaced ------------------------------------------------------------------------


_TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\]|\\.)*+)"(?P<colon>[ \t\r\n]*+:)?|(?P<number>-?[0-9][0-9.eE+-]*+)',
    re.DOTALL,
)


def is_json(text: str) -> bool:
    """Tell whether a text is a JSON object or list."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def without_needless_escapes(text: str, levels: int = LEVELS) -> str:
    r"""Return the same JSON with each character as itself where JSON allows that.

    Some programs write ``\u5bc6``, ``\u003c`` or ``\/``, whose last character would look like a
    part of the word after it. A text inside a text likewise, so many levels deep, and lines that
    are JSON. Any other text stays.
    """
    if "\\u" not in text and "\\/" not in text:
        return text
    if is_json(text):
        return _STRING.sub(lambda string: _as_itself(string[0], levels - 1), text)
    first, *lines = text.split("\n")
    if not lines:
        return text
    return "\n".join(without_needless_escapes(line, levels) for line in (first, *lines))


def _as_itself(string: str, levels: int) -> str:
    if "\\" not in string:
        return string
    value: str = json.loads(string, strict=False)
    if _HALVES.search(value):
        return string  # half of a pair stands nowhere but in an escape
    inside = without_needless_escapes(value, levels) if levels else value
    return json.dumps(inside, ensure_ascii=False)


def respelled(original: str, plain: str, left: str) -> str:
    """Return what is left of a text, with its own spelling where nothing was replaced.

    Args:
        original: The text.
        plain: The text without needless escapes.
        left: What is left of that.
    """
    if original == plain:
        return left
    if not is_json(original):
        lines = [text.split("\n") for text in (original, plain, left)]
        are_alike = len({*map(len, lines)}) == 1
        return "\n".join(map(respelled, *lines)) if are_alike else left
    every = [[*_TOKEN.finditer(text)] for text in (original, plain, left)]
    if len({*map(len, every)}) > 1:
        return left
    parts, at = [], 0
    for own, before, now in zip(*every, strict=True):
        parts += [left[at : now.start()], own[0] if before[0] == now[0] else now[0]]
        at = now.end()
    return "".join([*parts, left[at:]])


_HALVES = re.compile("[\ud800-\udfff]")


def spans_inside(text: str, spans: Sequence[Span], levels: int = LEVELS) -> list[Span]:
    """Return the parts of the spans that can be replaced so that what is JSON stays JSON.

    Args:
        text: A text that is JSON, or has lines that are, or any other.
        spans: In order, without overlaps.
        levels: How many texts, one inside the other, are read as JSON.
    """
    if is_json(text):
        return _in_json(text, spans, levels)
    # Where each line of JSON begins and ends in turn; after an odd number of these is one.
    borders = [*_borders(text)]
    parts = (part for span in spans for part in _cut(text, span, borders))
    made: list[Span] = []
    for passed, group in groupby(parts, key=lambda part: bisect_right(borders, part.start)):
        if passed % 2:
            begin, end = borders[passed - 1], borders[passed]
            inside = _in_json(text[begin:end], [part.moved(-begin) for part in group], levels)
            made += [span.moved(begin) for span in inside]
        else:
            made += group
    return made


def _borders(text: str) -> Iterator[int]:
    begin = 0
    for line in text.split("\n"):
        if is_json(line):
            yield from (begin, begin + len(line))
        begin += len(line) + 1


def _cut(text: str, span: Span, borders: Sequence[int]) -> Iterator[Span]:
    inner = borders[bisect_right(borders, span.start) : bisect_left(borders, span.end)]
    for start, end in pairwise([span.start, *inner, span.end]):
        # What ends the lines stays.
        if not borders or text[start:end].strip():
            yield span._replace(start=start, end=end)


def _in_json(text: str, spans: Iterable[Span], levels: int) -> list[Span]:
    """Return the parts of the spans that can be replaced in a JSON text.

    A key is replaced if a span lies inside it; a span that reaches over a key and its value means
    the value. The second key that would have the name of another is numbered.
    """
    made: list[tuple[re.Match[str], Span]] = []
    tokens = _TOKEN.finditer(text)
    token = next(tokens, None)
    for span in spans:
        while token is not None and token.end() <= span.start:
            token = next(tokens, None)
        # The next span may begin in the last token of this one, which therefore stays.
        while token is not None and token.start() < span.end:
            for found in _inside(text, token, span):
                # Whole escapes and numbers may belong to two spans; the first has them.
                start = max(found.start, made[-1][1].end) if made else found.start
                if start < found.end:
                    made.append((token, found._replace(start=start)))
            if token.end() > span.end:
                break
            token = next(tokens, None)
    said = [
        span
        for token, group in groupby(made, key=itemgetter(0))
        for span in _in_string(token, [span for _, span in group], levels)
    ]
    return list(_numbered(text, said)) if any(span.key for span in said) else said


_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)
_MAY_BE_JSON = re.compile(r"^[ \t\r]*+[\[{]", re.MULTILINE)


def _in_string(token: re.Match[str], spans: list[Span], levels: int) -> list[Span]:
    """Return what can be replaced in a string, if what it says is JSON or has lines that are."""
    raw = token["text"]
    if levels == 1 or raw is None or token["colon"] or ("{" not in raw and "[" not in raw):
        return spans
    said: str = json.loads(f'"{raw}"')
    if not _MAY_BE_JSON.search(said):
        return spans
    begin, end = token.span("text")
    at = [*(begin + character.start() for character in _CHARACTER.finditer(raw)), end]
    moved = [
        span._replace(start=bisect_left(at, span.start), end=bisect_left(at, span.end))
        for span in spans
    ]
    return [
        span._replace(
            start=at[span.start], end=at[span.end], quote=json.dumps(span.quote)[1:-1], key=None
        )
        for span in spans_inside(said, moved, levels - 1)
    ]


def _inside(text: str, token: re.Match[str], span: Span) -> Iterator[Span]:
    if token["number"] is not None:
        yield Span(token.start(), token.end(), span.kind, quote='"')
        return
    begin, end = token.span("text")
    reaches_out = span.start < begin or span.end > end
    if token["colon"] and reaches_out:
        return
    start, stop = max(span.start, begin), min(span.end, end)
    if escape := _escape_over(text, begin, start):
        # The n of \n looks like a part of the word after it; all of \u0041 is one character.
        start = escape[1] if escape[1] - escape[0] == _SHORT else escape[0]
    if escape := _escape_over(text, begin, stop):
        stop = escape[1]
    if start < stop:
        yield Span(start, stop, span.kind, key=(begin, end) if token["colon"] else None)


_SHORT, _LONG = 2, 6


def _escape_over(text: str, begin: int, at: int) -> tuple[int, int] | None:
    """Return where the escape begins and ends that a place would cut in two; None if none."""
    for start in range(at - 1, max(begin, at - _LONG + 1) - 1, -1):
        if text[start] != "\\":
            continue
        before = start
        while before >= begin and text[before] == "\\":
            before -= 1
        if (start - before) % 2:  # else it is the second of two backslashes
            end = start + (_LONG if text[start + 1] == "u" else _SHORT)
            return (start, end) if at < end else None
    return None


# -- keys ----------------------------------------------------------------------------------------


def _numbered(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Give each key a name that no other key of the text has; the same key has the same name."""
    grouped = [(key, list(group)) for key, group in groupby(spans, key=lambda span: span.key)]
    taken = {token["text"] for token in _TOKEN.finditer(text) if token["colon"]}
    taken -= {text[slice(*key)] for key, _ in grouped if key}
    numbers: Counter[str] = Counter()
    endings: dict[tuple[str, str], str] = {}
    for key, group in grouped:
        if key is None:
            yield from group
            continue
        begin, end = key
        old = text[begin:end]
        inside = [one._replace(start=one.start - begin, end=one.end - begin) for one in group]
        wanted = replaced(old, inside)
        if (old, wanted) not in endings:
            endings[old, wanted] = _ending(old, inside, taken, numbers)
        yield from (*group[:-1], group[-1]._replace(ending=endings[old, wanted]))


def _ending(old: str, spans: Sequence[Span], taken: set[str], numbers: Counter[str]) -> str:
    """Return what has to follow the last stand-in of a key, so that its name is not taken yet."""
    wanted = name = replaced(old, spans)
    ending = ""
    while name in taken:
        numbers[wanted] += 1
        ending = f"~{numbers[wanted] + 1}"
        name = replaced(old, [*spans[:-1], spans[-1]._replace(ending=ending)])
    taken.add(name)
    return ending
