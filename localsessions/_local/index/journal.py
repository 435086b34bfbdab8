"""The journal: a line for each turn, which whoever asks the index first puts into it.

A turn appends its line and asks no database. Inside a transaction, the lines are replayed into the
rows and the log of changes, in the order in which they stand. The index keeps the place up to
which that is done. The transaction that finds the journal long puts a new one in its place. Whoever
has just appended to the old one sees that it has lost its name, and appends again; a line that is
replayed twice changes nothing.

Nothing is synced: like the index, the journal may be lost, cut, garbled, swapped or of another
time. A line whose checksum is wrong, and a place that the journal does not have, mean that lines
are lost. A torn line at the end may still be in the middle of being written, so it waits until
something follows it.

An append must be one step among processes; see ``_system``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import NamedTuple
from zlib import crc32

from localsessions import _system
from localsessions._local.index.schema import VERSION

__all__ = ["Journal", "Lines"]

_LONGEST_BYTES = 64 << 20  # nobody let it grow so long: it is none of ours
_NAME_BYTES = 16
_HEAD_BYTES = _NAME_BYTES + 11  # with what seals it
_LAST_BYTES = 64
_TRIES = 10


class Lines(NamedTuple):
    """What stands in a journal after a place.

    Attributes:
        lines: The lines in order, without their checksums.
        place: The place after them; empty if the journal does not have the place that was given.
        is_lost: Whether lines are missing, or may be.
        is_over: Whether a new journal is needed.
    """

    lines: list[bytes]
    place: str
    is_lost: bool
    is_over: bool


_LOST = Lines([], "", is_lost=True, is_over=True)


class Journal:
    """The journal of one index.

    Args:
        path: The file.

    Attributes:
        LONG_BYTES: A journal of this size is long: a turn that makes it so long has it replayed.
    """

    LONG_BYTES = 256 * 1024

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, line: bytes) -> int:
        """Append a line; return the size of the journal.

        Returns:
            0 where it could not be appended: there is no journal, or no room.
        """
        sealed = _sealed(line)
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
        """Tell whether nothing is to be read after a place; an empty place is that of no journal.

        This takes no more than one look: the file has not changed since the place was taken.
        """
        try:
            now = _system.lstat(self.path)
        except OSError:
            return not place
        if not stat.S_ISREG(now.st_mode):
            return not place
        return place.rpartition(":")[0] == f"{now.st_ino}:{now.st_size}:{now.st_mtime_ns}"

    def read(self, place: str) -> Lines:
        """Return the lines after a place."""
        with contextlib.suppress(OSError):
            fd = _system.open_file(self.path, _system.READING)
            try:
                return _read(fd, place)
            finally:
                os.close(fd)
        return _LOST._replace(is_lost=bool(place))

    def renew(self, place: str) -> Lines:
        """Put a new journal in the place of this one; call it inside the transaction that replays.

        Args:
            place: Up to where this one was read; empty if nothing of it is to be read.

        Returns:
            The lines that came meanwhile, and the beginning of the new journal. If it cannot be
            made, this one stays, or none if nothing of it is to be read.
        """
        fd = None
        with contextlib.suppress(OSError):
            fd = _system.open_file(self.path, _system.READING)
        try:
            made = _made(self.path)
            # Read after the renaming: who appends later sees that this one has lost its name.
            rest = Lines([], "", False, False) if fd is None or not place else _read(fd, place)
            return rest._replace(place=made)
        except OSError:
            if not place:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            return Lines([], place, is_lost=False, is_over=False)
        finally:
            if fd is not None:
                os.close(fd)

    def size_bytes(self) -> int:
        """Return its size on the disk."""
        try:
            return _system.lstat(self.path).st_size
        except OSError:
            return 0


def _sealed(line: bytes) -> bytes:
    # The line feed in front ends a torn line. To another version, a line may mean something else.
    return b"\n%08x %s\n" % (crc32(line, VERSION), line)


def _made(path: str) -> str:
    """Put a new journal at a path, with a name that no other has; return the place behind it."""
    temp = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temp)  # a killed process left it
    head = _sealed(secrets.token_hex(_NAME_BYTES // 2).encode())
    fd = _system.open_file(temp, _system.MAKING, 0o600)
    try:
        _system.make_private(fd)
        if os.write(fd, head) < len(head):
            raise OSError(errno.ENOSPC, "no room for a new journal", temp)
        status = _system.fstat(fd)
    finally:
        os.close(fd)
    _system.rename(temp, path)
    return _place(status, len(head), head, head)


def _place(status: _system.Status, end: int, head: bytes, last: bytes) -> str:
    """Return a place: the file as it is, where to go on, and a checksum of what is before that."""
    proof = crc32(last[-_LAST_BYTES:], crc32(head))
    return f"{status.st_ino}:{end}:{status.st_mtime_ns}:{proof}"


def _parts(place: str) -> tuple[int, ...]:
    """Return the numbers of a place; zeros if it is empty or garbled."""
    found = place.split(":")
    return (
        tuple(map(int, found)) if len(found) == 4 and all(map(str.isdecimal, found)) else (0,) * 4
    )


def _read(fd: int, place: str) -> Lines:
    """Return the lines of an open journal after a place."""
    status = _system.fstat(fd)
    inode, begin, _, proof = _parts(place)
    is_ours = stat.S_ISREG(status.st_mode) and inode == status.st_ino
    if not is_ours or not begin <= status.st_size <= begin + _LONGEST_BYTES:
        return _LOST
    known = min(begin, _LAST_BYTES)
    found = os.pread(fd, known + status.st_size - begin, begin - known)
    head = os.pread(fd, _HEAD_BYTES, 0)
    if _parts(_place(status, begin, head, found[:known]))[3] != proof:
        return _LOST
    whole = found.rfind(b"\n") + 1
    sealed = [line for line in found[known:whole].split(b"\n") if line]
    lines = [line for one in sealed if (line := _unsealed(one)) is not None]
    now = _place(status, begin - known + whole, head, found[:whole])
    is_over = status.st_size >= Journal.LONG_BYTES or status.st_nlink != 1
    return Lines(lines, now, len(lines) < len(sealed), is_over)


def _unsealed(sealed: bytes) -> bytes | None:
    """Return a line without its checksum; None if it is damaged."""
    seal, _, line = sealed.partition(b" ")
    return line if seal == b"%08x" % crc32(line, VERSION) else None
