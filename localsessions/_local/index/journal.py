"""The journal: a line for each turn, which the next question to the index puts into it.

A turn appends its line and asks no database. Inside a transaction, the lines are replayed into the
rows and the log of changes, in the order in which they stand. The index keeps the place up to
which that is done.

A journal that is long is renamed, and a new one made. So a place is in the journal or in the one
before it, which stays until its lines are committed. A writer that has just appended to the old one
sees that it has lost its name, and appends again. A line that is replayed twice changes nothing.

Nothing is synced: like the index, the journal may be lost, cut, garbled, swapped or of another
time. A line whose checksum is wrong, and a place that is in neither journal, mean that lines are
lost. A torn line at the end may still be in the middle of being written, so it waits until
something follows it.

An append must be one step among processes; see ``_system``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from localsessions import _system
from localsessions._local.index.schema import VERSION
from localsessions.models.ids import random_hex

__all__ = ["Journal", "Lines"]

_LONGEST_LINE_BYTES = 1 << 20
_LONGEST_BYTES = 64 << 20  # nobody let it grow so long: it is none of ours
_NAME_BYTES = 16
_HEAD_BYTES = _NAME_BYTES + 11  # with what seals it
_LAST_BYTES = 64
_TRIES = 3
# What says that no journal is there: a link, a socket. Any other error says nothing of it.
_NO_FILE = (errno.ENOENT, errno.ELOOP, errno.ENXIO)


class Lines(NamedTuple):
    """What stands in a journal after a place.

    Attributes:
        lines: The lines in order, without their checksums.
        place: The place after them.
        is_whole: Whether no line was damaged.
        is_over: Whether it is time for a new journal.
    """

    lines: list[bytes]
    place: str
    is_whole: bool
    is_over: bool


class Journal:
    """The journal of one index.

    Args:
        path: The file; the journal before it has the same name and ``.old``.

    Attributes:
        LONG_BYTES: A journal of this size is long: a turn that makes it so long has it replayed.
    """

    LONG_BYTES = 64 * 1024

    def __init__(self, path: str) -> None:
        self.path = path
        self._old = f"{path}.old"

    def append(self, line: bytes) -> int:
        """Append a line; return the size of the journal.

        Returns:
            0 where it could not be appended: there is no journal, no room, or it is too long.
        """
        sealed = _sealed(line)
        if len(sealed) > _LONGEST_LINE_BYTES:
            return 0
        for _ in range(_TRIES):
            try:
                fd = _system.open_file(self.path, _system.WRITING | os.O_APPEND)
            except OSError:
                return 0
            try:
                status = _system.fstat(fd)
                # A file with two names may be in a backup, which must not change.
                is_own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
                if not is_own or os.write(fd, sealed) < len(sealed):
                    return 0
                now = _system.lstat(self.path)
                if now.st_ino == status.st_ino:
                    return now.st_size
            except FileNotFoundError:
                continue  # a new one is about to be there, or none
            except OSError:
                return 0
            finally:
                with contextlib.suppress(OSError):  # what was written can be read already
                    os.close(fd)
        return 0

    def is_replayed(self, place: str) -> bool:
        """Tell by one look whether the journal has not changed since a place was taken.

        An empty place is that of no journal.
        """
        try:
            now = _system.lstat(self.path)
        except OSError:
            return not place
        if not stat.S_ISREG(now.st_mode):
            return not place
        return place.startswith(f"{_seen(now)}/")

    def read(self, place: str) -> Lines | None:
        """Return the lines after a place; None if it is in no journal.

        Raises:
            OSError: The journal cannot be read now, which says nothing of the place.
        """
        if (found := _lines(self.path, place)) is not None:
            return found
        if (before := _lines(self._old, place)) is None:
            return None
        if (found := _lines(self.path, None)) is None:
            return before._replace(is_over=True)  # whoever renamed it was killed then
        # The old one is needed until the new place is committed.
        is_whole = before.is_whole and found.is_whole
        return Lines([*before.lines, *found.lines], found.place, is_whole, is_over=False)

    def renew(self) -> str:
        """Make a new journal, and keep this one as the old one; return the new one's place.

        Call it inside the transaction that replays, while the committed place is not in the old
        one.

        Raises:
            OSError: It cannot be made.
        """
        temp = f"{self.path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temp)  # a killed process left it
        head = _sealed(random_hex(_NAME_BYTES // 2).encode())
        fd = _system.open_file(temp, _system.MAKING, 0o600)
        try:
            _system.make_private(fd)
            if os.write(fd, head) < len(head):
                raise OSError(errno.ENOSPC, "no room for a new journal", temp)
            status = _system.fstat(fd)
        finally:
            with contextlib.suppress(OSError):  # what was written can be read already
                os.close(fd)
        if self.is_file():
            _system.rename(self.path, self._old)
        _system.rename(temp, self.path)
        return _Place(_seen(status), len(head), _proof(head, head)).text

    def remove(self) -> None:
        """Remove this journal, if that is possible."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def is_file(self) -> bool:
        """Tell whether something is there that can be appended to."""
        try:
            return stat.S_ISREG(_system.lstat(self.path).st_mode)
        except OSError:
            return False


