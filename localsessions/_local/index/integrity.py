"""Integrity: whether a database file is as it was when it was last checked whole.

Checking a database row by row against its indexes takes longer than all else that opening a store
of 100,000 sessions takes. It says nothing new where nobody but SQLite wrote to the files since,
and that is told by their fingerprints: what we write, and what we check, gets a modification time
of our own, to the nanosecond, which no write by the kernel's clock can leave as it is. Whatever is
in doubt (another process wrote, a process was killed, a power cut, a coarse clock, an error) is
answered by "not kept", and costs one more check.

A file beside the database, ``index.checked``, hands it on to other processes: when a database is
closed, and after each write to one that takes long to check.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TypeAlias

from localsessions._log import log

__all__ = ["Integrity"]

_Seen: TypeAlias = tuple[int, int, int, int] | None
"""Size, modification, change and inode of a file, of a log without the third; None for one that is
not there, or empty."""
_MARK_BYTES = 400
_LARGE_BYTES = 1 << 20  # of some 1,000 sessions; to check it takes 10 ms
# Windows opens text files otherwise; elsewhere the others keep from following planted links.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))


class Integrity:
    """What is known of one database and its log.

    Args:
        path: The database; None is memory, which nobody else can write to.
    """

    def __init__(self, path: str | None) -> None:
        self._names = None if path is None else (path, path + "-wal")
        self._mark = f"{(path or '').removesuffix('.sqlite3')}.checked"
        self._kept: tuple[_Seen, ...] | None = None
        self._candidate: tuple[_Seen, ...] | None = None
        self._marked = ""

    def is_kept(self) -> bool:
        """Tell whether nobody wrote since this object checked, or wrote itself.

        Of a large database others may have written who had it in custody, and handed it on.
        """
        if self._names is None:
            return True
        seen = self._seen()
        return self._is_as_left(seen) or (_is_large(seen) and self._is_marked(seen))

    def is_handed_on(self) -> bool:
        """Tell the same where anybody who had it in custody may have written, or checked."""
        if self._names is None:
            return True
        seen = self._seen()
        return self._is_as_left(seen) or self._is_marked(seen)

    def _is_as_left(self, seen: tuple[_Seen, ...] | None) -> bool:
        return self._kept is not None and self._kept == seen

    def _is_marked(self, seen: tuple[_Seen, ...] | None) -> bool:
        if seen is None or seen[0] is None or self._read_mark() != (text := repr(seen)):
            return False
        self._kept, self._marked = seen, text
        return True

    def begin(self) -> None:
        """Before a check: give the files times of our own, so that later writes are told."""
        self._kept, self._candidate = None, self._stamped()

    def end(self) -> None:
        """After a check that found nothing: from here on custody is kept."""
        if self._candidate is not None and self._candidate == self._seen():
            self._kept = self._candidate
            self.hand_on()

    def go_on(self) -> None:
        """After a write of our own, in custody before: so is what was written."""
        self._kept = self._stamped()
        if _is_large(self._kept):
            self.hand_on()

    def hand_on(self) -> None:
        """Leave word for the next process, if there is anything new to say."""
        if self._names is None or self._kept is None or (text := repr(self._kept)) == self._marked:
            return
        try:
            self._write_mark(text)
        except OSError as error:  # the next process checks: that is all
            log().debug("the index's check is not handed on: %s", error)
        else:
            self._marked = text

    # -- the files -----------------------------------------------------------------------------

    def _seen(self) -> tuple[_Seen, ...] | None:
        """Return what ``stat`` says of the database and its log; None where it cannot say."""
        try:
            return None if self._names is None else tuple(map(_seen, self._names))
        except OSError:
            return None

    def _stamped(self) -> tuple[_Seen, ...] | None:
        """Return what ``stat`` says after each file that changed got a time of our own."""
        if self._names is None:
            return None
        known = self._kept or (None, None)
        try:
            return tuple(map(_stamped, self._names, known))
        except (OSError, NotImplementedError):
            return None

    def _read_mark(self) -> str | None:
        try:
            fd = os.open(self._mark, os.O_RDONLY | _FLAGS)
        except OSError:
            return None
        try:
            is_file = stat.S_ISREG(os.fstat(fd).st_mode)
            return os.read(fd, _MARK_BYTES).decode("ascii", "replace").rstrip() if is_file else None
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):  # of a file that was only read it says nothing
                os.close(fd)

    def _write_mark(self, text: str) -> None:
        fd = self._open_mark()
        try:
            os.write(fd, text.encode("ascii").ljust(_MARK_BYTES))
        finally:
            os.close(fd)

    def _open_mark(self) -> int:
        with contextlib.suppress(OSError):  # none there, a link, a folder, a pipe
            if (fd := self._open_own_mark()) is not None:
                return fd
        # Never into what is there, which may have a second name somewhere else.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._mark)
        return os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)

    def _open_own_mark(self) -> int | None:
        fd = os.open(self._mark, os.O_WRONLY | _FLAGS)
        is_own = False
        try:
            status = os.fstat(fd)
            is_own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        finally:
            if not is_own:
                os.close(fd)
        return fd if is_own else None


def _is_large(seen: tuple[_Seen, ...] | None) -> bool:
    return seen is not None and sum(one[0] for one in seen if one is not None) >= _LARGE_BYTES


def _seen(path: str) -> _Seen:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if found.st_size == 0:
        return None  # a log that SQLite has just begun
    # SQLite gives a log its owner anew whenever root opens the database, which moves this time.
    changed_ns = 0 if path.endswith("-wal") else found.st_ctime_ns
    return found.st_size, found.st_mtime_ns, changed_ns, found.st_ino


def _stamped(path: str, known: _Seen) -> _Seen:
    """Give a file that is not as known a time of our own.

    Raises:
        OSError: It cannot be given one, or its file system keeps none as fine as that.
    """
    if (now := _seen(path)) is None or now == known:
        return now
    instant = time.time_ns()
    os.utime(path, ns=(instant, instant), follow_symlinks=False)
    now = _seen(path)
    if now is None or now[1] != instant:
        raise OSError(errno.ENOTSUP, "times are coarse here", path)
    return now
