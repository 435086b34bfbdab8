"""A transcript file as values, before its format is known: JSON, JSON Lines, or a database.

Nothing here knows a format or a session. A file gives a source, an archive one for each JSON file
in it: what ``containers.py`` finds there, and what other files beside it say. ``lines.py`` says
what JSON is taken, ``databases.py`` how a database is opened. The shape of the data::

    Source
      document   the content of the file if it is one JSON value, else None; of a long list, the
                 elements of its beginning
      rest       the other elements of a long list, each parsed when it is asked for, else None
      records    the objects of JSON Lines, each with its line, of long ones those of the beginning;
                 a document that is an object is also a record, because it looks the same as JSON
                 Lines with one line
      more       the other objects, each parsed when it is asked for, else None
      bad_lines  what was left out or mended, each with its line and the reason
      database   the open database if the file is one, else None
    Unread       a file, or a file in an archive, that is no source, and why
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import IO, TYPE_CHECKING, NamedTuple

from localsessions import _system
from localsessions.models.instants import instant_of
from localsessions.transcripts.containers import SUFFIXES, contents_of
from localsessions.transcripts.files import one_path
from localsessions.transcripts.foreign import Object, as_object
from localsessions.transcripts.kinds import HEAD_BYTES, NO_JSON, cannot_be_read, no_json
from localsessions.transcripts.lines import BadLine, Content, Record, content_of, fault_of
from localsessions.transcripts.snapshot import ATTEMPTS, FileChangedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.transcripts.databases import Database

__all__ = [
    "Source",
    "Unread",
    "parse_source",
    "read_sources",
]

_PACKED_SUFFIXES = frozenset({".zst", ".zstd"})
_SQLITE = b"SQLite format 3\0"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Source:
    """The content of a file, and its path and time, for what the content does not say.

    Attributes:
        path: The path of the file; of a file in an archive ``archive.zip!name``.
        modified_at: When the file was written; of a file in an archive, the archive.
        document: See above, as the others.
        bad_lines: Complete when ``rest`` and ``more`` have ended.
        member: The name of a file in an archive; nothing stands beside it. None for other files.
        refusal: What is wrong with the whole, if only parts of it were taken.
    """

    path: str
    modified_at: datetime
    document: JsonValue
    records: tuple[Record, ...]
    bad_lines: Sequence[BadLine] = ()
    database: Database | None = None
    member: str | None = None
    rest: Iterator[JsonValue] | None = None
    more: Iterator[Record] | None = None
    refusal: str | None = None

    @property
    def is_long(self) -> bool:
        """Whether there is something that is parsed when it is asked for."""
        return self.rest is not None or self.more is not None

    @cached_property
    def root(self) -> Object:
        """The document if it is an object, else an empty object."""
        return as_object(self.document)

    def fault(self) -> str | None:
        """Return why the whole is no JSON; None if it is, or was not read to its end."""
        left_out = (bad for bad in self.bad_lines if not bad.taken)
        if (
            self.refusal is None
            and isinstance(self.document, list)
            and (bad := next(left_out, None))
        ):
            return f"{NO_JSON}: {bad.reason} (line {bad.line})"
        return self.refusal

    def elements(self) -> Iterator[JsonValue]:
        """Yield the elements of a list, or the objects of JSON Lines; those of long ones once.

        Raises:
            OSError: The file was rewritten meanwhile, or cannot be read on.
        """
        if isinstance(self.document, list):
            return chain(self.document, self.rest or ())
        return (record.value for record in self.lines())

    def lines(self) -> Iterator[Record]:
        """Yield the objects of JSON Lines, each with its line; those of long ones once.

        Raises:
            OSError: As ``elements``.
        """
        return chain(self.records, self.more or ())

    def whole(self) -> Source:
        """Return a source with everything in its document, or in its records.

        Raises:
            OSError: As ``elements``.
        """
        if self.rest is not None:
            document: JsonValue = [*self.elements()]
            return replace(self, document=document, rest=None, bad_lines=tuple(self.bad_lines))
        records = tuple(self.lines())
        fault = fault_of(records, self.bad_lines) if self.more is not None else None
        refusal = no_json(fault, b"{") if fault else self.refusal
        told = tuple(self.bad_lines)
        return replace(self, records=records, more=None, bad_lines=told, refusal=refusal)

    @property
    def name(self) -> str:
        """The file's name."""
        return _parts(self.member or self.path)[-1]

    @property
    def folders(self) -> list[str]:
        """The names of the folders that lead to the file; in an archive, of those in it."""
        return _parts(self.member or self.path)[:-1]

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of JSON files."""
        stem = self.name
        while (parts := os.path.splitext(stem))[1].lower() in SUFFIXES | _PACKED_SUFFIXES:
            stem = parts[0]
        return stem

    def beside(self, relative: str) -> JsonValue:
        """Return the JSON document of another file of the same program; None if there is none.

        Args:
            relative: The path of the file from the folder of this one, as the program lays it out;
                never made of what a file says.
        """
        found = self._beside(relative)
        return found.document if isinstance(found, Source) else None

    def folder_beside(self, relative: str, name: str) -> Iterator[Source | Unread]:
        """Yield the files of a folder of the same program that are JSON, in the order of names.

        Links are not followed. A folder that is not there is empty.

        Args:
            relative: The path from the folder of this file to the folder's parent, as the program
                lays it out.
            name: The name of the folder; it may come from a file, so a name that leads elsewhere
                names no folder.
        """
        if self.member is not None or not _PLAIN_NAME.fullmatch(name):
            return
        folder = os.path.join(os.path.dirname(self.path), relative, name)
        try:
            with os.scandir(folder) as entries:
                paths = sorted(
                    entry.path
                    for entry in entries
                    if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False)
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            yield Unread(folder, cannot_be_read(error))
            return
        for path in paths:
            yield _only(path)

    def lines_beside(self, relative: str) -> tuple[Object, ...]:
        """Return the lines of another JSON Lines file of the same program; none if it is absent.

        Args:
            relative: As in ``beside``.
        """
        found = self._beside(relative)
        return tuple(record.value for record in found.records) if isinstance(found, Source) else ()

    def _beside(self, relative: str) -> Source | Unread | None:
        if self.member is not None:
            return None
        path = os.path.normpath(os.path.join(os.path.dirname(self.path), relative))
        try:
            status = os.stat(path)
        except OSError:
            return None
        return _shared(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _shared(path: str, _modified_ns: int, _size_bytes: int) -> Source | Unread:
    """Return the source of a file that many transcripts share; it is read again when it changed."""
    return _only(path)


class Unread(NamedTuple):
    """A file that is no source.

    Attributes:
        path: As the path of a source.
        reason: What it is instead, or why it cannot be read.
    """

    path: str
    reason: str


def read_sources(path: str) -> Generator[Source | Unread, None, None]:
    """Yield the sources of a file: one, or one for each JSON file in an archive.

    Never raises for what the file holds, nor if it cannot be read: it yields an ``Unread``. A
    database, and a file of which there is a rest, is open until the next source is asked for.
    """
    path = one_path(path)
    try:
        # Without a buffer, which would give what stood in the file before it was rewritten.
        with open(path, "rb", buffering=0, opener=_opened) as file:
            yield from _sources(file, path)
    except OSError as error:
        yield Unread(path, cannot_be_read(error))


def _opened(path: str, _flags: int) -> int:
    return _system.open_to_read(path)


def parse_source(data: bytes, *, path: str, modified_at: datetime) -> Source:
    """Return the content that the bytes of a file hold.

    Raises:
        json.JSONDecodeError: They are neither JSON nor JSON Lines, as ``content_of`` says.
    """
    content = content_of([data])
    if content.refusal is not None:
        raise content.refusal
    return _source(content, path, modified_at)


def _only(path: str, attempts: int = ATTEMPTS) -> Source | Unread:
    """Return the source of a file that is one, with everything in it."""
    with contextlib.closing(read_sources(path)) as sources:
        found = next(sources)
        if isinstance(found, Unread):
            return found
        try:
            whole = found.whole() if found.is_long else found
        except OSError as error:
            if isinstance(error, FileChangedError) and attempts > 1:
                return _only(path, attempts - 1)
            return Unread(path, cannot_be_read(error))
    return Unread(path, whole.refusal) if whole.refusal else whole


def _source(
    content: Content, path: str, modified_at: datetime, *, member: str | None = None
) -> Source:
    return Source(
        path,
        modified_at,
        content.document,
        tuple(content.records),
        content.bad_lines if content.is_long else tuple(content.bad_lines),
        member=member,
        rest=content.rest,
        more=content.more,
        refusal=no_json(content.refusal, b"[") if content.refusal else None,
    )


def _parts(path: str) -> list[str]:
    return path.replace("\\", "/").split("/")


def _sources(file: IO[bytes], path: str) -> Iterator[Source | Unread]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(None, "not a regular file", path)
    modified_at = instant_of(status.st_mtime_ns // 1_000_000 * 1000)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head.startswith(_SQLITE):
        yield from _database(path, modified_at)
        return
    for content, member in contents_of(file, path, head, status.st_size):
        own = path if member is None else f"{path}!{member}"
        if isinstance(content, str):
            yield Unread(own, content)
        else:
            yield _source(content, own, modified_at, member=member)


def _database(path: str, modified_at: datetime) -> Iterator[Source]:
    from localsessions.transcripts.databases import opened_database

    with opened_database(path) as database:
        yield Source(path, modified_at, None, (), database=database)
