"""Integrity: whether a database file is known to be intact since its last full check.

A full check compares each row with the indexes. For a store of 100,000 sessions, it takes longer
than all other steps of opening the store together. It finds nothing new if only SQLite wrote to
the files since the last check. The fingerprints of the files show this: after our own writes and
checks we set the modification time ourselves, to the nanosecond, and a write that uses the
kernel's clock always changes that time. In all doubtful cases (another process wrote, a process
was killed, a power cut, a coarse clock, an error) the answer is "not kept". It costs one more
check.

A file beside the database, ``index.checked``, records the fingerprints of an intact database for
other processes. It is written when a database is closed, and after each write to a database that
takes long to check.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TypeAlias

from localsessions import _system
from localsessions._logger import log

__all__ = ["Integrity"]

_Seen: TypeAlias = tuple[int, int, int, int] | None
"""Size, modification time, change time and inode of a file. The change time of a log is 0. None
means that the file does not exist or is empty."""
_MARK_BYTES = 400
_LARGE_BYTES = 1 << 20  # about 1,000 sessions; a check takes 10 ms


class Integrity:
    """What is known about one database and its log.

    Args:
        path: The database; None means in memory, where no other process can write.
    """

    def __init__(self, path: str | None) -> None:
        self._names = None if path is None else (path, path + "-wal")
        self._mark = f"{(path or '').removesuffix('.sqlite3')}.checked"
        self._kept: tuple[_Seen, ...] | None = None
        self._candidate: tuple[_Seen, ...] | None = None
        self._marked = ""

    def is_kept(self) -> bool:
        """Tell whether the files are as this object left them after its last check or write.

        For a large database it is enough that they are as ``index.checked`` records them.
        """
        if self._names is None:
            return True
        seen = self._seen()
        return self._is_as_left(seen) or (_is_large(seen) and self._is_marked(seen))

    def is_handed_on(self) -> bool:
        """Tell whether the files are as this object left them, or as ``index.checked`` says.

        Only a process that knew the database to be intact writes ``index.checked``.
        """
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
        """Before a check: set our own times on the files, so that later writes can be detected."""
        self._kept, self._candidate = None, self._stamped()

    def end(self) -> None:
        """After a check that found no damage: the database is now known to be intact.

        If a file changed during the check, nothing is known.
        """
        if self._candidate is not None and self._candidate == self._seen():
            self._kept = self._candidate
            self.hand_on()

    def go_on(self) -> None:
        """After our own write to a database that was known to be intact: it still is."""
        self._kept = self._stamped()
        if _is_large(self._kept):
            self.hand_on()

    def hand_on(self) -> None:
        """Write ``index.checked`` for the next process, if there is anything new to record."""
        if self._names is None or self._kept is None or (text := repr(self._kept)) == self._marked:
            return
        try:
            self._write_mark(text)
        except OSError as error:  # it costs only that the next process checks
            log().debug("the index's check is not handed on: %s", error)
        else:
            self._marked = text

    # -- the files -----------------------------------------------------------------------------

    def _seen(self) -> tuple[_Seen, ...] | None:
        """Return what ``stat`` says about the database and its log; None if ``stat`` fails."""
        try:
            return None if self._names is None else tuple(map(_seen, self._names))
        except OSError:
            return None

    def _stamped(self) -> tuple[_Seen, ...] | None:
        """Set our own time on each file that changed; return what ``stat`` says then.

        None: a time cannot be set.
        """
        if self._names is None:
            return None
        known = self._kept or (None, None)
        try:
            return tuple(map(_stamped, self._names, known))
        except (OSError, NotImplementedError):
            return None

    def _read_mark(self) -> str | None:
        try:
            fd = _system.open_file(self._mark, _system.READING)
        except OSError:
            return None
        try:
            is_file = stat.S_ISREG(_system.fstat(fd).st_mode)
            return os.read(fd, _MARK_BYTES).decode("ascii", "replace").rstrip() if is_file else None
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):  # the file was only read: an error means nothing
                os.close(fd)

    def _write_mark(self, text: str) -> None:
        fd = self._open_mark()
        try:
            os.write(fd, text.encode("ascii").ljust(_MARK_BYTES))
        finally:
            os.close(fd)

    def _open_mark(self) -> int:
        with contextlib.suppress(OSError):  # not there, a link, a folder, a pipe
            if (fd := self._open_own_mark()) is not None:
                return fd
        # Never write into the existing file: it may have a second name somewhere else.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._mark)
        return _system.open_file(self._mark, _system.MAKING, 0o600)

    def _open_own_mark(self) -> int | None:
        fd = _system.open_file(self._mark, _system.WRITING)
        is_own = False
        try:
            status = _system.fstat(fd)
            is_own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        finally:
            if not is_own:
                os.close(fd)
        return fd if is_own else None


def _is_large(seen: tuple[_Seen, ...] | None) -> bool:
    return seen is not None and sum(one[0] for one in seen if one is not None) >= _LARGE_BYTES


def _seen(path: str) -> _Seen:
    try:
        found = _system.lstat(path)
    except FileNotFoundError:
        return None
    if found.st_size == 0:
        return None  # a log that SQLite has just created
    # When root opens the database, SQLite sets the owner of the log again. That changes the ctime.
    changed_ns = 0 if path.endswith("-wal") else found.st_ctime_ns
    return found.st_size, found.st_mtime_ns, changed_ns, found.st_ino


def _stamped(path: str, known: _Seen) -> _Seen:
    """Set our own modification time on a file, unless the file is as ``known``.

    Raises:
        OSError: The time cannot be set, or the file system does not keep nanoseconds.
    """
    if (now := _seen(path)) is None or now == known:
        return now
    grain = _system.TIME_GRAIN_NS
    instant = time.time_ns() // grain * grain
    _system.set_modified(path, instant)
    now = _seen(path)
    if now is None or now[1] != instant:
        raise OSError(errno.ENOTSUP, "times are coarse here", path)
    return now
