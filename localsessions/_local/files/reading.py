"""Reading a session's file: one whole version of it, or of its ends, or the error why not.

Stores replace files, so an open file never changes; but an editor may write in place at any time.
So a file is checked before and after it is read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import NamedTuple

from localsessions import _system
from localsessions._local.files import durable
from localsessions._local.version import Fingerprint
from localsessions.errors import UnreadableSessionError

__all__ = ["FileRead", "read_ends", "read_unchecked", "read_whole"]

_TRIES = 5
_PAUSE = 0.004
# Errors of one file, not of the process: its session is unreadable, all others are fine.
# ENXIO: a UNIX domain socket; ENODEV: a device file without its device (open(2)).
_FILE_FAULTS = {
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "it is a symbolic link, which is not followed",
    errno.EINVAL: "it is not a regular file",
    errno.EISDIR: "it is a folder",
    errno.ENXIO: "it is not a regular file",
    errno.ENODEV: "it is not a regular file",
    errno.EIO: "the disk failed to read it",
}


class FileRead(NamedTuple):
    """One whole version of a file.

    ``settled`` says that each later change of the file also changes its fingerprint. That is not
    sure of a file younger than the resolution of the file system's timestamps (git calls such an
    entry racy).
    """

    data: bytes
    fingerprint: Fingerprint
    settled: bool


def read_whole(path: str, session_id: str, most_bytes: int) -> FileRead:
    """Return one whole version of a file.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableSessionError: It is no regular file, may not be read, is too large, or was
            being written in place all the time.
    """
    for _ in range(_TRIES):
        try:
            read = _read_once(path, session_id, most_bytes)
        except FileNotFoundError:
            raise
        except BlockingIOError:
            read = None  # just replaced; a writer holds a lease on it, see ``spares``
        except OSError as error:
            if error.errno not in _FILE_FAULTS:
                raise
            # Windows reports a folder as EACCES.
            reason = "it is a folder" if os.path.isdir(path) else _FILE_FAULTS[error.errno]
            raise UnreadableSessionError(session_id, reason, path=path) from error
        if read is not None:
            return read
        time.sleep(_PAUSE)
    raise UnreadableSessionError(session_id, "it is being written all the time", path=path)


def _read_once(path: str, session_id: str, most_bytes: int) -> FileRead | None:
    """Return what the file holds; None when it changed while it was read."""
    fd = durable.open_regular(path)
    with durable.closing(fd, path, was_read=True):
        before = durable.fingerprint_of(_system.fstat(fd))
        if before.size_bytes > most_bytes:
            raise UnreadableSessionError(
                session_id,
                f"it has {before.size_bytes} bytes, more than the limit of "
                f"{most_bytes}; open the store with a larger max_file_bytes",
                path=path,
            )
        data = durable.read_open(fd, before.size_bytes)
        after = durable.fingerprint_of(_system.fstat(fd))
    if not durable.is_same_file(before, after) or len(data) != after.size_bytes:
        return None
    # The file may have lost its name to a newer version meanwhile, or a program that wrote in place
    # may have set the time back: the data is whole, but must be checked again later.
    return FileRead(data, after, before == after and _is_settled(after))


def read_unchecked(path: str, most_bytes: int) -> FileRead | None:
    """Return what a regular file holds, read once; None where ``read_whole`` must say why not.

    For many files in a row: it does the minimum for a file without problems. It is one whole
    version only if the fingerprint is the same afterwards: the caller checks.
    """
    try:
        fd = _system.open_file(path, _system.READING)
    except OSError:
        return None
    try:
        status = _system.fstat(fd)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode) or size > most_bytes:
            return None
        data = os.read(fd, size + 1)
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):  # after reading only, an error of close means nothing
            os.close(fd)
    if len(data) != size:
        return None
    fingerprint = durable.fingerprint_of(status)
    return FileRead(data, fingerprint, _is_settled(fingerprint))


def read_ends(
    path: str, former: Fingerprint, head_bytes: int, offset: int
) -> tuple[bytes, bytes] | None:
    """Return the first bytes of a file and its bytes from an offset on.

    None where the file does not match its fingerprint, or cannot be read.
    """
    try:
        fd = durable.open_regular(path)
        with durable.closing(fd, path, was_read=True):
            head = durable.read_at(fd, 0, min(head_bytes, former.size_bytes))
            end = durable.read_at(fd, offset, former.size_bytes - offset)
            after = durable.fingerprint_of(_system.fstat(fd))
    except OSError:
        return None  # a read of the whole file will report the error
    return (head, end) if after == former else None


def _is_settled(fingerprint: Fingerprint) -> bool:
    # Timestamps on FAT have a resolution of two seconds, on some network file systems of one
    # second, on others at worst of one clock tick of 10 ms.
    coarse = fingerprint.mtime_ns % 1_000_000_000 == 0
    grain = 2_000_000_000 if coarse else 50_000_000
    return time.time_ns() - max(fingerprint.mtime_ns, fingerprint.ctime_ns) > grain
