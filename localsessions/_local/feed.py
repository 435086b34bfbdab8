"""The feed: one thread that turns hints into logged changes and hands them to those who watch.

Nobody's thread runs before the first watch and none after the last. Hints only say where to
look: what is told comes from the log in the index, so hints may come late, twice or never, and
each change is still told once and in order.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Literal

from localsessions._local.last_good import LastGood
from localsessions._local.reconciling import Reconciler
from localsessions._local.watcher import Watcher
from localsessions._log import log
from localsessions.engine import Follower

__all__ = ["Feed"]


# One save of an editor makes several events; a look after the first would meet it half done.
_DEBOUNCE = 0.01
_TICK = 1.0
# How often the whole folder is looked at although events come, and how often where none can.
_RESCAN = 60.0
_POLL = 0.5
# A look at the whole folder costs as much as this many single ones, or less.
_MANY = 256
# Another process holds the lock of a session that was changed: look again after this.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
# A folder that is renamed away and replaced is absent for a moment; its sessions are not deleted.
_GRACE = 1.0
# A copy of a good version is made when its file was left alone for so long, or kept busy.
_QUIET, _BUSY = 1.0, 10.0
_NEWEST = 64


class Feed:
    """Who follows a folder, and the thread that looks for them."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._lock = threading.Lock()
        self._listeners: list[Follower] = []
        self._looker: _Looker | None = None
        self._pid = os.getpid()
        self._closed = False

    @property
    def state(self) -> tuple[Literal["off", "events", "polling"], str]:
        """How external edits are noticed and, where by polling, why."""
        looker = self._running()
        return ("off", "") if looker is None else (looker.watcher.mode, looker.watcher.reason)

    def join(self, listener: Follower) -> None:
        """Wake a listener whenever something was logged, beginning now.

        The first thing that the thread does is a look at the whole folder.

        Raises:
            ValueError: The feed is closed.
            RuntimeError: There is no thread to be had.
        """
        self._forget_parent()
        with self._lock:
            self._refuse_closed()
            if listener.closed:
                return
            looker = self._running()
            if looker is None:
                looker = _Looker(self._reconciler, self._listening)
                looker.start()
                self._looker = looker
                self._reconciler.is_watched = self._is_live
                self._reconciler.on_record = self.wake
            self._listeners.append(listener)
        looker.wake_all()

    def leave(self, listener: Follower) -> None:
        """Wake a listener no more; end the thread when nobody is left. Idempotent."""
        self._forget_parent()
        with self._lock:
            listener.closed = True
            self._listeners = [one for one in self._listeners if one is not listener]
        self._stop_if_alone()

    def close(self) -> None:
        """Leave everybody alone and end the thread. Idempotent."""
        self._forget_parent()
        with self._lock:
            self._closed = True
            leaving, self._listeners = self._listeners, []
            for listener in leaving:
                listener.closed = True
        self._stop_if_alone()
        for listener in leaving:
            listener.wake()

    def wake(self) -> None:
        """Say that something was logged; costs nothing where nobody watches."""
        if (looker := self._running()) is not None:
            looker.awake.set()

    def is_away(self) -> bool:
        """Tell whether the folder is not there, but may come back; asked by the feed's thread."""
        looker = self._running()
        return looker is not None and looker.is_absent()

    def _running(self) -> _Looker | None:
        looker = self._looker
        # A forked child has the object and not the thread.
        return looker if looker is not None and looker.pid == os.getpid() else None

    def _forget_parent(self) -> None:
        # A lock may have been held at the fork, and who listened is listening there.
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
            for listener in self._listeners:
                listener.closed = True
            self._listeners = []

    def _refuse_closed(self) -> None:
        if self._closed:
            save_dir = self._reconciler.folder.save_dir
            raise ValueError(f"the store of {save_dir!r} is closed; open the folder again")

    def _is_live(self) -> bool:
        looker = self._running()
        return looker is not None and looker.is_live

    def _listening(self) -> list[Follower]:
        with self._lock:
            return list(self._listeners)

    def _stop_if_alone(self) -> None:
        with self._lock:
            looker, alone = self._running(), not self._listeners
            if alone:
                self._looker = None
                self._reconciler.is_watched = self._reconciler.on_record = None
        if alone and looker is not None:
            looker.stop()


