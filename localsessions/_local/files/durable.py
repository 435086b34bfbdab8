"""The operating system's calls, in the order that survives a power cut.

Functions of a path and bytes; no idea of a session. Here is the seam where tests make a call
fail, and the place for what one system does otherwise.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import stat
import sys
import time
from collections.abc import Callable, Iterator

from localsessions._local.version import Fingerprint

__all__ = [
    "EDITING",
    "NO_ROOM",
    "READING",
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
    "rename",
    "status_of",
    "sync_folder",
    "unlink",
    "write_end",
    "write_new",
]

# Never through a planted link, never for a child that is started meanwhile; bytes as they are.
_OURS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NOINHERIT", "O_BINARY"))
# What is there may be a FIFO, at which nobody waits for the other end.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
READING = os.O_RDONLY | _AT_ONCE | _OURS
EDITING = os.O_RDWR | _AT_ONCE | _OURS
_MAKING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OURS
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION: somebody has the file open.
_WINDOWS_BUSY = (5, 32, 33)
_WINDOWS_PATIENCE = 2.0
_LARGEST_CALL = 1 << 30
_LARGEST = (1 << 63) - 1


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """Return the part of a ``stat`` that tells one version of a file from another.

    Each number is cut to the 63 bits that SQLite and ``datetime`` have room for: ``touch`` sets a
    time in the year 3,000,000, and Windows numbers files with 64 bits and more.
    """
    return Fingerprint(
        status.st_size,
        max(-_LARGEST, min(status.st_mtime_ns, _LARGEST)),
        status.st_ctime_ns,
        status.st_ino & _LARGEST,
    )


def fingerprint_at(path: str) -> Fingerprint | None:
    """Return what stat says of a path, links not followed; None when nothing is there."""
    status = status_of(path)
    return None if status is None else fingerprint_of(status)


def is_same_file(one: Fingerprint, other: Fingerprint) -> bool:
    """Tell whether only names were given and taken in between, which moves ctime."""
    return one[:2] == other[:2] and one.inode == other.inode


def open_regular(path: str) -> int:
    """Open a regular file for reading; never follow a planted link, never wait for a FIFO.

    Raises:
        OSError: As ``open``; ``EINVAL`` when it is no regular file.
    """
    fd = os.open(path, READING)
    is_regular = False
    try:
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
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
    """Return the bytes of an open file of ``size`` bytes, and one more if it has grown."""
    parts = []
    wanted = size + 1
    while wanted and (part := os.read(fd, min(wanted, _LARGEST_CALL))):
        parts.append(part)
        wanted -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Return the ``size`` bytes of an open file from an offset on; fewer where it ends before."""
    os.lseek(fd, offset, os.SEEK_SET)
    return read_open(fd, size - 1) if size else b""


def write_new(path: str, data: bytes, *, mtime_ns: int | None, durable: bool) -> Fingerprint:
    """Write a file that is not there yet, mode 0600, and bring its content to the disk.

    ``mtime_ns`` gives it a time of our own, with digits finer than the clock by which the kernel
    stamps writes, so that no later write in place can leave it as it was.

    Raises:
        OSError: Nothing is left behind; in particular a failed fsync is never tried again on the
            same file, whose pages the kernel may have dropped (PostgreSQL's fsyncgate, 2018).
    """
    try:
        fd = os.open(path, _MAKING, 0o600)
    except KeyboardInterrupt:  # it came in the middle of the call, which made the file
        discard(path)
        raise
    try:
        with closing(fd, path):
            if hasattr(os, "fchmod"):
                os.fchmod(fd, 0o600)
            _write_all(fd, data)
            if mtime_ns is not None and os.utime in os.supports_fd:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            if durable:
                _sync(fd)
            return fingerprint_of(os.fstat(fd))
    except BaseException:  # Ctrl-C too: no temp file stays; the error goes on its way
        discard(path)
        raise


def write_end(fd: int, end: bytes, *, at: int, mtime_ns: int) -> None:
    """Let an open file end with ``end`` from ``at`` on, and bring it to the disk.

    Raises:
        OSError: The file is neither what it was nor what it should be.
    """
    view, place = memoryview(end), at
    while view:
        written = os.pwrite(fd, view[:_LARGEST_CALL], place)
        view, place = view[written:], place + written
    os.ftruncate(fd, place)
    os.utime(fd, ns=(mtime_ns, mtime_ns))
    os.fdatasync(fd)  # the size with it: what is needed to read the content again


def status_of(path: str) -> os.stat_result | None:
    """Return what ``lstat`` says of a path; None when nothing is there.

    ``os.path.exists`` and its like say "no" where they could not look, too.

    Raises:
        OSError: It cannot be known.
    """
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_folder(path: str) -> bool:
    """Tell whether a folder, or a link to one, has a name; see ``status_of``."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def refuse_link(path: str) -> None:
    """Refuse to go where a link leads: what we write and remove stays inside ``save_dir``."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "a link has the name of a private folder; remove it", path)


@contextlib.contextmanager
def closing(fd: int, path: str, *, was_read: bool = False) -> Iterator[None]:
    """Close a descriptor in the end; give its path to errors of calls that know no names.

    An error of closing is one of writing: where the file ``was_read``, it says nothing.
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
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:_LARGEST_CALL]) :]


def _sync(fd: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        # fsync stops at the drive's cache on macOS; see fsync(2) there, and LevelDB's env_posix.
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL):
                raise
        else:
            return
    os.fsync(fd)


def sync_folder(path: str) -> None:
    """Make names in a folder durable: new, renamed and removed ones.

    Windows cannot open a folder; NTFS journals its names.
    """
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with closing(fd, path):
        _sync(fd)


def rename(source: str, target: str) -> None:
    """Move a file over another in one step; readers see the old or the new one."""
    _patiently(lambda: os.replace(source, target))


def unlink(path: str) -> bool:
    """Remove a file; return whether it was there."""
    try:
        _patiently(lambda: os.unlink(path))
    except FileNotFoundError:
        return False
    return True


def discard(path: str) -> None:
    """Remove a temp file after an error, which is the one to tell: a later open sweeps it."""
    with contextlib.suppress(OSError):
        unlink(path)


def _patiently(act: Callable[[], None]) -> None:
    """Do it again while Windows says that somebody has the file open, for two seconds at most."""
    deadline = time.monotonic() + _WINDOWS_PATIENCE
    while True:
        try:
            return act()
        except PermissionError as error:
            busy = getattr(error, "winerror", None) in _WINDOWS_BUSY
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.001, 0.02))  # noqa: S311  (jitter)


def make_folder(path: str, *, durable: bool) -> None:
    """Make a folder and those above it, each 0700 and durable; leave what is there.

    ``os.makedirs`` gives the mode to the last one only, and the umask takes from it.

    Raises:
        OSError: It cannot be made, or a file or a link to nowhere has its name.
    """
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:  # a drive that is not there is its own parent
        make_folder(parent, durable=durable)
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(
                errno.ENOTDIR, "a file has the name of the folder", path
            ) from None
        return
    if durable:
        sync_folder(parent)
