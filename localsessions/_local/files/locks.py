"""256 striped locks that hold between threads and between processes.

The hash of a session's folded id selects its stripe, and the stripe is its lock. Lock files are
never removed, so there are 256 of them for any number of sessions, and another for the whole
folder. Inside a process, a mutex comes first, since a file lock that threads share admits all of
them; then filelock's native lock excludes other processes. Readers take no lock.

Who waits for half a second says so once, and for whom, to the logger ``localsessions.waiting``.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from zlib import crc32

from localsessions._codec.names import folded
from localsessions._local.files.holders import OURSELVES, holder_of
from localsessions._local.files.lock_file import LockFile
from localsessions._local.turnstile import waiting
from localsessions._logger import log
from localsessions.errors import LockTimeoutError

__all__ = ["StripedLocks", "named_error", "stripe_of"]

_STRIPES = 256
_WHOLE = "whole"
# Descriptors that a holder of many locks still needs: for temp files, the folder and the index.
_ROOM = 12
# With filelock's own 50 ms, one of four processes got the lock 792 times and another got it once.
# With 5 ms, all of them get it.
_POLL = 0.005
# A wait that takes longer is told of, in seconds.
_SILENT = 0.5


def stripe_of(session_id: str) -> int:
    """Return the number of a session's stripe; ids that could share a file share the stripe."""
    return crc32(folded(session_id).encode()) % _STRIPES


