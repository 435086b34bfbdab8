"""JSON with a fault in it: the values that are whole, and what was wrong where.

Bytes in, values out; nothing here knows a line, a file or a format. It is asked only for bytes that
``parse_json`` refuses. They may be made to be slow, so the time grows with their length
and not faster. What is mended:

    a byte that is no UTF-8          U+FFFD
    NUL bytes, byte order marks      left out, before, between and after values
    NaN, Infinity, 1e999, a long     the text of the number, because JSON has no such number
    integer
    a key twice                      the last value counts, as for most readers; the others are kept
                                     in the same object, under ``duplicate_keys``
    a raw control character          taken, if it is in a text and not NUL
    a torn value, then whole ones    the whole ones, if the line says surely where they begin

A value inside a torn value is never taken for a value of its own.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from localsessions.errors import UnstorableValueError
from localsessions.format import MAX_DEPTH, encode_value, parse_json

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["Fault", "Mended", "mended"]

_BETWEEN = re.compile("[ \t\r\n\0\ufeff]*")
_BEGIN_OF_OBJECT = re.compile(r'\{[ \t]*"$')
_BLANK_TO_THE_END = re.compile(r"\s*+\Z")
_LONGEST_INTEGER = 640
"""No setting of the interpreter makes it refuse to read an integer of this many digits."""

_SURELY_STORABLE = 2 * MAX_DEPTH
"""A value of so few characters can be stored, because it cannot be nested too deep.

