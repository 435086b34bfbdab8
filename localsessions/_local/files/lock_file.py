"""LockFile: one file that is locked by one process at a time.

The lock itself is filelock's, taken on a descriptor that is opened for it and closed with it.
filelock's own ``FileLock`` opens too, and does for it what is done here and much that is not
needed here, in ten times the time; every turn of a session takes a lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref

from localsessions._local.files import durable
from localsessions._log import log

__all__ = ["LockFile"]

_all: weakref.WeakSet[LockFile] = weakref.WeakSet()
# No fork comes between the opening of a descriptor and the note of it.
_opening = threading.RLock()


def _close_inherited() -> None:
    """Close what a forked child inherited: it would hold the lock after its parent's death."""
    _opening.release()
    for inherited in list(_all):
        inherited.close_inherited()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_opening.acquire,
        after_in_parent=_opening.release,
        after_in_child=_close_inherited,
    )


class LockFile:
    """A lock file, made where it is not there and never removed.

    Threads of a process do not exclude each other by it: a mutex goes first.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fds: list[int] = []
        self._identity: tuple[int, int] | None = None
        _all.add(self)

    @property
    def is_held(self) -> bool:
        """Whether this process has the lock."""
        return bool(self._fds)

    def try_once(self) -> bool:
        """Take the lock if nobody has it; tell whether it worked.

        False also where the file was removed or replaced between its opening and its locking.

        Raises:
            OSError: The file cannot be opened or made, or there are no locks.
        """
        import filelock

        with _opening:
            # Opened and noted in one call into C: Ctrl-C is raised between two calls.
            try:
                self._fds.extend(map(os.open, [self.path], [durable.EDITING]))
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
                flags = durable.EDITING | os.O_CREAT
                self._fds.extend(map(os.open, [self.path], [flags], [0o600]))
        try:
            if filelock.lock_descriptor(self._fds[-1], blocking=False):
                status = os.fstat(self._fds[-1])
                self._identity = status.st_dev, status.st_ino
                if self.is_in_place():
                    return True
        except BaseException:  # Ctrl-C too; the error goes on its way
            self.let_go()
            raise
        self.let_go()
        return False

    def is_in_place(self) -> bool:
        """Tell whether the file that is locked still has the name that others open."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return False
        return self.is_held and self._identity == (status.st_dev, status.st_ino)

    def close_inherited(self) -> None:
        """Close what a forked child has of its parent's: the lock stays the parent's."""
        while self._fds:
            with contextlib.suppress(OSError):
                os.close(self._fds.pop())

    def let_go(self) -> None:
        """Give the lock up, if it is held; what was done under it stands in any case."""
        import filelock

        if not self._fds:
            return
        try:
            filelock.unlock_descriptor(self._fds[-1])
        except OSError as error:
            log().warning("lock %s was not let go of (%s); closing its file", self.path, error)
        # Closed once only: by then the number may be another file's.
        with contextlib.suppress(OSError):
            os.close(self._fds.pop())
