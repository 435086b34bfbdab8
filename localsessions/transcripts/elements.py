"""A JSON list cut into its elements, as bytes, so that memory holds a chunk and an element.

Nothing here knows what an element holds; only texts and brackets are looked at, so an element may
be anything, also a fault. The shape of the data::

    [ element , element , ... ]     an element is what stands between two commas of the list
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BrokenList", "Element", "elements_of", "opens_list"]

# Possessive, so that a text of any length takes no memory and is never looked at twice.
_IN_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_REST_OF_TEXT = re.compile(_IN_TEXT, re.DOTALL)
_OPENING = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[(?!\0)")
_BLANK = b" \t\r\n"
_QUOTE, _COMMA = b'",'
_CLOSING = dict(zip(b"[{", b"]}", strict=True))


def _up_to(signs: bytes) -> re.Pattern[bytes]:
    """Return what matches up to one of some signs that stands in no text, or to an open text."""
    others = rb'[^"' + re.escape(signs) + rb"]*+"
    return re.compile(others + rb'(?:"' + _IN_TEXT + rb'"' + others + rb")*+", re.DOTALL)


_IN_ELEMENT = _up_to(b"[]{}")
_IN_LIST = _up_to(b"[]{},")


class Element(NamedTuple):
    """An element of a list.

    Attributes:
        line: The line on which it begins, from 1.
        data: Its bytes, without blanks around them; empty if two commas follow each other.
    """

    line: int
    data: bytes


class BrokenList(Exception):  # noqa: N818  (a fact about the bytes, not a fault of the program)
    """The bytes are no list from here on; the elements before it are whole.

    Attributes:
        line: Where.
        reason: What is wrong.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


def opens_list(head: bytes) -> bool:
    """Tell whether bytes in UTF-8 begin with the bracket of a list."""
    return _OPENING.match(head) is not None


def elements_of(chunks: Iterable[bytes]) -> Iterator[Element]:
    """Yield the elements of a list that ``opens_list`` told.

    NUL bytes after the list, as after a crash, are yielded as the last element.

    Raises:
        BrokenList: It ends in the middle, a bracket closes another than was opened, or something
            follows it. A torn element is held to its end, which may be that of the bytes.
    """
    cutter = _Cutter()
    for chunk in chunks:
        yield from cutter.cut(chunk)
    yield from cutter.end()


class _Cutter:
    """What is known between two chunks."""

    def __init__(self) -> None:
        self._line = 1
        self._pieces: list[bytes] = []
        self._opened = bytearray()
        self._in_text = False
        self._escape = b""
        self._is_begun = self._is_closed = self._has_elements = False

    def cut(self, chunk: bytes) -> Iterator[Element]:
        chunk, self._escape = self._escape + chunk, b""
        begin = at = 0 if self._is_begun else self._after_opening(chunk)
        while not self._is_closed and (at := self._next_sign(chunk, at)) < len(chunk):
            sign, at = chunk[at], at + 1
            if sign == _QUOTE:
                self._in_text = True
            elif sign in _CLOSING:
                self._opened.append(_CLOSING[sign])
            elif sign != _COMMA:
                self._close(sign, chunk[begin:at])
            if sign == _COMMA or self._is_closed:
                yield from self._element(chunk[begin : at - 1])
                begin = at
        self._pieces.append(chunk[begin : len(chunk) - len(self._escape)])
        if self._is_closed and self._pieces[-1].strip(b" \t\r\n\0"):
            before = self._lines_before(b"".join(self._pieces))
            raise BrokenList(self._line + before, "something follows the list")

    def end(self) -> Iterator[Element]:
        rest = b"".join(self._pieces)
        if not self._is_closed:
            line = self._line + rest.rstrip().count(b"\n")
            raise BrokenList(line, "it ends in the middle, as after a torn write")
        if rest.strip(_BLANK):
            yield Element(self._line + self._lines_before(rest), rest.strip(_BLANK))

    def _after_opening(self, chunk: bytes) -> int:
        opening = _OPENING.match(chunk)
        if opening is None:
            raise BrokenList(1, "no list")
        self._is_begun = True
        self._opened += b"]"
        self._line += opening.group().count(b"\n")
        return opening.end()

    def _next_sign(self, chunk: bytes, at: int) -> int:
        """Return where the next quote, bracket or comma of the list is; the end if there is none.

        A backslash that ends a chunk is kept for the next, which has what it stands for.
        """
        if self._in_text:
            at = _end(_REST_OF_TEXT, chunk, at)
            if at == len(chunk):
                return at
            if chunk[at] != _QUOTE:
                self._escape = chunk[at:]
                return len(chunk)
            self._in_text = False
            at += 1
        return _end(_IN_LIST if len(self._opened) == 1 else _IN_ELEMENT, chunk, at)

    def _close(self, sign: int, before: bytes) -> None:
        if self._opened.pop() != sign:
            line = self._line + sum(piece.count(b"\n") for piece in (*self._pieces, before))
            raise BrokenList(line, f"no JSON: {chr(sign)!r} closes what was opened otherwise")
        self._is_closed = not self._opened

    def _element(self, last: bytes) -> Iterator[Element]:
        data = b"".join((*self._pieces, last))
        self._pieces.clear()
        line = self._line + self._lines_before(data)
        self._line += data.count(b"\n")
        data = data.strip(_BLANK)
        if data or self._has_elements or not self._is_closed:
            self._has_elements = True
            yield Element(line, data)

    def _lines_before(self, data: bytes) -> int:
        return data[: len(data) - len(data.lstrip(_BLANK))].count(b"\n")


def _end(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    """Return where a match ends that may be empty."""
    found = pattern.match(chunk, at)
    return found.end() if found else at
