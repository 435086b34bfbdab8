"""LockFile: a file that one process at a time can lock.

The lock is filelock's. It is taken on a descriptor that is opened for it and closed with it.
filelock's own ``FileLock`` also opens the file. It does what this class does, and much that is
not needed here, and takes ten times as long. Every turn of a session takes a lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref

from localsessions import _system
from localsessions._logger import log

__all__ = ["LockFile"]

_all: weakref.WeakSet[LockFile] = weakref.WeakSet()
# No fork happens between the opening of a descriptor and its entry in ``_fds``.
_opening = threading.RLock()


def _close_inherited() -> None:
    """Close what a forked child inherited: it would hold the lock after its parent's death.

    All copies of a descriptor share one lock, which lasts until all are closed (flock(2)).
    """
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
    """A lock file, created where it does not exist and never removed.

    It does not exclude threads of the same process: they take a mutex first.

    Args:
        path: The path of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fds: list[int] = []
        self._is_locked = False
        self._identity: tuple[int, int] | None = None
        _all.add(self)

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock."""
        return bool(self._fds)

    def try_once(self) -> bool:
        """Take the lock if it is free; return whether that worked.

        Also False where the file was removed or replaced between its opening and its locking.

        Raises:
            OSError: The file cannot be opened or created, or the file system has no locks.
        """
        import filelock

        with _opening:
            # O_RDWR: over NFS, an exclusive lock needs a file opened for writing (flock(2)).
            # One call into C opens the file and stores the descriptor: Python raises
            # KeyboardInterrupt only between two calls, so the descriptor is never lost.
            try:
                self._fds.extend(map(_system.open_file, [self.path], [_system.EDITING]))
            except FileNotFoundError:
                _make_folder(os.path.dirname(self.path))
                flags = _system.EDITING | os.O_CREAT
                self._fds.extend(map(_system.open_file, [self.path], [flags], [0o600]))
        try:
            # Set before: after Ctrl-C in between, what is locked has to be let go of.
            self._is_locked = True
            self._is_locked = filelock.lock_descriptor(self._fds[-1], blocking=False)
            if self._is_locked:
                self._identity = _identity(_system.fstat(self._fds[-1]))
                if self.is_in_place():
                    return True
        # After an error or Ctrl-C, the caller does not know that it has the lock, and would never
        # let go of it: every other process would wait until this one ends.
        except BaseException:
            self.let_go()
            raise
        self.let_go()
        return False

    def is_in_place(self) -> bool:
        """Return whether the locked file still has the name that others open."""
        # By device and inode: the name may lead to a new file, which others lock.
        try:
            if self._identity == _identity(_system.lstat(self.path)):
                return self.is_held
            return self.is_held and self._identity == self._opened_again()
        except FileNotFoundError:
            return False

    def _opened_again(self) -> tuple[int, int]:
        """Return the identity of the file at the path, asked as that of the locked file was.

        Some file systems (networks, overlays) give a path another inode than an open file.
        """
        fd = _system.open_file(self.path, _system.READING)
        try:
            return _identity(_system.fstat(fd))
        finally:
            os.close(fd)

    def close_inherited(self) -> None:
        """Close the descriptors that a forked child inherited: the lock stays the parent's.

        Unlocking a copy of the descriptor would also release the parent's lock (flock(2)).
        """
        self._is_locked = False
        while self._fds:
            with contextlib.suppress(OSError):
                os.close(self._fds.pop())

    def let_go(self) -> None:
        """Release the lock, if it is held; what was done under it stays valid in any case."""
        import filelock

        if not self._fds:
            return
        try:
            # What is not locked cannot be let go of: Windows says that it is an error.
            if self._is_locked:
                filelock.unlock_descriptor(self._fds[-1])
        except OSError as error:
            log().warning("lock %s was not let go of (%s); closing its file", self.path, error)
        self._is_locked = False
        # Closed only once: afterwards another file may get the same number.
        with contextlib.suppress(OSError):
            os.close(self._fds.pop())


def _make_folder(path: str) -> None:
    """Make the folder of lock files and the private one above it, and none above that.

    A store's folder that is away for a moment could not come back if its place were taken.
    """
    for folder in (os.path.dirname(path), path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _identity(status: _system.Status) -> tuple[int, int]:
    return status.st_dev, status.st_ino