class _Looker:
    """The thread: waits for hints, looks, settles, and says that something was logged."""

    def __init__(self, reconciler: Reconciler, listening: Callable[[], list[Follower]]) -> None:
        folder = reconciler.folder
        self.pid = os.getpid()
        self.awake = threading.Event()
        canary = None if folder.read_only else folder.private
        self.watcher = Watcher(folder.save_dir, self.awake.set, canary=canary)
        self._folder = folder
        self._reconciler = reconciler
        self._last_good = LastGood(reconciler)
        self._listening = listening
        self._thread = threading.Thread(target=self._run, name="localsessions-feed", daemon=True)
        self._stopping = False
        self._dirty: set[str] = set()
        self._everything = True
        self._waits = False
        self._pause = _SHORTEST_PAUSE
        self._told = -1
        self._wakes_all = True
        self._scan_at = 0.0
        self._check_at = 0.0
        self._absent_since: float | None = None
        self._failure = ""
        # When each session that changed is to be kept: at the first time, at the second at last.
        self._to_keep: dict[str, tuple[float, float]] = {}

    def start(self) -> None:
        self.watcher.start()
        try:
            self._thread.start()
        except BaseException:  # Ctrl-C too: no thread of the watcher stays; the error goes on
            self.watcher.close()
            raise

    def wake_all(self) -> None:
        """Wake every listener, one that has just joined among them, though nothing is new."""
        self._wakes_all = True
        self.awake.set()

    def stop(self) -> None:
        self._stopping = True
        self.awake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def is_live(self) -> bool:
        """Whether whatever happened in the folder has been looked at."""
        unseen = self._dirty or self._everything or self.watcher.has_hints
        return self.watcher.mode == "events" and not unseen

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._step()
                self.awake.wait(self._patience())
        finally:
            self.watcher.close()

    def _patience(self) -> float:
        if self._failure:
            return _TICK
        if self._dirty or self._waits:
            self._pause = min(1.5 * self._pause, _LONGEST_PAUSE)
            return self._pause
        self._pause = _SHORTEST_PAUSE
        return _POLL if self.watcher.mode == "polling" else _TICK

    def _step(self) -> None:
        try:
            self._look()
        # The folder, the disk or the database may fail in any way, and be well again: a feed that
        # ends would be a silence that passes for "nothing happened". Said, and tried again.
        except Exception as error:  # noqa: BLE001
            self._wakes_all = True  # some may not have been
            # Of one trouble the path may differ from look to look.
            what = error.errno if isinstance(error, OSError) else error
            failure = f"{type(error).__name__} {what}"
            if failure != self._failure:  # said once, until it is over
                log().warning("looking at %s: %s", self._folder.save_dir, error, exc_info=error)
                for listener in self._listening():
                    listener.fail(error)
            self._failure = failure
        else:
            self._failure = ""

    def _look(self) -> None:
        self.awake.clear()
        if self.is_absent():
            self._everything = True
            return
        self._gather()
        if self._everything or len(self._dirty) > _MANY:
            self._reconciler.sweep()
            self._dirty.clear()
            self._everything = False
            self._scan_at = time.monotonic() + self._scan_pause()
        elif self._dirty:
            self._dirty = self._reconciler.catch_up(self._dirty)
        if not self._reconciler.is_current():
            self._reconciler.sweep()  # the index was lost
        news = self._reconciler.news(self._told)
        self._waits = bool(news.waits and self._reconciler.log_waiting())
        if news.waits:
            news = self._reconciler.news(self._told)
        if news.last != self._told:
            self._keep_later(news.changed)
            self._told = news.last
            self._wakes_all = True
        if self._wakes_all:
            self._wakes_all = False  # before: whoever joins now sets it again
            for listener in self._listening():
                listener.wake()
            self._wakes_all |= self.is_absent()
        self._keep()

    def _keep_later(self, changed: Iterable[str]) -> None:
        now = time.monotonic()
        if self._told < 0:  # the first time: what is likely to be edited
            self._to_keep = dict.fromkeys(self._last_good.newest(_NEWEST), (now, now))
        for session_id in changed:
            _, at_last = self._to_keep.get(session_id, (0, now + _BUSY))
            self._to_keep[session_id] = min(now + _QUIET, at_last), at_last

    def _keep(self) -> None:
        """Copy the good versions that are due; where that fails, there is only no copy."""
        now = time.monotonic()
        due = [session_id for session_id, (at, _) in self._to_keep.items() if at <= now]
        for session_id in due:
            if self._stopping or self.watcher.has_hints:
                return  # telling what happens goes first
            try:
                self._last_good.keep(session_id)
            except OSError as error:
                log().warning("no copy of session %r is kept: %s", session_id, error)
            finally:
                del self._to_keep[session_id]

    def _gather(self) -> None:
        if self.watcher.has_hints:
            time.sleep(_DEBOUNCE)
            self._pause = _SHORTEST_PAUSE
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + _TICK
            self.watcher.check()
        # Marked before it is taken: is_live must not say yes between the two.
        everything = self._everything or now >= self._scan_at
        self._everything = True
        hints = self.watcher.take()
        self._dirty |= {one for name in hints.names if (one := self._folder.session_id(name))}
        self._everything = everything or hints.everything

    def _scan_pause(self) -> float:
        took = self._reconciler.last_sweep_seconds
        if self.watcher.mode == "polling":
            return max(_POLL, 20 * took)
        return max(_RESCAN, 100 * took)

    def is_absent(self) -> bool:
        """Tell whether the folder has gone, but not for long."""
        if os.path.isdir(self._folder.save_dir):
            self._absent_since = None
            return False
        now = time.monotonic()
        self._absent_since = self._absent_since or now
        if self._check_at <= now:
            self._check_at = now + _TICK
            self.watcher.check()
        return now - self._absent_since < _GRACE
