"""AsyncSessionStore: each verb of SessionStore in a worker thread, one line each.

A cancelled call continues in its thread: what it writes is whole, only no caller waits for it. A
cancelled search is given up.
asyncio is imported at use: its import takes a third of the time that the package takes.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar

from localsessions._logger import log
from localsessions.engine import Durability, Engine
from localsessions.errors import ChangesExpiredError
from localsessions.models import Session, SessionChange
from localsessions.store import SessionStore
from localsessions.streaming import AsyncStreamedMessage
from localsessions.watching import Following, refuse_uncallable

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncOnChange", "AsyncOnError", "AsyncSessionStore", "AsyncWatch"]

_BATCH = 256

P = ParamSpec("P")
R = TypeVar("R")

AsyncOnChange: TypeAlias = Callable[[SessionChange], Awaitable[object] | object]
"""Called with each change, in the event loop; awaited if it returns an awaitable."""

AsyncOnError: TypeAlias = Callable[[Exception, SessionChange | None], Awaitable[object] | object]
"""Called with an error, and with the change if the callback raised the error for that change."""


def awaited(
    verb: Callable[Concatenate[SessionStore, P], R],
) -> Callable[Concatenate[AsyncSessionStore, P], Coroutine[Any, Any, R]]:
    """Return the verb of SessionStore as a coroutine: same arguments, promise, errors."""

    @functools.wraps(verb)
    async def in_a_thread(self: AsyncSessionStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        return await asyncio.to_thread(verb, self.store, *args, **kwargs)

    return in_a_thread


def given_up(
    verb: Callable[Concatenate[SessionStore, P], R],
) -> Callable[Concatenate[AsyncSessionStore, P], Coroutine[Any, Any, R]]:
    """Return a verb with ``is_wanted`` as a coroutine; a cancelled call ends in its thread, too."""
    in_a_thread = awaited(verb)

    @functools.wraps(verb)
    async def until_cancelled(self: AsyncSessionStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        callers: Any = kwargs.get("is_wanted")
        is_cancelled = threading.Event()

        def is_wanted() -> bool:
            return not is_cancelled.is_set() and (callers is None or callers())

        kwargs["is_wanted"] = is_wanted
        try:
            return await in_a_thread(self, *args, **kwargs)
        except BaseException:  # cancelled; after any other error the thread has ended
            is_cancelled.set()
            raise

    return until_cancelled


class AsyncSessionStore:
    """The sessions of one folder, for code that awaits.

    It has every verb of ``SessionStore``, with the same arguments, promises and errors. The event
    loop never waits for the disk or for a lock.

    Args:
        save_dir: As for ``SessionStore``, and so are the others.
        durability: "full" or "fast".
        lock_timeout: Seconds to wait for a session that another thread or process is changing.
        max_file_bytes: A larger file is unreadable.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str] | Engine,
        *,
        durability: Durability = "full",
        lock_timeout: float = 10.0,
        max_file_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._store = SessionStore(
            save_dir,
            durability=durability,
            lock_timeout=lock_timeout,
            max_file_bytes=max_file_bytes,
        )

    @property
    def store(self) -> SessionStore:
        """The same store, for code that does not await."""
        return self._store

    @property
    def save_dir(self) -> str:
        """The folder, as an absolute path."""
        return self._store.save_dir

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be.

        Raises:
            ValueError: No file name can be made of that id.
        """
        return self._store.path(session_id)

    close = awaited(SessionStore.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._store!r}"

    # -- one session -------------------------------------------------------------------------

    create = awaited(SessionStore.create)
    get_or_create = awaited(SessionStore.get_or_create)
    get = awaited(SessionStore.get)
    load = awaited(SessionStore.load)
    save = awaited(SessionStore.save)

    @asynccontextmanager
    async def edit(
        self, session_id: str, *, is_activity: bool = True, user_id: str | None = None
    ) -> AsyncIterator[Session]:
        """Lock the session, load it, pass it to the block, and store it when the block ends.

        A separate thread holds the lock while the block awaits. Another verb on the same session
        inside the block cannot get the lock and raises ``LockTimeoutError``.

        Args:
            session_id: An existing session.
            is_activity: Whether a change moves ``last_activity``, and so postpones cleanup.
            user_id: The acting user; None does not restrict.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Before the block runs.
            NotOwnerError: Before the block runs: the session is another user's.
            ConflictError: After the block: a program that ignores the locks wrote the file
                meanwhile; the changes of the block were not stored.
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        block = self._store.edit(session_id, is_activity=is_activity, user_id=user_id)
        thread = ThreadPoolExecutor(1, "localsessions-edit")
        try:
            try:
                session = await loop.run_in_executor(thread, block.__enter__)
            except asyncio.CancelledError as error:
                # When the thread gets the lock, it releases it at once and stores nothing.
                thread.submit(block.__exit__, type(error), error, None)
                raise
            try:
                yield session
            except BaseException as error:  # any error ends the edit, in the thread of the lock
                leave = functools.partial(block.__exit__, type(error), error, error.__traceback__)
                # Shielded: if it were cancelled before it begins, the lock would stay held.
                if not await asyncio.shield(loop.run_in_executor(thread, leave)):
                    raise
            else:
                leave = functools.partial(block.__exit__, None, None, None)
                await asyncio.shield(loop.run_in_executor(thread, leave))
        finally:
            thread.shutdown(wait=False)

    def streaming(
        self,
        session_id: str,
        message: Mapping[str, object] | None = None,
        *,
        user_id: str | None = None,
    ) -> AsyncStreamedMessage:
        """Add a message that grows, as in ``async with store.streaming("chat") as draft``.

        As ``SessionStore.streaming``, and ``await draft.write(text)`` says more. A task that is
        cancelled in the block keeps what was said; the run is "INTERRUPTED".

        Args:
            session_id: An existing session.
            message: What the message is before anything is said; None is an assistant's.
            user_id: The acting user; None does not restrict.

        Raises:
            ValueError: The message has no ``role``.
        """
        return AsyncStreamedMessage(self._store.streaming(session_id, message, user_id=user_id))

    append = awaited(SessionStore.append)
    upsert_run = awaited(SessionStore.upsert_run)
    runs = awaited(SessionStore.runs)
    switch_agent = awaited(SessionStore.switch_agent)
    rename = awaited(SessionStore.rename)
    pin = awaited(SessionStore.pin)
    archive = awaited(SessionStore.archive)
    tag = awaited(SessionStore.tag)
    fork = awaited(SessionStore.fork)
    tail = awaited(SessionStore.tail)
    history = awaited(SessionStore.history)
    context = awaited(SessionStore.context)
    raw = awaited(SessionStore.raw)
    adopt = awaited(SessionStore.adopt)

    # -- many sessions -----------------------------------------------------------------------

    create_many = awaited(SessionStore.create_many)
    save_many = awaited(SessionStore.save_many)
    delete_many = awaited(SessionStore.delete_many)
    list = awaited(SessionStore.list)
    count = awaited(SessionStore.count)
    groups = awaited(SessionStore.groups)
    search = given_up(SessionStore.search)
    resolve = awaited(SessionStore.resolve)
    short_ids = awaited(SessionStore.short_ids)

    # -- deleting ----------------------------------------------------------------------------

    delete = awaited(SessionStore.delete)
    restore = awaited(SessionStore.restore)
    trash = awaited(SessionStore.trash)
    empty_trash = awaited(SessionStore.empty_trash)
    deletions = awaited(SessionStore.deletions)
    forget_deletions = awaited(SessionStore.forget_deletions)
    cleanup = awaited(SessionStore.cleanup)
    purge_expired = awaited(SessionStore.purge_expired)

    # -- changes -----------------------------------------------------------------------------

    last_change = awaited(SessionStore.last_change)

    async def changes(
        self, since: int | None = None, *, fresh: bool = False, follow: bool = False
    ) -> AsyncGenerator[SessionChange, None]:
        """Yield the changes after a given change, in order and each once; deletions included.

        As ``SessionStore.changes``: the iterator ends when there is no more; with ``follow`` it
        goes on until the store is closed. To leave an ``async for`` early, close the iterator with
        ``contextlib.aclosing``.

        Args:
            since: The number of a change; None means from now on, and needs ``follow``.
            fresh: Look at the whole folder first; ``follow`` always does so.
            follow: Whether to wait for the next changes.

        Raises:
            ChangesExpiredError: It is not known what happened since: list again and continue from
                ``last_change()``.
            ValueError: Neither ``since`` nor ``follow`` is given.
        """
        import asyncio

        if not follow:
            found = await asyncio.to_thread(self._store.changes, since, fresh=fresh)
            while batch := await asyncio.to_thread(lambda: [*islice(found, _BATCH)]):
                for change in batch:
                    yield change
            return
        something = asyncio.Event()
        wake = _waking(asyncio.get_running_loop(), something)
        following = await asyncio.to_thread(Following, self._store.engine, since, wake)
        try:
            await asyncio.to_thread(following.begin)
            while not following.closed:
                something.clear()
                happened = await asyncio.to_thread(following.next_ones)
                for change in happened:
                    yield change
                if not following.has_more:
                    await something.wait()
        finally:
            await asyncio.to_thread(following.end)

    async def watch(
        self,
        callback: AsyncOnChange,
        *,
        since: int | None = None,
        on_error: AsyncOnError | None = None,
    ) -> AsyncWatch:
        """Call back in the event loop with each change, until the watch or the store is closed.

        As ``SessionStore.watch``, except that the callbacks run in a task of the running event
        loop, in turn; a coroutine function is awaited before the next change is reported.

        Args:
            callback: Called with a ``SessionChange``.
            since: As in ``changes``; None reports what happens from now on.
            on_error: Called with (exception, change) if ``callback`` raised, and with
                (exception, None) if it is not known what happened meanwhile
                (``ChangesExpiredError``: list again; the watch goes on from now). None logs the
                error.

        Raises:
            ChangesExpiredError: ``since`` is not known.
            TypeError: ``callback`` or ``on_error`` cannot be called.
        """
        import asyncio

        refuse_uncallable(callback, on_error, may_await=True)
        something = asyncio.Event()
        wake = _waking(asyncio.get_running_loop(), something)
        following = await asyncio.to_thread(Following, self._store.engine, since, wake)
        return AsyncWatch(following, something, callback, on_error)

    # -- checkpoints -------------------------------------------------------------------------

    save_checkpoint = awaited(SessionStore.save_checkpoint)
    checkpoints = awaited(SessionStore.checkpoints)
    load_checkpoint = awaited(SessionStore.load_checkpoint)
    delete_checkpoint = awaited(SessionStore.delete_checkpoint)
    clear_checkpoints = awaited(SessionStore.clear_checkpoints)

    # -- care --------------------------------------------------------------------------------

    verify = awaited(SessionStore.verify)
    repair = awaited(SessionStore.repair)
    reindex = awaited(SessionStore.reindex)
    stats = awaited(SessionStore.stats)


