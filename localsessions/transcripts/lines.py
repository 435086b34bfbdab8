"""JSON and JSON Lines out of bytes: what is whole is taken, the rest is told with its place.

Nothing here knows a format, a container or a disk. A list is cut into its elements
(``elements.py``), JSON Lines into lines; each is parsed by itself, those after the first chunk when
they are asked for. Any other document is read whole. The shape of the data::

    Content
      document   the value if the bytes are one JSON value, else None; of a list, the elements that
                 begin in the first chunk
      rest       the other elements of the list, each parsed when it is asked for; None if all
                 are in the document
      records    the objects of JSON Lines, each with its line, of long ones those of the first
                 chunk; a document that is an object is also a record, because it looks the same as
                 JSON Lines with one line
      more       the other objects, each parsed when it is asked for; None if all are in records
      bad_lines  what was left out or mended, each with its line and the reason
      lines      how many lines there are
      refusal    what is wrong with the whole, if only elements or lines are taken
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import orjson

from localsessions.format import MAX_DEPTH, parse_json
from localsessions.transcripts.elements import BrokenList, elements_of, opens_list
from localsessions.transcripts.foreign import is_deeper
from localsessions.transcripts.mending import Fault, Mended, mended

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.transcripts.elements import Element
    from localsessions.transcripts.foreign import Object

__all__ = ["BadLine", "Content", "Record", "content_of", "fault_of", "json_of"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16 = re.compile(rb"\xff\xfe|\xfe\xff|[\[{]\0[^\0]\0|\0[\[{]\0[^\0]")
_CONFLICT_MARKER = b"<<<<<<< "
_NOISE = b" \t\r\n\0\xef\xbb\xbf"
_CONFLICT = "merge conflict markers; resolve the conflict"
_NULS = "NUL bytes only, as after a crash"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A place of a source that was not taken as it stands.

    Attributes:
        line: Counts from 1; in a database, the row of its table.
        reason: What is wrong.
        taken: Whether the record was taken all the same, mended as the reason says.
    """

    line: int
    reason: str
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object of JSON Lines.

    Attributes:
        line: Counts from 1.
        value: The object.
        nth: Which object of its line this is, from 1; after a lost newline there are several.
    """

    line: int
    value: Object
    nth: int = 1

    @property
    def position(self) -> int:
        """A number that no other record of the source has, and that stays when it grows."""
        return self.line if self.nth == 1 else self.line * 1_000_000 + self.nth


@dataclass(slots=True)
class Content:
    """What bytes hold, see above."""

    document: JsonValue = None
    records: list[Record] = field(default_factory=list)
    bad_lines: list[BadLine] = field(default_factory=list)
    lines: int = 0
    rest: Iterator[JsonValue] | None = None
    more: Iterator[Record] | None = None
    refusal: json.JSONDecodeError | None = None

    @property
    def is_long(self) -> bool:
        """Whether there is something that is parsed when it is asked for."""
        return self.rest is not None or self.more is not None


def content_of(chunks: Iterable[bytes]) -> Content:
    """Return the JSON that bytes hold.

    Of a list or of JSON Lines with more than one chunk, the other chunks are read when ``rest`` or
    ``more`` is, and what is left out of them is told then.

    Raises:
        json.JSONDecodeError: They are neither JSON nor JSON Lines, as ``fault_of`` says.
    """
    chunks = iter(chunks)
    head = b""
    for chunk in chunks:
        head += chunk
        if head.strip(_NOISE):
            break
    if opens_list(head):
        return _listed(head, chunks)
    later = _Later(chunks)
    lines = _lines(chain((head,), later))
    opening: list[bytes] = []
    for line in lines:
        opening.append(line)
        if line.strip():
            break
    first = opening[-1].removeprefix(_BYTE_ORDER_MARK) if len(opening) == 1 else opening[-1]
    if not _UTF16.match(first) and isinstance(value := _whole(first.strip()), dict):
        return _streamed(value, len(opening), lines, later)
    return _gathered(b"\n".join(chain(opening, lines)))


def json_of(data: bytes) -> tuple[JsonValue, tuple[Fault, ...]]:
    """Return a JSON value that stands alone, such as in a cell of a table, and what was mended.

    Raises:
        json.JSONDecodeError: It is not JSON, or not whole.
    """
    try:
        return parse_json(data), ()
    except json.JSONDecodeError:
        found = mended(data, only=True)
        if len(found.values) != 1 or not found.is_whole:
            raise
        return found.values[0], tuple(found.faults)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    open_line: list[bytes] = []
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        open_line.append(first)
        if more:
            yield b"".join(open_line)
            yield from more[:-1]
            open_line = [more[-1]]
    yield b"".join(open_line)


def _whole(line: bytes) -> JsonValue:
    """Return the value of a line without a fault; None if it has one.

    Most programs write lines as orjson does. Then writing the value again gives the same bytes,
    which proves that orjson lost nothing, and takes a fraction of what ``parse_json`` takes.
    """
    try:
        value: JsonValue = orjson.loads(line)
        if orjson.dumps(value) == line and not _is_deep(line, value):
            return value
    except (orjson.JSONDecodeError, TypeError):
        pass  # not JSON for orjson, or nested deeper than it writes: parse_json says which
    try:
        return parse_json(line)
    except json.JSONDecodeError:
        return None


def _is_deep(line: bytes, value: JsonValue) -> bool:
    """Tell whether a value is nested deeper than a session can be."""
    return line.count(b"{") + line.count(b"[") > MAX_DEPTH and is_deeper(value, MAX_DEPTH)


def _streamed(first: Object, number: int, lines: Iterator[bytes], later: _Later) -> Content:
    """Return the content of bytes that begin with a line that is an object."""
    content = Content(records=[Record(number, first)], lines=number)
    for line in lines:
        content.records += _records(content, line)
        if later.is_begun and len(content.records) > 1:
            content.more = _others(content, lines)
            return content
    if len(content.records) == 1 and all(bad.reason == _NULS for bad in content.bad_lines):
        content.document = first
    content.refusal = fault_of(content.records, content.bad_lines)
    return content


def _others(content: Content, lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        yield from _records(content, line)


def fault_of(
    records: Sequence[Record], bad_lines: Iterable[BadLine]
) -> json.JSONDecodeError | None:
    """Return why JSON Lines are none as a whole; None if they are.

    Lines that are torn, or were never JSON, are accepted as long as they are not more than the
    good lines.
    """
    left_out = {bad.line: bad for bad in bad_lines if not bad.taken}
    if records and not left_out:
        return None
    if conflict := next((bad for bad in left_out.values() if bad.reason == _CONFLICT), None):
        # Otherwise both sides of a merge conflict would become one session.
        return _fault(_CONFLICT, conflict.line)
    for record in records:
        left_out.pop(record.line, None)
    if len(records) < max(len(left_out), 1):
        return _fault("more lines are no JSON than are", min(left_out, default=1))
    return None


def _records(content: Content, line: bytes) -> list[Record]:
    """Return the objects of the next line; count it, and tell what is left out of it or mended."""
    content.lines += 1
    number = content.lines
    is_conflict = line.startswith(_CONFLICT_MARKER)
    line = line.strip()
    if not line:
        return []
    if line.startswith(b"{") and isinstance(value := _whole(line), dict):
        return [Record(number, value)]
    if not line.lstrip(_NOISE).startswith(b"{"):
        reason = "not a JSON object" if line.strip(b"\0") else _NULS
        content.bad_lines.append(BadLine(number, _CONFLICT if is_conflict else reason))
        return []
    found = mended(line)
    objects = [value for value in found.values if isinstance(value, dict)]
    if len(objects) < len(found.values):
        content.bad_lines.append(BadLine(number, "not a JSON object"))
    content.bad_lines.extend(
        BadLine(number, f"{fault.reason} (column {fault.position + 1})", fault.taken)
        for fault in found.faults
        if objects or not fault.taken
    )
    return [Record(number, value, nth) for nth, value in enumerate(objects, start=1)]


def _listed(head: bytes, chunks: Iterator[bytes]) -> Content:
    """Return the content of bytes that open a list, which may be a line of JSON Lines all the same.

    Raises:
        json.JSONDecodeError: As ``content_of``, and no object of the list is whole.
    """
    more = _Later(chunks)
    listed: list[JsonValue] = []
    content = Content(listed)
    values = _values(elements_of(chain((head,), more)), content)
    broken: json.JSONDecodeError | None = None
    try:
        for value in values:
            listed.append(value)
            if more.is_begun:
                content.rest = _told_at_the_end(values, content)
                return content
    except BrokenList as error:
        broken = _fault(error.reason, error.line)
        if more.is_begun:
            content.bad_lines.append(BadLine(error.line, error.reason))
    has_objects = any(isinstance(value, dict) for value in listed)
    if broken is None and (has_objects or all(bad.taken for bad in content.bad_lines)):
        return content
    if not more.is_begun:
        try:
            return _gathered(b"".join((head, *chunks)))
        except json.JSONDecodeError as error:
            if broken is not None:
                content.bad_lines.append(BadLine(error.lineno, error.msg))
            broken = error
    if not has_objects:
        first = next(bad for bad in content.bad_lines if not bad.taken)
        raise broken or _fault(first.reason, first.line)
    content.refusal = broken
    return content


class _Later:
    """Chunks, and whether any was asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.is_begun = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.is_begun = True
            yield chunk


