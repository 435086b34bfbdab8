"""A file that may be written to while it is read: its content as it was at one time."""

from __future__ import annotations

import json
import os
import zlib
from typing import IO, TYPE_CHECKING

from localsessions.transcripts.archives import CHUNK_BYTES
from localsessions.transcripts.lines import Content, content_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ATTEMPTS", "FileChangedError", "unchanged"]

ATTEMPTS = 3
"""How many times a file is read if a program rewrites it meanwhile."""


class FileChangedError(OSError):
    """A file keeps being rewritten while it is read."""


def unchanged(file: IO[bytes], path: str) -> Content:
    """Return the content of a file as it was at one time.

    What is appended meanwhile is not read. A file that is rewritten meanwhile is read again. The
    rest of a list or of lines is of that time, too: asking for it raises ``FileChangedError``
    rather than give an element of another.

    Raises:
        FileChangedError: It keeps being rewritten.
        json.JSONDecodeError: As ``content_of``.
    """
    for _ in range(ATTEMPTS):
        snapshot = _Snapshot(file, path)
        try:
            content = content_of(snapshot.chunks())
        except json.JSONDecodeError:
            if snapshot.is_whole():
                raise
            continue
        if snapshot.is_whole():
            snapshot.is_given_out = content.is_long
            return content
    raise _changed(path)


class _Snapshot:
    """The bytes that a file has now, and whether those that were read are still the same.

    Attributes:
        is_given_out: Whether what was read is used before all is; then no chunk is given that
            is of another time than those before.
    """

    def __init__(self, file: IO[bytes], path: str) -> None:
        self.is_given_out = False
        self._file = file
        self._path = path
        self._size_bytes, self._stamp = _stamp(file)
        self._given_bytes = 0
        self._sum = 0

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._read(self._size_bytes):
            self._given_bytes += len(chunk)
            self._sum = zlib.crc32(chunk, self._sum)
            if self.is_given_out and not self.is_whole():
                raise _changed(self._path)
            yield chunk
        if self.is_given_out and not self.is_whole():
            raise _changed(self._path)

    def is_whole(self) -> bool:
        size_bytes, stamp = _stamp(self._file)
        if stamp == self._stamp:
            return True
        place, again = self._file.tell(), 0
        for chunk in self._read(self._given_bytes):
            again = zlib.crc32(chunk, again)
        self._file.seek(place)
        if size_bytes < self._size_bytes or again != self._sum:
            return False
        self._stamp = stamp
        return True

    def _read(self, left: int) -> Iterator[bytes]:
        self._file.seek(0)
        while left and (chunk := self._file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def _changed(path: str) -> FileChangedError:
    reason = "it keeps being rewritten while it is read; import it again"
    return FileChangedError(None, reason, path)


def _stamp(file: IO[bytes]) -> tuple[int, tuple[int, int]]:
    """Return the size of an open file, and what differs after it was written to."""
    status = os.fstat(file.fileno())
    return status.st_size, (status.st_mtime_ns, status.st_size)