def _sealed(line: bytes) -> bytes:
    # The line feed in front ends a torn line. To another version, a line may mean something else.
    return b"\n%08x %s\n" % (crc32(line, VERSION), line)


def _unsealed(sealed: bytes) -> bytes | None:
    """Return a line without its checksum; None if it is damaged."""
    seal, _, line = sealed.partition(b" ")
    return line if seal == b"%08x" % crc32(line, VERSION) else None


class _Place(NamedTuple):
    """A place in a journal; a copy of the file has the same place.

    Attributes:
        file: The file as it was seen: its inode, size and time.
        end: Where to go on.
        proof: A checksum of the head and of the last bytes before the place.
    """

    file: str
    end: int
    proof: int

    @classmethod
    def read(cls, text: str) -> _Place | None:
        """Return the place that a text stands for; None if it is empty or garbled."""
        file, _, place = text.rpartition("/")
        end, _, proof = place.partition(":")
        if not all(one.isdecimal() and len(one) < _NAME_BYTES for one in (end, proof)):
            return None
        return cls(file, int(end), int(proof))

    @property
    def text(self) -> str:
        return f"{self.file}/{self.end}:{self.proof}"


def _seen(status: _system.Status) -> str:
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _proof(head: bytes, before: bytes) -> int:
    return crc32(before[-_LAST_BYTES:], crc32(head))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """Open a file to read it; None if no file is there that could be a journal."""
    try:
        fd = _system.open_file(path, _system.READING)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        yield None
        return
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):  # it was only read
            os.close(fd)


def _lines(path: str, text: str | None) -> Lines | None:
    """Return the lines of a file after a place, or all; None if it does not have the place."""
    place = None if text is None else _Place.read(text)
    begin = _HEAD_BYTES if place is None else place.end
    with _opened(path) as fd:
        if fd is None or (text is not None and place is None):
            return None
        status = _system.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST_BYTES:
            return None
        if not _HEAD_BYTES <= begin <= status.st_size:
            return None
        head, known = os.read(fd, _HEAD_BYTES), min(begin, _LAST_BYTES)
        os.lseek(fd, begin - known, os.SEEK_SET)
        found = os.read(fd, status.st_size - begin + known)
    if place is not None and place.proof != _proof(head, found[:known]):
        return None
    whole = max(known, found.rfind(b"\n") + 1)
    sealed = [line for line in found[known:whole].split(b"\n") if line]
    lines = [line for one in sealed if (line := _unsealed(one)) is not None]
    now = _Place(_seen(status), begin - known + whole, _proof(head, found[:whole]))
    is_over = status.st_size >= Journal.LONG_BYTES or status.st_nlink != 1
    return Lines(lines, now.text, len(lines) == len(sealed), is_over)