def _told_at_the_end(values: Iterator[JsonValue], content: Content) -> Iterator[JsonValue]:
    try:
        yield from values
    except BrokenList as error:
        content.bad_lines.append(BadLine(error.line, error.reason))


def _values(elements: Iterable[Element], content: Content) -> Iterator[JsonValue]:
    """Yield the values of elements, and tell what is left out or mended."""
    for line, data in elements:
        content.lines = line + data.count(b"\n")
        value = _whole(data)
        if value is not None or data == b"null":
            yield value
            continue
        found = mended(data)
        if not data:
            found.faults.append(Fault(0, "a comma without a value", False))
        if len(found.values) > 1:
            found.faults.append(Fault(0, "values of a list without a comma between them", True))
        content.bad_lines.extend(
            BadLine(line + found.text.count("\n", 0, fault.position), fault.reason, fault.taken)
            for fault in found.faults
        )
        yield from found.values


def _gathered(data: bytes) -> Content:
    """Return the content of bytes that are a document, or JSON Lines with a fault in the first."""
    data, coding = _as_utf8(data.removeprefix(_BYTE_ORDER_MARK))
    if not data.strip():
        raise _fault("the file is empty", 1)
    if not data.strip(b" \t\r\n\0"):
        raise _fault(_NULS, 1)
    try:
        document, faults = parse_json(data), Mended("", [], [])
    except json.JSONDecodeError as error:
        faults = mended(data, only=True)
        if len(faults.values) != 1 or not faults.is_whole:
            content = _streamed_again(data, error, faults)
            content.bad_lines[:0] = coding
            return content
        document = faults.values[0]
    content = Content(document, lines=data.count(b"\n") + 1, bad_lines=coding)
    if isinstance(document, dict):
        content.records.append(Record(1, document))
    content.bad_lines.extend(
        BadLine(faults.text.count("\n", 0, fault.position) + 1, fault.reason, fault.taken)
        for fault in faults.faults
    )
    return content