A level takes two of them; a key twice makes three levels and takes ten.
"""


class Fault(NamedTuple):
    """What was wrong in a text.

    Attributes:
        position: Where, in characters.
        reason: What is wrong.
        taken: Whether the value was taken all the same, mended.
    """

    position: int
    reason: str
    taken: bool


class Mended(NamedTuple):
    """The values that stood in bytes, in order, and everything that was wrong."""

    text: str
    values: list[JsonValue]
    faults: list[Fault]

    @property
    def is_whole(self) -> bool:
        """Whether no value was left out."""
        return all(fault.taken for fault in self.faults)


def mended(data: bytes, *, only: bool = False) -> Mended:
    """Return the whole values that stand one after the other in bytes.

    Args:
        data: What ``parse_json`` refuses.
        only: Stop after the first value; what follows it is a fault then.
    """
    text, coding = _decoded(data)
    reader = _Reader(text)
    found = Mended(text, [], [])
    at = _run(reader, found, 0, only=only)
    while at < len(text) and not only and (begin := _next_begin(text, at)) is not None:
        rest = Mended(text, [], [])
        at = _run(reader, rest, begin, only=False)
        is_sure = text[begin] == "\0" or at == len(text)
        if not rest.values or not is_sure:
            break  # what follows is not surely a value
        found.values.extend(rest.values)
        found.faults.extend(rest.faults)
    if found.values and coding:
        found.faults.insert(0, coding)
    return found


def _decoded(data: bytes) -> tuple[str, Fault | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError as error:
        text = data.decode(errors="replace")
        count = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
        times = "" if count == 1 else f" ({count} times)"
        before = len(data[: error.start].decode())
        return text, Fault(before, f"bytes that are no UTF-8 became U+FFFD{times}", True)


def _run(reader: _Reader, found: Mended, at: int, *, only: bool) -> int:
    """Take values until the end or a fault; return the end, or where the fault is."""
    text = found.text
    while (begin := _skipped(found, at)) < len(text):
        if only and found.values:
            found.faults.append(Fault(begin, "something follows the document", False))
            return begin
        if found.values and text[begin] == ",":
            found.values.clear()
            found.faults.append(Fault(begin, "an item of a list, not a line of JSON Lines", False))
            return len(text)
        try:
            at = _take(reader, found, begin)
        except json.JSONDecodeError as error:
            found.faults.append(Fault(error.pos, _reason(text, error), False))
            return error.pos
        except RecursionError:
            found.faults.append(Fault(begin, "nested too deep", False))
            return len(text)
    return begin


def _skipped(found: Mended, at: int) -> int:
    """Return where the next value begins, and tell what stands before it."""
    matched = _BETWEEN.match(found.text, at)
    between, end = (matched.group(), matched.end()) if matched else ("", at)
    if nuls := between.count("\0"):
        what = "a NUL byte" if nuls == 1 else f"{nuls} NUL bytes"
        found.faults.append(Fault(at, f"{what} left out, as after a crash", True))
    if "\ufeff" in between:
        found.faults.append(Fault(at, "a byte order mark left out", True))
    return end


def _take(reader: _Reader, found: Mended, begin: int) -> int:
    """Take the value that begins at a position; return where it ends.

    Raises:
        json.JSONDecodeError: It is not whole.
    """
    text = reader.text
    reader.oddities.clear()
    try:
        value, end = reader.strict.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Invalid control character") or text[error.pos] == "\0":
            raise
        reader.oddities.clear()
        value, end = reader.lax.raw_decode(text, begin)
        if "\0" in text[begin:end]:
            raise
        reader.oddities.append("a raw control character in a text")
    if end - begin > _SURELY_STORABLE and (reason := _refusal(value)):
        found.faults.append(Fault(begin, reason, False))
        return end
    if reader.oddities:
        place = begin + _doubt(text[begin:end])
        found.faults.extend(Fault(place, oddity, True) for oddity in dict.fromkeys(reader.oddities))
    found.values.append(value)
    return end


def _refusal(value: JsonValue) -> str | None:
    try:
        encode_value(value)
    except UnstorableValueError as error:
        return error.reason
    return None


def _doubt(text: str) -> int:
    """Return where the first odd thing of a value is."""
    try:
        parse_json(text.encode(errors="surrogatepass"))
    except json.JSONDecodeError as error:
        return error.pos
    return 0


def _reason(text: str, error: json.JSONDecodeError) -> str:
    if _BLANK_TO_THE_END.match(text, error.pos) or error.msg.startswith("Unterminated string"):
        return "it ends in the middle, as after a torn write"
    if text[error.pos] == "\0":
        return "NUL bytes in the middle, as after a crash"
    return f"no JSON: {error.msg}"


def _next_begin(text: str, fault_at: int) -> int | None:
    """Return where whole values may begin again after a torn one; None if nothing says so.

    A torn value swallows the begin of the next. If it was torn outside of a text, the fault is at
    the next ``{``. If it was torn in a text, that text ends with ``{`` at the first quote, so the
    fault is right after ``{"``.
    """
    if text[fault_at] in "\0{":
        return fault_at
    if matched := _BEGIN_OF_OBJECT.search(text[max(0, fault_at - 16) : fault_at]):
        return fault_at - len(matched.group())
    return None


class _Uncounted(str):
    """A text whose lines are not counted.

    ``JSONDecodeError`` counts the lines from the begin of its text up to the fault. Here a text may
    have as many faults as values, and only their positions are asked for.
    """

    __slots__ = ()

    def count(self, *_: object) -> int:
        """Count nothing."""
        return 0

    def rfind(self, *_: object) -> int:
        """Find nothing."""
        return -1


class _Reader:
    """A decoder that takes what JSON does not have, and notes that it did.

    Attributes:
        text: What is read.
        oddities: What was taken that JSON does not have; it is cleared before each value.
    """

    def __init__(self, text: str) -> None:
        self.text = _Uncounted(text)
        self.oddities: list[str] = []
        self.strict = self._decoder(strict=True)
        self.lax = self._decoder(strict=False)

    def _decoder(self, *, strict: bool) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._odd_number,
            parse_float=self._float,
            parse_int=self._integer,
            strict=strict,
        )

    def _object(self, pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        given: dict[str, list[JsonValue]] = {}
        for key, item in pairs:
            given.setdefault(key, []).append(item)
        others: dict[str, JsonValue] = {}
        for key, items in given.items():
            if len(items) > 1:
                self.oddities.append(f"the key {key[:60]!r} stands {len(items)} times")
                if earlier := [item for item in items[:-1] if item != items[-1]]:
                    others[key] = earlier
        return {"duplicate_keys": others, **value} if others else value

    def _float(self, token: str) -> float | str:
        value = float(token)
        return value if isfinite(value) else self._odd_number(token)

    def _integer(self, token: str) -> int | str:
        return int(token) if len(token) <= _LONGEST_INTEGER else self._odd_number(token)

    def _odd_number(self, token: str) -> str:
        self.oddities.append(f"the number {token[:20]} became a text")
        return token
