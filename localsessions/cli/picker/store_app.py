"""An app with a store: whatever waits for a disk is done in threads, and acts can be undone.

Acts are done one after another. What was begun is done before the app ends, unless it is told
twice; a signal ends it at once, and the store keeps its promise.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App
from textual.worker import Worker

from localsessions.cli.exits import message_of
from localsessions.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from localsessions.cli.picker.acts import Act
    from localsessions.cli.picker.looks import Look
    from localsessions.store import SessionStore

__all__ = ["ERRORS", "StoreApp"]

ERRORS = (SessionError, OSError, ValueError, LookupError)
"""What a person can cause; all else is a bug, and ends the app with its traceback."""

_LOOK_AT_TERMINAL = 1.0  # second


class StoreApp(App[str]):
    """Opens a store and works on it; returns the id of a session, or None.

    Args:
        open_store: Opens the store; called in a thread. Close ``store`` when the app has ended.
        on_drawn: Called when the terminal is the app's.
    """

    def __init__(
        self, open_store: Callable[[], SessionStore], on_drawn: Callable[[], object]
    ) -> None:
        # The colours of the terminal, and its background.
        super().__init__(ansi_color=True)
        self.store: SessionStore | None = None
        self._open_store, self._on_drawn = open_store, on_drawn
        self._done: list[Act] = []
        self._is_leaving = False

    def _say(self, sentence: str, look: Look = "plain") -> None:
        raise NotImplementedError

    def _changed(self) -> None:
        raise NotImplementedError

    def _begin_all(self) -> None:
        """Open the store, once there is a loop."""
        self._on_drawn()
        self._turn = asyncio.Lock()
        self._here, self._context_here = asyncio.get_running_loop(), copy_context()
        self._end_by_signals()
        self._opened = asyncio.create_task(asyncio.to_thread(self._open))

    def _end_by_signals(self) -> None:
        """End as by a key, so that the terminal is left as it was."""
        for name in ("SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None and os.name == "posix":
                end = partial(self.exit, return_code=128 + number)
                self._here.add_signal_handler(number, end)
        if os.name == "posix" and not self.is_headless:
            self.set_interval(_LOOK_AT_TERMINAL, self._end_without_terminal)

    def _end_without_terminal(self) -> None:
        """End where the terminal is gone: only who has it as his own is told so by a signal."""
        ear = select.poll()
        ear.register(0, 0)
        if any(event & select.POLLHUP for _, event in ear.poll(0)):
            self.exit(return_code=128 + signal.SIGHUP)

    def _open(self) -> SessionStore:
        # Kept by the thread itself: it ends, whatever becomes of the task that waits for it.
        self.store = self._open_store()
        return self.store

    def _begin(
        self, work: Callable[[], Coroutine[None, None, None]], group: str, *, in_turn: bool = False
    ) -> None:
        """Begin work beside the drawing, in the place of what its group did, or after it."""
        begun: Worker[None] = self.run_worker(work, group=group, exclusive=not in_turn)
        del begun

    def _call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Call in the thread that draws."""
        with suppress(RuntimeError):  # the app has just ended
            # In the context of the app, without which textual has no timers.
            self._here.call_soon_threadsafe(call, *arguments, context=self._context_here)

    def _say_error(self, error: Exception) -> None:
        self._say(message_of(error), "fault")

    # -- acts --------------------------------------------------------------------------------

    def _act(self, act: Callable[[SessionStore], Act | None]) -> None:
        """Do something to a session, after what was begun before."""

        def work(store: SessionStore) -> str:
            if (done := act(store)) is None:
                return "nothing changed: it is already so, or the session was deleted"
            self._done.append(done)
            return f"{done.said}; u undoes it"

        self._begin(partial(self._working, work), "acts", in_turn=True)

    def action_undo(self) -> None:
        """Undo the last act."""

        def work(store: SessionStore) -> str:
            if not self._done:
                return "nothing to undo"
            last = self._done.pop()
            try:
                return f"{last.session_id}: {last.undo(store)}"
            except OSError:  # a lock, a disk: it can be tried again; all else would fail again
                self._done.append(last)
                raise

        self._begin(partial(self._working, work), "acts", in_turn=True)

    async def _working(self, work: Callable[[SessionStore], str]) -> None:
        async with self._turn:
            try:
                store = await self._opened
                said = await asyncio.to_thread(work, store)
            except ERRORS as error:
                self._say_error(error)
            else:
                self._say(said)
                self._changed()

    # -- the end -----------------------------------------------------------------------------

    async def _leave(self, session_id: str | None) -> None:
        if self._turn.locked() and not self._is_leaving:
            self._is_leaving = True
            self._say("finishing the last change")
            async with self._turn:
                pass
        self.exit(session_id)