class StripedLocks:
    """The locks of one folder.

    Args:
        folder: The folder of the lock files, created when first needed.
        timeout: Seconds to wait for a lock; 0 tries once.
    """

    def __init__(self, folder: str, timeout: float) -> None:
        self.folder = folder
        self.timeout = min(
            timeout, threading.TIMEOUT_MAX
        )  # the largest value that a mutex accepts, for "forever"
        self._stripes: dict[str, _Stripe] = {}
        self._pid = os.getpid()

    def hold(self, session_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Hold the locks of sessions; the stripes are taken in order, so there is no deadlock.

        Raises:
            LockTimeoutError: Another holder kept a lock all the time.
            RuntimeError: This thread already holds the lock of one of them, inside ``edit``.
        """
        self._forget_parent()
        if len(session_ids) == 1:
            return self._stripe(stripe_of(session_ids[0])).hold([session_ids[0]], self.timeout)
        return self._hold_all(session_ids)

    @contextmanager
    def _hold_all(self, session_ids: Sequence[str]) -> Iterator[None]:
        entered: list[AbstractContextManager[None]] = []
        try:
            for number, those in _by_stripe(session_ids):
                _enter(self._stripe(number).hold(those, self.timeout), entered)
            yield
        finally:
            _leave(entered)

    @contextmanager
    def hold_free(self, session_ids: Iterable[str]) -> Iterator[frozenset[str]]:
        """Hold the locks of those sessions that are free now; yield these sessions.

        It waits for no lock. It reports no error of a lock that it cannot take; ``hold`` does.
        """
        self._forget_parent()
        taken: list[list[str]] = []
        entered: list[AbstractContextManager[None]] = []
        try:
            for number, those in _by_stripe(session_ids):
                try:
                    _enter(self._stripe(number).hold(those, timeout=0), entered)
                except (OSError, RuntimeError) as error:
                    # EMFILE: this process has no descriptor left; ENFILE: the system has none.
                    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
                        _leave(entered[-_ROOM:])
                        del entered[-_ROOM:], taken[-_ROOM:]
                        break
                    continue
                taken.append(those)
            yield frozenset(chain.from_iterable(taken))
        finally:
            _leave(entered)

    @contextmanager
    def hold_whole(self, session_id: str) -> Iterator[None]:
        """Hold the lock of the whole folder, inside the lock of a session.

        It is the innermost lock: its holder waits for no other lock, so there is no deadlock.

        Raises:
            LockTimeoutError: Another holder kept it all the time.
        """
        self._forget_parent()
        with self._named(_WHOLE).hold([session_id], self.timeout):
            yield

    def check(self, session_id: str) -> None:
        """Make sure that the lock held for a session is still the lock that others see.

        Raises:
            OSError: ``ESTALE``: its file was removed or replaced meanwhile, or this process is a
                forked child of the lock holder.
        """
        self._forget_parent()
        self._stripe(stripe_of(session_id)).check()

    @contextmanager
    def try_stripe(self, number: int) -> Iterator[bool]:
        """Hold a whole stripe if it is free; yield whether that worked."""
        self._forget_parent()
        try:
            with self._stripe(number).hold([], timeout=0):
                yield True
        except LockTimeoutError:
            yield False

    def _forget_parent(self) -> None:
        # After a fork, the child has closed the lock files that it inherited, and each mutex has
        # the state that it had at the fork. Neither says anything about the child.
        if self._pid != os.getpid():
            self._stripes, self._pid = {}, os.getpid()

    def _stripe(self, number: int) -> _Stripe:
        return self._named(f"{number:02x}")

    def _named(self, name: str) -> _Stripe:
        stripe = self._stripes.get(name)
        # setdefault: two threads that both find no stripe must share the same new one.
        return stripe or self._stripes.setdefault(name, _Stripe(os.path.join(self.folder, name)))


def _by_stripe(session_ids: Iterable[str]) -> list[tuple[int, list[str]]]:
    """Return the sessions of each stripe, in the order of the stripes."""
    found: dict[int, list[str]] = {}
    for session_id in session_ids:
        found.setdefault(stripe_of(session_id), []).append(session_id)
    return sorted(found.items())


# Not an ExitStack: an error raised during its exit refers to itself through the stack's frame. A
# lock that Ctrl-C kept it from releasing then stays taken until garbage collection.


def _enter(lock: AbstractContextManager[None], entered: list[AbstractContextManager[None]]) -> None:
    lock.__enter__()
    entered.append(lock)


def _leave(entered: list[AbstractContextManager[None]]) -> None:
    """Release all locks, the last one first, whatever is raised in between."""
    try:
        while entered:
            entered.pop().__exit__(None, None, None)
    # Ctrl-C may come while one is released: the others must not stay taken for that. The one that
    # was interrupted is released with its object.
    except BaseException:
        _leave(entered)
        raise


class _Stripe:
    def __init__(self, path: str) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._owner: int | None = None
        self._held: set[str] = set()
        self.file = LockFile(path)

    @contextmanager
    def hold(self, session_ids: list[str], timeout: float) -> Iterator[None]:
        named = session_ids[0] if session_ids else None
        if self._owner == threading.get_ident():
            # This thread already edits another session of this stripe, and so holds the lock.
            with self._marked(session_ids):
                yield
            return
        wait = _Wait(named, timeout)
        taken: list[bool] = []
        try:
            # One call into C takes the mutex and stores that: Python raises KeyboardInterrupt only
            # between two calls, and between these it would leave the mutex taken forever.
            taken.extend(map(self._mutex.acquire, [False]))
            if not taken[0]:
                taken.clear()
                self._wait_for_thread(taken, wait)
            self._lock_file(wait)
            self._owner = threading.get_ident()
            with self._marked(session_ids):
                yield
        finally:
            if taken == [True]:
                self._owner = None
                try:
                    self.file.let_go()
                # Ctrl-C may come before the file is unlocked, and other processes wait for it. To
                # let go twice does no harm.
                except BaseException:
                    self.file.let_go()
                    raise
                finally:
                    self._mutex.release()

    def _wait_for_thread(self, taken: list[bool], wait: _Wait) -> None:
        """Take the mutex, which another thread has now, and put that into ``taken``."""
        with waiting():
            taken.extend(map(self._mutex.acquire, [True], [min(wait.timeout, _SILENT)]))
        if not taken[0] and wait.timeout > _SILENT:
            taken.clear()
            wait.tell(self._holder())
            with waiting():
                taken.extend(map(self._mutex.acquire, [True], [wait.timeout - _SILENT]))
        if not taken[0]:
            raise self._timed_out(wait)

    def _holder(self) -> str | None:
        # The thread that has the mutex may itself wait for another process.
        return holder_of(self.path) if self._owner is None else OURSELVES

    def _timed_out(self, wait: _Wait) -> LockTimeoutError:
        # Who only tries wants no more than a no: the system is not asked.
        is_known = wait.timeout or self._owner is not None
        holder = self._holder() if is_known else None
        return LockTimeoutError(
            wait.timeout, session_id=wait.session_id, path=self.path, holder=holder
        )

    @contextmanager
    def _marked(self, session_ids: list[str]) -> Iterator[None]:
        if twice := self._held.intersection(session_ids):
            raise RuntimeError(
                f"session {min(twice)!r} is being edited by this thread already; "
                "change the session that edit() gave you instead of calling another verb on it"
            )
        try:
            self._held.update(session_ids)
            yield
        finally:
            self._held.difference_update(session_ids)

    def _lock_file(self, wait: _Wait) -> None:
        while True:
            left = wait.deadline - time.monotonic()
            try:
                if self.file.try_once():
                    return
            except OSError as error:
                raise named_error(error, self.path) from error
            if left <= 0:
                raise self._timed_out(wait)
            if not wait.is_told and wait.timeout - left >= _SILENT:
                wait.tell(self._holder())
            with waiting():
                time.sleep(min(_POLL, left))

    def check(self) -> None:
        if not self.file.is_in_place():
            raise OSError(
                errno.ESTALE,
                "the lock was lost, its file replaced or the process forked; nothing was written",
                self.path,
            )


class _Wait:
    """A wait for the lock of a session; it is told of once."""

    def __init__(self, session_id: str | None, timeout: float) -> None:
        self.session_id = session_id
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.is_told = False

    def tell(self, holder: str | None) -> None:
        self.is_told = True
        who = holder or "another process"
        log("waiting").info("waiting for the lock of session %r, held by %s", self.session_id, who)


def named_error(error: OSError, path: str) -> OSError:
    """Return the error of a lock file with its path, as a caller of a verb has to see it."""
    if error.errno == errno.ENOSYS:
        return OSError(
            errno.ENOSYS, "this file system has no locks; keep sessions on a local disk", path
        )
    # Python maps EACCES and EPERM to PermissionError, but not EROFS.
    if error.errno == errno.EROFS:
        return PermissionError(errno.EROFS, "the session folder is read-only", path)
    # flock(2) works on a descriptor, so its error names no file.
    return type(error)(error.errno, error.strerror, error.filename or path)
