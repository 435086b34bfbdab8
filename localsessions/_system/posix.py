"""Linux and macOS: what ``os`` has, and what its calls leave to be done."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys

__all__ = [
    "APPENDS_IN_ONE_STEP",
    "EDITING",
    "MAKING",
    "READING",
    "TAKES_ANY_NAME",
    "TIME_GRAIN_NS",
    "WRITING",
    "Status",
    "bytes_on_disk",
    "fstat",
    "lstat",
    "make_folder",
    "make_like",
    "make_private",
    "open_file",
    "open_to_read",
    "rename",
    "scandir",
    "set_modified",
    "sync",
    "sync_folder",
    "unlink",
]

# O_NOFOLLOW: a planted symbolic link is refused (ELOOP). O_CLOEXEC: a child process does not
# inherit the descriptor. O_NONBLOCK: the path may be a FIFO, and open(2) would wait there for the
# other end.
_OURS = os.O_NOFOLLOW | os.O_CLOEXEC
READING = os.O_RDONLY | os.O_NONBLOCK | _OURS
WRITING = os.O_WRONLY | os.O_NONBLOCK | _OURS
EDITING = os.O_RDWR | os.O_NONBLOCK | _OURS
# O_EXCL: fails where the name exists, also as a dangling symbolic link (open(2)).
MAKING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OURS

APPENDS_IN_ONE_STEP = True
"""write(2) of a file that was opened with O_APPEND."""

TAKES_ANY_NAME = True
"""Whether a name with any character but a slash and NUL is that of a file in its folder."""

TIME_GRAIN_NS = 1
"""utimensat(2) takes nanoseconds. What the file system keeps of them is read back."""

Status = os.stat_result

open_file = os.open
fstat = os.fstat
lstat = os.lstat
scandir = os.scandir


def bytes_on_disk(path: str) -> int:
    """Return what a file takes on the disk, in whole blocks; links are not followed."""
    return os.lstat(path).st_blocks * 512  # whatever the file system's own blocks are: stat(3type)


def open_to_read(path: str) -> int:
    """Open a file for reading, through links too; do not wait where it is a FIFO."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def rename(source: str, target: str) -> None:
    """Move a file over another in one step: readers see the old or the new file."""
    os.replace(source, target)


def unlink(path: str) -> None:
    """Remove a file."""
    os.unlink(path)


def make_folder(path: str) -> None:
    """Make a folder that only its owner may enter."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)  # the umask may have cleared bits of the mode


def make_private(fd: int) -> None:
    """Let only the owner read and write an open file."""
    os.fchmod(fd, 0o600)  # the umask may have cleared bits of the mode that open(2) was given


def make_like(fd: int, path: str) -> None:
    """Give an open file mode, group and owner of another file, as far as the process may.

    If the group cannot be kept, its rights are left out. Access lists are not copied.
    """
    wanted, own = os.stat(path), os.fstat(fd)
    mode = stat.S_IMODE(wanted.st_mode) & 0o777
    if wanted.st_gid != own.st_gid:
        try:
            os.fchown(fd, -1, wanted.st_gid)
        except PermissionError:
            mode &= ~0o070
    if wanted.st_uid != own.st_uid:
        with contextlib.suppress(PermissionError):  # only root may; then it is who writes it
            os.fchown(fd, wanted.st_uid, -1)
    os.fchmod(fd, mode)


def set_modified(file: int | str, mtime_ns: int) -> None:
    """Set the modification time of an open file, or of a path; links are not followed."""
    if isinstance(file, int):
        os.utime(file, ns=(mtime_ns, mtime_ns))
    else:
        os.utime(file, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def sync(fd: int) -> None:
    """Write an open file to the disk."""
    if sys.platform == "darwin":
        import fcntl

        # On macOS, fsync stops at the drive's cache; see fsync(2) there, and LevelDB's env_posix.
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError as error:
            # ENOTSUP, EINVAL: this file system has no F_FULLFSYNC; fsync may work.
            if error.errno not in (errno.ENOTSUP, errno.EINVAL):
                raise
        else:
            return
    os.fsync(fd)


def sync_folder(path: str) -> None:
    """Write the names in a folder to the disk: new, renamed and removed names.

    The sync of a file does not cover its name in the folder (fsync(2)).
    """
    # O_DIRECTORY: fails with ENOTDIR if the path is no folder, and never waits for a FIFO.
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(fd)
    except OSError as error:
        error.filename = path
        raise
    finally:
        with contextlib.suppress(OSError):  # nothing was written through it
            os.close(fd)
