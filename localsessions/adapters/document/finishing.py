"""Acts of a store in worker threads, for coroutines of asyncio and of trio.

The event loop waits neither for the disk nor for a lock. A cancelled act is finished first; then
the cancellation is raised. So a caller that was cancelled never finds half of what it asked for.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["InOrder", "finished"]

T = TypeVar("T")


async def finished(act: Callable[[], T]) -> T:
    """Do an act in a worker thread, and wait for its end even if the caller is cancelled.

    Raises:
        BaseException: What the act raises, unless the caller was cancelled: then the cancellation.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return await _finished_in_trio(act)
    task = asyncio.ensure_future(asyncio.to_thread(act))
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = cancellation or error
    if cancellation is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # asyncio logs an error that nobody asked for
    raise cancellation


async def _finished_in_trio(act: Callable[[], T]) -> T:
    # It is imported already: this coroutine runs in it. It waits for the thread by default.
    done: T = await sys.modules["trio"].to_thread.run_sync(act)
    return done


class InOrder:
    """Acts on named things, each finished, and those on one thing in the order of the calls.

    Threads of a pool overtake each other; frameworks call without waiting for the call before.
    """

    def __init__(self) -> None:
        self._last: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    async def finished(self, name: str, act: Callable[[], T]) -> T:
        """Do as ``finished``, after every earlier act on ``name`` of this object.

        The order is that in which the coroutines begin.
        """
        done = threading.Event()
        with self._lock:
            before = self._last.get(name)
            self._last[name] = done

        def in_turn() -> T:
            try:
                if before is not None:
                    before.wait()
                return act()
            finally:
                done.set()

        try:
            return await finished(in_turn)
        finally:  # also if no thread could be had
            done.set()
            with self._lock:
                if self._last.get(name) is done:
                    del self._last[name]
