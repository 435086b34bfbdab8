"""Following changes: a callback for each change, or an iterator that waits for the next change.

Every change that is reported comes from the engine's log. A wake-up only says: look at the log.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from localsessions._logger import log
from localsessions.engine import Engine
from localsessions.errors import ChangesExpiredError

if TYPE_CHECKING:
    from localsessions.models import SessionChange

__all__ = ["Following", "OnChange", "OnError", "Watch"]

OnChange: TypeAlias = Callable[["SessionChange"], object]
"""Called with each change."""

OnError: TypeAlias = Callable[[Exception, "SessionChange | None"], object]
"""Called with an error, and with the change if the callback raised the error for that change."""

_BATCH = 256

# An endless wait cannot be interrupted by Ctrl-C on Windows.
_WAIT = 1.0


class Following:
    """The changes after a given change, in portions, for code that waits in its own way.

    Args:
        engine: Whose changes.
        since: The number of a change; None means from now on.
        wake: Called in a thread of the engine when there may be new changes.
        fail: Called in that thread with an error if the engine cannot look; it goes on trying.

    Attributes:
        number: The number of the last change that was returned, or at first of the change to
            begin after.
        has_more: Whether the last call of ``next_ones`` returned as many as a call can return.
        closed: Whether no more changes come: ``end`` was called, or the engine closed.

    Raises:
        ChangesExpiredError: ``since`` is not known.
    """

    def __init__(
        self,
        engine: Engine,
        since: int | None,
        wake: Callable[[], object],
        fail: Callable[[Exception], object] | None = None,
    ) -> None:
        self.closed = False
        self.has_more = False
        self.number = _position(engine, since)
        self._engine = engine
        self._wake = wake
        self._fail = fail

    def begin(self) -> None:
        """Ask the engine to wake this object; the first wake-up comes at once."""
        self._engine.follow(self)

    def next_ones(self) -> Sequence[SessionChange]:
        """Return what happened since the last call; empty if the caller has to wait.

        Raises:
            ChangesExpiredError: It is not known what happened; the next call goes on from now.
        """
        try:
            found = self._engine.changes(self.number, _BATCH)
        except (ChangesExpiredError, ValueError):
            if self.closed or self._engine.is_away():
                return ()  # away, perhaps for a moment only; then the log comes back
            self.number = _position(self._engine, None)
            raise
        if found:
            self.number = found[-1].number
        self.has_more = len(found) == _BATCH
        return found

    def end(self) -> None:
        """Stop following. Idempotent."""
        self._engine.unfollow(self)

    def wake(self) -> None:
        """Called by the engine."""
        self._wake()

    def fail(self, error: Exception) -> None:
        """Called by the engine."""
        if self._fail is not None:
            self._fail(error)


def _position(engine: Engine, since: int | None) -> int:
    """Return the number to go on from: that of the last change, or ``since`` if it is known.

    Looks at the whole folder first: a lost log starts again only after such a look.
    """
    engine.notice(fresh=True)
    if since is None:
        return engine.last_change()
    engine.changes(since, 1)
    return since


def changes_after(
    engine: Engine, since: int, *, fresh: bool
) -> Generator[SessionChange, None, None]:
    """Return an iterator over the changes after a given change, up to now.

    Raises:
        ChangesExpiredError: ``since`` is not known; raised by this call, not by the iterator.
    """
    engine.notice(fresh=fresh)
    return _changes_after(engine, engine.changes(since, _BATCH))


def _changes_after(
    engine: Engine, found: Sequence[SessionChange]
) -> Generator[SessionChange, None, None]:
    while found:
        yield from found
        found = engine.changes(found[-1].number, _BATCH)


def changes_as_they_happen(
    engine: Engine, since: int | None
) -> Generator[SessionChange, None, None]:
    """Yield each change after ``since``, or from now on, until the engine is closed."""
    awake = threading.Event()
    following = Following(engine, since, awake.set)
    try:
        following.begin()
        while not following.closed:
            yield from following.next_ones()
            while not following.has_more and not awake.wait(_WAIT):
                pass
            awake.clear()
    finally:
        following.end()


def refuse_uncallable(on_change: object, on_error: object, *, may_await: bool = False) -> None:
    """Refuse a callback that cannot be called; refuse async functions unless ``may_await``.

    Raises:
        TypeError: Names the argument.
    """
    for name, function in (("callback", on_change), ("on_error", on_error)):
        if not callable(function) and not (name == "on_error" and function is None):
            raise TypeError(f"{name} must be a function, not {type(function).__name__}")
        if not may_await and inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{name} must not be async, nobody would await it: use AsyncSessionStore.watch()"
            )


class Watch:
    """Calls a callback with each change, until ``close``. Made by ``SessionStore.watch``.

    A context manager. Closing is idempotent. It waits until a running call of the callback
    returns, unless the callback itself closes the watch.
    """

    def __init__(
        self, engine: Engine, on_change: OnChange, on_error: OnError | None, since: int | None
    ) -> None:
        self._address = engine.address
        self._on_change = on_change
        self._on_error = on_error
        # Held while the caller's code runs. Reentrant: a callback may close its own watch.
        self._calling = threading.RLock()
        self._following = Following(engine, since, self._tell_all, self._fail)
        self._number = self._following.number
        self._following.begin()

    @property
    def closed(self) -> bool:
        """Whether no further change is reported."""
        return self._following.closed

    @property
    def number(self) -> int:
        """The number of the last change that the callback received; continue from here."""
        return self._number

    def close(self) -> None:
        """Report no further change. The thread ends with the last watch."""
        self._following.end()
        with self._calling:
            pass  # a call that was running has returned

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell_all(self) -> None:
        """Report what is logged and was not reported yet."""
        while not self.closed:
            try:
                changes = self._following.next_ones()
            except ChangesExpiredError as error:
                self._number = self._following.number
                self._fail(error)
                continue
            for change in changes:
                self._tell(change)
            if not self._following.has_more:
                return  # the next change wakes this watch again

    def _tell(self, change: SessionChange) -> None:
        with self._calling:
            if self.closed:
                return
            self._number = change.number
            try:
                self._on_change(change)
            # An error of a callback is its author's: report it to on_error, then go on.
            except Exception as error:  # noqa: BLE001
                self._report(error, change)
            # Ctrl-C does not reach this thread: this is sys.exit() or similar in the callback.
            # Python drops it silently in a thread, and all other watches would end with it.
            except BaseException:  # noqa: BLE001
                log().exception("watching %s: the callback failed", self._address)

    def _fail(self, error: Exception) -> None:
        """Report an error of the engine to the caller."""
        with self._calling:
            if not self.closed:
                self._report(error, None)

    def _report(self, error: Exception, change: SessionChange | None) -> None:
        if self._on_error is None:
            log().warning("watching %s: %s", self._address, error, exc_info=error)
            return
        try:
            self._on_error(error, change)
        # As in _tell; only the log is left to report it to.
        except BaseException:  # noqa: BLE001
            log().exception("watching %s: on_error failed", self._address)
