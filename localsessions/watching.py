"""Following what happens: a callback for each change, or an iterator that does not end.

Everything told comes from the engine's log; being woken only says that it is worth asking.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from localsessions._log import log
from localsessions.engine import Engine
from localsessions.errors import ChangesExpiredError
from localsessions.models import SessionChange

__all__ = ["Following", "OnChange", "OnError", "Watch"]

OnChange: TypeAlias = Callable[[SessionChange], object]
"""Called with each change."""

OnError: TypeAlias = Callable[[Exception, SessionChange | None], object]
"""Called with an error, and the change for which the callback raised it, if it did."""

_BATCH = 256

# An endless wait cannot be interrupted by Ctrl-C on Windows.
_WAIT = 1.0


class Following:
    """What happens after a change, by and by, for code that waits in its own way.

    Args:
        engine: Whose changes.
        since: The number of a change; None is the present.
        wake: Called in a thread of the engine when it is worth asking for the next ones.
        fail: Called there with an error for which the engine cannot look; it goes on trying.

    Attributes:
        number: Of the last change that was handed out, or the one to begin after.
        has_more: Whether the last call of ``next_ones`` handed out as many as it does at once.
        closed: Whether nothing more will happen: it was ended, or the engine closed.

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
        """Ask to be woken, at once for the first time."""
        self._engine.follow(self)

    def next_ones(self) -> Sequence[SessionChange]:
        """Return what happened since the last call; nothing where one has to wait.

        Raises:
            ChangesExpiredError: What happened is not known; the next call goes on from now.
        """
        try:
            found = self._engine.changes(self.number, _BATCH)
        except (ChangesExpiredError, ValueError):
            if self.closed or self._engine.is_away():
                return ()  # if away, perhaps for a moment only; then the log is there again
            self.number = _position(self._engine, None)
            raise
        if found:
            self.number = found[-1].number
        self.has_more = len(found) == _BATCH
        return found

    def end(self) -> None:
        """Follow no more. Idempotent."""
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

    Looks at everything first: a log that was lost begins anew only when that was done.
    """
    engine.notice(fresh=True)
    if since is None:
        return engine.last_change()
    engine.changes(since, 1)
    return since


def changes_after(
    engine: Engine, since: int, *, fresh: bool
) -> Generator[SessionChange, None, None]:
    """Return an iterator over what happened after a change, up to now.

    Raises:
        ChangesExpiredError: ``since`` is not known; before the first is asked for.
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
    """Yield each change after one, or from now on, until the engine is closed."""
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
    """Refuse what cannot be called or, unless it may be awaited, would have to be.

    Raises:
        TypeError: Names which.
    """
    for name, function in (("callback", on_change), ("on_error", on_error)):
        if not callable(function) and not (name == "on_error" and function is None):
            raise TypeError(f"{name} must be a function, not {type(function).__name__}")
        if not may_await and inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{name} must not be async, nobody would await it: use AsyncSessionStore.watch()"
            )


class Watch:
    """A callback that is told of each change, until ``close``. Made by ``SessionStore.watch``.

    A context manager; closing is idempotent and waits for a call of the callback that goes on,
    unless it is the callback that closes.
    """

    def __init__(
        self, engine: Engine, on_change: OnChange, on_error: OnError | None, since: int | None
    ) -> None:
        self._address = engine.address
        self._on_change = on_change
        self._on_error = on_error
        # Held while the caller's code runs; a callback that closes its own watch holds it already.
        self._calling = threading.RLock()
        self._following = Following(engine, since, self._tell_all, self._fail)
        self._number = self._following.number
        self._following.begin()

    @property
    def closed(self) -> bool:
        """Whether no further change is told."""
        return self._following.closed

    @property
    def number(self) -> int:
        """The number of the last change that the callback was told of; go on from here."""
        return self._number

    def close(self) -> None:
        """Tell of no further change. The thread ends with the last watch."""
        self._following.end()
        with self._calling:
            pass  # whatever call went on has returned

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
        """Tell of what is logged and was not told yet."""
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
                return  # what happens from here on wakes us again

    def _tell(self, change: SessionChange) -> None:
        with self._calling:
            if self.closed:
                return
            self._number = change.number
            try:
                self._on_change(change)
            # Any error of a callback is its author's: told to on_error, and the next change is due.
            except Exception as error:  # noqa: BLE001
                self._report(error, change)
            # No Ctrl-C comes to this thread: this is sys.exit() or the like in the callback, which
            # Python drops in a thread without a word, and all other watches would end with it.
            except BaseException:  # noqa: BLE001
                log().exception("watching %s: the callback failed", self._address)

    def _fail(self, error: Exception) -> None:
        """Hand an error of the engine to the caller."""
        with self._calling:
            if not self.closed:
                self._report(error, None)

    def _report(self, error: Exception, change: SessionChange | None) -> None:
        if self._on_error is None:
            log().warning("watching %s: %s", self._address, error, exc_info=error)
            return
        try:
            self._on_error(error, change)
        # As in _tell; nobody is left to hand it to but the log.
        except BaseException:  # noqa: BLE001
            log().exception("watching %s: on_error failed", self._address)
