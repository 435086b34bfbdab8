"""Spares: former versions of session files, brought up to date in place instead of written anew.

A session that is added to has two files of nearly the same content: the published one, and under
a private name the version before it. To publish the next, the end of the private one is written
anew, synced, and renamed over the published one, which becomes the spare in its turn. So only the
end is ever written, and whoever reads the published name finds a whole version at every instant.

Whoever opened a file before it was replaced must never see it change. Linux grants a write lease
only while nobody else has the file open or mapped, and holds off whoever comes while it lasts
(fcntl(2), "Leases"). Where there are no leases there are no spares.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

from localsessions._files import durable
from localsessions._version import Fingerprint, Spare

__all__ = ["CAN_LEASE", "Refused", "brought_up_to_date"]

CAN_LEASE = sys.platform == "linux"
_EDIT = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_EDIT |= getattr(os, "O_CLOEXEC", 0)
# Errors that mean "not on this file system", of leases and of hard links.
_UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Refused(Exception):  # noqa: N818  (no error: the file is written whole instead)
    """The spare cannot be used; the reason is counted."""


def brought_up_to_date(path: str, spare: Spare, end: bytes, *, mtime_ns: int) -> Fingerprint:
    """Let a spare end with ``end`` from where it still holds what the published file holds.

    Raises:
        Refused: Somebody has it open, changed it, or gave it another name. It is as it was.
        OSError: It is neither the old nor the new version, and no longer of use.
    """
    try:
        fd = os.open(path, _EDIT)
    except OSError as error:
        raise Refused("the spare is gone") from error
    with durable.closing(fd, path):
        _lease(fd)
        try:
            status = os.fstat(fd)
            if durable.fingerprint_of(status) != spare.fingerprint:
                raise Refused("the spare was changed")
            if status.st_nlink != 1:
                raise Refused("the file has other names")
            durable.write_end(fd, end, at=spare.common, mtime_ns=mtime_ns)
        finally:
            # Closing would do, but for a child forked meanwhile, which has the file open, too.
            _let_go(fd)
        return durable.fingerprint_of(os.fstat(fd))


def _lease(fd: int) -> None:
    """Take a write lease: nobody else has the file open now, and who opens it waits.

    Raises:
        Refused: Somebody has it open or mapped, or the file system has no leases.
    """
    import fcntl

    try:
        # Whoever opens the file makes the kernel send a signal, by default SIGIO, which kills;
        # SIGURG is ignored. Unlocking resets it, so it is set each time.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise Refused("somebody reads the version before") from None
        if error.errno in (*_UNSUPPORTED, errno.EACCES, errno.EPERM):
            raise Refused("no leases here") from None
        raise


def _let_go(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
