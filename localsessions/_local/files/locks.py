"""256 striped locks that hold between threads and between processes.

A session's lock is the stripe that its folded id hashes to; the files are never removed, so
there are 256 of them whatever the number of sessions, and one for the whole folder. Inside a
process a mutex goes first, since a file lock shared by threads admits them all; filelock's native
lock then holds other processes off. Readers take no lock.
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
from localsessions._local.files.lock_file import LockFile
from localsessions.errors import LockTimeoutError

__all__ = ["StripedLocks", "stripe_of"]

_STRIPES = 256
_WHOLE = "whole"
# Descriptors that are left to whoever holds many locks: for temp files, the folder and the index.
_ROOM = 12
# At filelock's own 50 ms one of four processes got in 792 times and another once; at 5 ms all do.
_POLL = 0.005


def stripe_of(session_id: str) -> int:
    """Return the number of a session's stripe; ids that could share a file share it."""
    return crc32(folded(session_id).encode()) % _STRIPES


class StripedLocks:
    """The locks of one folder.

    Args:
        folder: Where the lock files are, made when first needed.
        timeout: Seconds to wait for a lock; 0 tries once.
    """

    def __init__(self, folder: str, timeout: float) -> None:
        # Before anybody can have a verb under way in a thread: a fork in the middle of an import
        # leaves the module locked in the child, and filelock's own hooks wait for the import.
        import filelock  # noqa: F401

        self.folder = folder
        self.timeout = min(timeout, threading.TIMEOUT_MAX)  # what "for ever" can be
        self._stripes: dict[str, _Stripe] = {}
        self._pid = os.getpid()

    def hold(self, session_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Hold the locks of some sessions; their stripes are taken in order, so nobody deadlocks.

        Raises:
            LockTimeoutError: Somebody else held one all the time.
            RuntimeError: This thread holds one of them already, inside ``edit``.
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
        """Hold the locks of those of the sessions that can be had at once; yield these sessions.

        Nobody is waited for. What is wrong with a lock that cannot be had is told by ``hold``.
        """
        self._forget_parent()
        taken: list[list[str]] = []
        entered: list[AbstractContextManager[None]] = []
        try:
            for number, those in _by_stripe(session_ids):
                try:
                    _enter(self._stripe(number).hold(those, timeout=0), entered)
                except (OSError, RuntimeError) as error:
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
        """Hold the one lock of the whole folder, inside the lock of a session.

        It is the innermost: whoever holds it waits for no other lock, so nobody deadlocks.

        Raises:
            LockTimeoutError: Somebody else held it all the time.
        """
        self._forget_parent()
        with self._named(_WHOLE).hold([session_id], self.timeout):
            yield

    def check(self, session_id: str) -> None:
        """Make sure that the lock held for a session is still the one that others see.

        Raises:
            OSError: ``ESTALE``: its file was removed or replaced meanwhile, or this is the child
                of a process that holds it.
        """
        self._forget_parent()
        self._stripe(stripe_of(session_id)).check()

    @contextmanager
    def try_stripe(self, number: int) -> Iterator[bool]:
        """Hold a whole stripe if nobody does; tell whether it worked."""
        self._forget_parent()
        try:
            with self._stripe(number).hold([], timeout=0):
                yield True
        except LockTimeoutError:
            yield False

    def _forget_parent(self) -> None:
        # After a fork: the child has closed what it inherited, our mutexes are as they
        # happened to be, and neither says anything about the child.
        if self._pid != os.getpid():
            self._stripes, self._pid = {}, os.getpid()

    def _stripe(self, number: int) -> _Stripe:
        return self._named(f"{number:02x}")

    def _named(self, name: str) -> _Stripe:
        stripe = self._stripes.get(name)
        # setdefault: two threads that both miss must share one.
        return stripe or self._stripes.setdefault(name, _Stripe(os.path.join(self.folder, name)))


def _by_stripe(session_ids: Iterable[str]) -> list[tuple[int, list[str]]]:
    """Return the sessions of each stripe, the stripes in order."""
    found: dict[int, list[str]] = {}
    for session_id in session_ids:
        found.setdefault(stripe_of(session_id), []).append(session_id)
    return sorted(found.items())


# Not an ExitStack: an error raised while it leaves refers to itself by the stack's frame, and a
# lock that Ctrl-C did not let it leave stays taken until garbage collection.


def _enter(lock: AbstractContextManager[None], entered: list[AbstractContextManager[None]]) -> None:
    lock.__enter__()
    entered.append(lock)


def _leave(entered: list[AbstractContextManager[None]]) -> None:
    """Leave all, the last one first, whatever comes in between."""
    try:
        while entered:
            entered.pop().__exit__(None, None, None)
    except BaseException:  # Ctrl-C too: the one that it met is left when it is forgotten
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
            # Another session of this stripe is being edited by this very thread.
            with self._marked(session_ids):
                yield
            return
        deadline = time.monotonic() + timeout
        taken: list[bool] = []
        try:
            # Taken and noted in one call into C: Ctrl-C is raised between two calls, and between
            # these it would leave the mutex taken for ever.
            taken.extend(map(self._mutex.acquire, [True], [timeout]))
            if not taken[0]:
                raise LockTimeoutError(timeout, session_id=named, path=self.path)
            self._lock_file(named, timeout, deadline)
            self._owner = threading.get_ident()
            with self._marked(session_ids):
                yield
        finally:
            if taken == [True]:
                self._owner = None
                try:
                    self.file.let_go()
                except BaseException:  # Ctrl-C too: others wait for the file
                    self.file.let_go()
                    raise
                finally:
                    self._mutex.release()

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

    def _lock_file(self, session_id: str | None, timeout: float, deadline: float) -> None:
        while True:
            left = deadline - time.monotonic()
            try:
                if self.file.try_once():
                    return
            except OSError as error:
                raise _named(error, self.path) from error
            if left <= 0:
                raise LockTimeoutError(timeout, session_id=session_id, path=self.path)
            time.sleep(min(_POLL, left))

    def check(self) -> None:
        if not self.file.is_in_place():
            raise OSError(
                errno.ESTALE,
                "the lock was lost, its file replaced or the process forked; nothing was written",
                self.path,
            )


def _named(error: OSError, path: str) -> OSError:
    if error.errno == errno.ENOSYS:
        return OSError(
            errno.ENOSYS, "this file system has no locks; keep sessions on a local disk", path
        )
    if error.errno == errno.EROFS:
        return PermissionError(errno.EROFS, "the session folder is read-only", path)
    return type(error)(error.errno, error.strerror, error.filename or path)
