"""The calls of the operating system, in an order that survives a power cut.

These functions take paths and bytes, and know no sessions. What differs between systems is in
``_system``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from localsessions import _system
from localsessions._local.turnstile import waiting
from localsessions._local.version import Fingerprint

__all__ = [
    "NO_ROOM",
    "closing",
    "discard",
    "fingerprint_at",
    "fingerprint_of",
    "is_folder",
    "is_same_file",
    "make_folder",
    "open_regular",
    "read_at",
    "read_open",
    "refuse_link",
    "status_of",
    "unlink",
    "write_end",
    "write_new",
]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Linux transfers at most 2,147,479,552 bytes in one call (read(2), write(2)).
_LARGEST_CALL = 1 << 30
_LARGEST = (1 << 63) - 1


def fingerprint_of(status: _system.Status) -> Fingerprint:
    """Return the part of a ``stat`` that distinguishes one version of a file from another.

    Modification time and inode are limited to the 63 bits that SQLite and ``datetime`` can hold:
    ``touch`` can set a time in the year 3,000,000, and file numbers may have 64 bits.
    """
    return Fingerprint(
        status.st_size,
        max(-_LARGEST, min(status.st_mtime_ns, _LARGEST)),
        status.st_ctime_ns,
        status.st_ino & _LARGEST,
    )


def fingerprint_at(path: str) -> Fingerprint | None:
    """Return the fingerprint of a path, links not followed; None when nothing is there."""
    status = status_of(path)
    return None if status is None else fingerprint_of(status)


def is_same_file(one: Fingerprint, other: Fingerprint) -> bool:
    """Return whether two fingerprints are of one version of a file, perhaps under other names.

    ctime is not compared: adding or removing a name changes it.
    """
    return one[:2] == other[:2] and one.inode == other.inode


def open_regular(path: str) -> int:
    """Open a regular file for reading; follow no symbolic link, wait for no FIFO.

    Raises:
        OSError: As ``open``; ``EINVAL`` when it is no regular file.
    """
    fd = _system.open_file(path, _system.READING)
    is_regular = False
    # fstat, not stat: between open and stat, another file may get the name.
    try:
        is_regular = stat.S_ISREG(_system.fstat(fd).st_mode)
    except OSError as error:
        error.filename = path
        raise
    finally:
        if not is_regular:
            os.close(fd)
    if not is_regular:
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd


def read_open(fd: int, size: int) -> bytes:
    """Return the bytes of an open file of ``size`` bytes, and one byte more if it has grown.

    One call may return fewer bytes than it was asked for (read(2)).
    """
    parts = []
    wanted = size + 1
    while wanted and (part := os.read(fd, min(wanted, _LARGEST_CALL))):
        parts.append(part)
        wanted -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Return ``size`` bytes of an open file from ``offset`` on; fewer where the file ends."""
    # Not os.pread, which Windows does not have.
    os.lseek(fd, offset, os.SEEK_SET)
    return read_open(fd, size - 1) if size else b""


def write_new(path: str, data: bytes, *, mtime_ns: int | None, durable: bool) -> Fingerprint:
    """Create a private file and write its content to the disk; it must not exist yet.

    ``mtime_ns`` sets the modification time. Its digits are finer than the clock that the kernel
    uses for timestamps, so each later write in place changes it.

    Raises:
        OSError: Nothing is left behind. In particular, a failed fsync is never repeated on the
            same file: the kernel may have dropped its pages (PostgreSQL's fsyncgate, 2018).
    """
    try:
        fd = _system.open_file(path, _system.MAKING, 0o600)
    except KeyboardInterrupt:  # raised inside the call, which created the file
        discard(path)
        raise
    try:
        with closing(fd, path):
            _system.make_private(fd)
            _write_all(fd, data)
            if mtime_ns is not None:
                _system.set_modified(fd, mtime_ns)
            if durable:
                with waiting():
                    _system.sync(fd)
            return fingerprint_of(_system.fstat(fd))
    # After an error or Ctrl-C, the caller has no fingerprint: the half-written file would stay.
    except BaseException:
        discard(path)
        raise


def write_end(fd: int, end: bytes, *, at: int, mtime_ns: int) -> None:
    """Replace the end of an open file, from ``at`` on, by ``end``, and sync it to the disk.

    Raises:
        OSError: The file holds neither the old content nor the new content.
    """
    view, place = memoryview(end), at
    while view:
        written = os.pwrite(fd, view[:_LARGEST_CALL], place)
        view, place = view[written:], place + written
    os.ftruncate(fd, place)
    _system.set_modified(fd, mtime_ns)
    with waiting():
        os.fdatasync(fd)  # flushes the new size too: it is needed to read the content again


def write_over(fd: int, data: bytes) -> None:
    """Give an open file a shorter content, and sync it to the disk.

    It is written before the file is cut, so that a disk without room has the room for it.
    """
    write_begin(fd, data)
    os.ftruncate(fd, len(data))
    _system.sync(fd)


def write_after(fd: int, data: bytes) -> None:
    """Write behind the last byte of an open file, and sync it to the disk."""
    os.lseek(fd, 0, os.SEEK_END)
    _write_all(fd, data)
    _system.sync(fd)


def write_begin(fd: int, data: bytes) -> None:
    """Write over the first bytes of an open file."""
    os.lseek(fd, 0, os.SEEK_SET)
    _write_all(fd, data)


def status_of(path: str) -> _system.Status | None:
    """Return the ``lstat`` of a path; None when nothing is there.

    ``os.path.exists`` and similar functions also say "no" after other errors.
    """
    try:
        return _system.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_folder(path: str) -> bool:
    """Return whether a path is a folder, or a link to a folder; see ``status_of``."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def refuse_link(path: str) -> None:
    """Refuse a symbolic link: the store writes and removes only inside ``save_dir``."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "a link has the name of a private folder; remove it", path)


@contextlib.contextmanager
def closing(fd: int, path: str, *, was_read: bool = False) -> Iterator[None]:
    """Close a descriptor at the end; add its path to errors of calls that have only a descriptor.

    An error of close(2) reports a failed write: with ``was_read`` it is ignored.
    """
    try:
        try:
            yield
        finally:
            with contextlib.suppress(*([OSError] if was_read else [])):
                os.close(fd)
    except OSError as error:
        if not isinstance(error.filename, str):
            error.filename = path
        raise


def _write_all(fd: int, data: bytes) -> None:
    # write(2) may write fewer bytes than it was given, as on a disk that is nearly full.
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:_LARGEST_CALL]) :]


def unlink(path: str) -> bool:
    """Remove a file; return whether it existed."""
    try:
        _system.unlink(path)
    except FileNotFoundError:
        return False
    return True


def discard(path: str) -> None:
    """Remove a temp file after an error; ignore a second error, since the first is reported.

    A file that stays is removed when a store opens the folder.
    """
    with contextlib.suppress(OSError):
        unlink(path)


def make_folder(path: str, *, durable: bool) -> None:
    """Make a folder and its missing parents, each private and durable; leave existing ones alone.

    ``os.makedirs`` makes only the last folder private.

    Raises:
        OSError: It cannot be made, or the path is a file or a link to nowhere.
    """
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:  # a drive that is not there is its own parent
        make_folder(parent, durable=durable)
    try:
        _system.make_folder(path)
    except FileExistsError:
        # A folder: another process created it first.
        if not os.path.isdir(path):
            raise NotADirectoryError(
                errno.ENOTDIR, "a file has the name of the folder", path
            ) from None
        return
    if durable:
        _system.sync_folder(parent)
