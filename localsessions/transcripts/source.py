"""A transcript file as JSON, before its format is known.

Nothing here knows a format or a session. A file is one JSON document, or JSON Lines: a value on
each line, some of which may be torn. The shape of the data::

    Source
      document   the content of the file if it is one JSON value, else None
      records    the objects of JSON Lines, each with its line; a document that is an object is
                 also a record, because it looks the same as JSON Lines with one line
      bad_lines  the lines that are not a JSON object, each with the reason
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from localsessions import _system
from localsessions.format import MAX_FILE_BYTES, parse_json
from localsessions.models.instants import instant_of
from localsessions.transcripts.foreign import Object, as_object

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["BadLine", "Record", "Source", "parse_source", "read_source"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONFLICT = re.compile(rb"^<{7} ", re.MULTILINE)
_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".traj"})


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of JSON Lines that was left out; ``line`` counts from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """An object of JSON Lines; ``line`` counts from 1."""

    line: int
    value: Object


@dataclass(frozen=True)
class Source:
    """The content of a file, and its path and time, for what the content does not say."""

    path: str
    modified_at: datetime
    document: JsonValue
    records: tuple[Record, ...]
    bad_lines: tuple[BadLine, ...] = ()

    @cached_property
    def root(self) -> Object:
        """The document if it is an object, else an empty object."""
        return as_object(self.document)

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of JSON files."""
        stem = self.name
        while (parts := os.path.splitext(stem))[1].lower() in _SUFFIXES:
            stem = parts[0]
        return stem

    def beside(self, relative: str) -> JsonValue:
        """Return the JSON document of another file of the same program; None if there is none.

        Args:
            relative: The path of the file from the folder of this one, as the program lays it out;
                never made of what a file says.
        """
        path = os.path.join(os.path.dirname(self.path), relative)
        try:
            return read_source(path).document
        except (OSError, json.JSONDecodeError):
            return None

    def lines_beside(self, relative: str) -> tuple[Object, ...]:
        """Return the lines of another JSON Lines file of the same program; none if it is absent.

        Args:
            relative: As in ``beside``.
        """
        path = os.path.normpath(os.path.join(os.path.dirname(self.path), relative))
        try:
            status = os.stat(path)
            return _lines_of(path, status.st_mtime_ns, status.st_size)
        except (OSError, json.JSONDecodeError):
            return ()


@lru_cache(maxsize=4)
def _lines_of(path: str, _modified_ns: int, _size_bytes: int) -> tuple[Object, ...]:
    """Return the lines of a file that many transcripts share; it is read again when it changed."""
    return tuple(record.value for record in read_source(path).records)


def read_source(path: str) -> Source:
    """Return the whole content of a file.

    Raises:
        OSError: The file cannot be read, or is not a file.
        json.JSONDecodeError: It holds neither JSON nor JSON Lines.
    """
    with open(path, "rb", opener=lambda path, _flags: _system.open_to_read(path)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "not a regular file", path)
        if status.st_size > MAX_FILE_BYTES:
            raise OSError(None, f"larger than {MAX_FILE_BYTES} bytes", path)
        data = file.read()
    modified_at = instant_of(status.st_mtime_ns // 1_000_000 * 1000)
    return parse_source(data, path=os.path.abspath(path), modified_at=modified_at)


def parse_source(data: bytes, *, path: str, modified_at: datetime) -> Source:
    """Return the content that the bytes of a file hold.

    Raises:
        json.JSONDecodeError: They are neither JSON nor JSON Lines. Lines that are torn, or were
            never JSON, are accepted as long as they are not more than the good lines.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        document = parse_json(data)
    except json.JSONDecodeError:
        # Otherwise both sides of a merge conflict would become one session.
        if _CONFLICT.search(data):
            raise
        records, bad_lines = _lines(data)
        if len(records) < max(len(bad_lines), 1):
            raise
        return Source(path, modified_at, None, tuple(records), tuple(bad_lines))
    records = [Record(1, document)] if isinstance(document, dict) else []
    return Source(path, modified_at, document, tuple(records))


def _lines(data: bytes) -> tuple[list[Record], list[BadLine]]:
    records: list[Record] = []
    bad_lines: list[BadLine] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not (line := line.strip()):
            continue
        if not line.startswith(b"{"):
            bad_lines.append(BadLine(number, "not a JSON object"))
            continue
        try:
            records.append(Record(number, as_object(parse_json(line))))
        except json.JSONDecodeError as fault:
            bad_lines.append(BadLine(number, f"{fault.msg} (column {fault.colno})"))
    return records, bad_lines