def _streamed_again(data: bytes, error: json.JSONDecodeError, document: Mended) -> Content:
    """Return the content of JSON Lines whose first line has a fault.

    Raises:
        json.JSONDecodeError: They are not JSON Lines; it says what is wrong with the document.
    """
    content = Content()
    for line in data.split(b"\n"):
        content.records += _records(content, line)
    fault = fault_of(content.records, content.bad_lines)
    if fault is None:
        return content
    faults = [fault for fault in document.faults if not fault.taken]
    if fault.msg == _CONFLICT or not faults or not data.lstrip(_NOISE).startswith((b"{", b"[")):
        raise error
    raise json.JSONDecodeError(faults[0].reason, document.text, faults[0].position)


def _as_utf8(data: bytes) -> tuple[bytes, list[BadLine]]:
    """Return bytes as UTF-8 if they are UTF-16, and what was lost."""
    if not _UTF16.match(data):
        return data, []
    coding = "utf-16" if data[:1] in (b"\xff", b"\xfe") else "utf-16-le"
    if data[:1] == b"\0":
        coding = "utf-16-be"
    text = data.decode(coding, errors="replace")
    lost = text.count("\ufffd")
    if not lost:
        return text.encode(), []
    line = text.count("\n", 0, text.index("\ufffd")) + 1
    reason = f"{lost} characters that are no UTF-16, or were unreadable before, are U+FFFD"
    return text.encode(), [BadLine(line, reason, taken=True)]


def _fault(reason: str, line: int) -> json.JSONDecodeError:
    return json.JSONDecodeError(reason, "\n" * (line - 1), line - 1)