def _waking(loop: asyncio.AbstractEventLoop, something: asyncio.Event) -> Callable[[], object]:
    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(something.set)

    return wake


class AsyncWatch:
    """Calls a callback with each change, until ``close``. Made by ``AsyncSessionStore.watch``.

    An async context manager. Closing is idempotent. It waits until a running call of the callback
    returns, unless the callback itself closes the watch.
    """

    def __init__(
        self,
        following: Following,
        something: asyncio.Event,
        on_change: AsyncOnChange,
        on_error: AsyncOnError | None,
    ) -> None:
        import asyncio

        self._following = following
        self._something = something
        self._on_change = on_change
        self._on_error = on_error
        self._number = following.number
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="localsessions-watch")

    @property
    def number(self) -> int:
        """The number of the last change that the callback received; continue from here."""
        return self._number

    @property
    def closed(self) -> bool:
        """Whether no further change is reported."""
        return self._closing or self._task.done()

    async def close(self) -> None:
        """Report no further change."""
        import asyncio

        self._closing = True
        self._something.set()
        if self._task is not asyncio.current_task():
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        import asyncio

        try:
            await asyncio.to_thread(self._following.begin)
            while not (self._closing or self._following.closed):
                self._something.clear()
                await self._tell_some()
                if not self._following.has_more:
                    await self._something.wait()
        finally:
            await asyncio.to_thread(self._following.end)

    async def _tell_some(self) -> None:
        """Report what happened since the last call."""
        import asyncio

        try:
            changes = await asyncio.to_thread(self._following.next_ones)
        except ChangesExpiredError as error:
            self._number = self._following.number
            await self._report(error, None)
            self._something.set()
            return
        for change in changes:
            if self._closing:
                break
            self._number = change.number
            try:
                await _called(self._on_change, change)
            # An error of a callback is its author's: report it to on_error, then go on.
            except Exception as error:  # noqa: BLE001
                await self._report(error, change)

    async def _report(self, error: Exception, change: SessionChange | None) -> None:
        if self._on_error is None:
            log().warning("watching: %s", error, exc_info=error)
            return
        try:
            await _called(self._on_error, error, change)
        except Exception:  # noqa: BLE001  (only the log is left to report it to)
            log().exception("watching: on_error failed")


async def _called(function: Callable[..., object], *arguments: object) -> None:
    """Call a function, and await its result if it is awaitable."""
    returned = function(*arguments)
    if inspect.isawaitable(returned):
        await returned
