"""A JSON text inside a string, such as the arguments of a call: it has to stay JSON. Pure.

Only what stands inside its string values is replaced, never an escape in part, and a number as a
whole. So nothing else of the text changes: spaces, order and the spelling of numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Span", "is_json", "spans_inside"]


class Span(NamedTuple):
    """A part of a text that is a secret; ``is_number`` if the stand-in needs quotes there."""

    start: int
    end: int
    kind: str
    is_number: bool = False


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


def spans_inside(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return the parts of the spans that can be replaced in a JSON text.

    A key is replaced if a span lies inside it; a span that reaches over a key and its value means
    the value.

    Args:
        text: A text that is JSON.
        spans: In order, without overlaps.
    """
    made: list[Span] = []
    tokens = _TOKEN.finditer(text)
    token = next(tokens, None)
    for span in spans:
        while token is not None and token.end() <= span.start:
            token = next(tokens, None)
        # The next span may begin in the last token of this one, which therefore stays.
        while token is not None and token.start() < span.end:
            for found in _inside(text, token, span):
                # Whole escapes and numbers may belong to two spans; the first has them.
                start = max(found.start, made[-1].end) if made else found.start
                if start < found.end:
                    made.append(found._replace(start=start))
            if token.end() > span.end:
                break
            token = next(tokens, None)
    return made


def _inside(text: str, token: re.Match[str], span: Span) -> Iterator[Span]:
    if token["number"] is not None:
        yield Span(token.start(), token.end(), span.kind, is_number=True)
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
        yield Span(start, stop, span.kind)


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
