"""The feed: one thread that turns hints into logged changes and reports them to the watchers.

Without a watcher there is no thread: the first watch starts it, and the end of the last watch ends
it. Hints only say where to look; what is reported comes from the log in the index. So hints may
come late, twice or never, and each change is still reported once and in order.
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
from localsessions._logger import log
from localsessions.engine import Follower

__all__ = ["Feed"]


# An editor's save makes several events; a check right after the first would find it half done.
_DEBOUNCE = 0.01
_TICK = 1.0
# Seconds between two sweeps of the whole folder: while events come, and where none can come.
_RESCAN = 60.0
_POLL = 0.5
# A sweep of the whole folder costs at most as much as this many checks of single files.
_MANY = 256
# Another process holds the lock of a changed session: check again after such a pause.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
# A folder that is renamed away and replaced is missing for a moment; its sessions are not deleted.
_GRACE = 1.0
# A good version is copied after its file was unchanged for _QUIET seconds, or changed all the time
# for _BUSY seconds.
_QUIET, _BUSY = 1.0, 10.0
_NEWEST = 64


class Feed:
    """The followers of a folder, and the thread that looks for changes for them."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._lock = threading.Lock()
        self._listeners: list[Follower] = []
        self._looker: _Looker | None = None
        self._pid = os.getpid()
        self._closed = False

    @property
    def state(self) -> tuple[Literal["off", "events", "polling"], str]:
        """How external edits are noticed and, in the case of polling, why."""
        looker = self._running()
        return ("off", "") if looker is None else (looker.watcher.mode, looker.watcher.reason)

    def join(self, listener: Follower) -> None:
        """Wake a listener whenever something was logged, from now on.

        First, the thread sweeps the whole folder.

        Raises:
            ValueError: The feed is closed.
            RuntimeError: No thread can be started.
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
        """Stop waking a listener; end the thread after the last listener. Idempotent."""
        self._forget_parent()
        with self._lock:
            listener.closed = True
            self._listeners = [one for one in self._listeners if one is not listener]
        self._stop_if_alone()

    def close(self) -> None:
        """Remove all listeners and end the thread. Idempotent."""
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
        """Tell the thread that something was logged; costs nothing without listeners."""
        if (looker := self._running()) is not None:
            looker.awake.set()

    def is_away(self) -> bool:
        """Return whether the folder is missing, but may come back; called in the feed's thread."""
        looker = self._running()
        return looker is not None and looker.is_absent()

    def _running(self) -> _Looker | None:
        looker = self._looker
        # A forked child has the object, but not the thread.
        return looker if looker is not None and looker.pid == os.getpid() else None

    def _forget_parent(self) -> None:
        # The lock may have been held at the fork, and the listeners belong to the parent.
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

    def _listening(self, looker: _Looker) -> list[Follower]:
        """Return whom a looker wakes: nobody, where it ends and another has begun."""
        with self._lock:
            return list(self._listeners) if looker is self._looker else []

    def _stop_if_alone(self) -> None:
        with self._lock:
            looker, alone = self._running(), not self._listeners
            if alone:
                self._looker = None
                self._reconciler.is_watched = self._reconciler.on_record = None
        if alone and looker is not None:
            looker.stop()


class _Looker:
    """The thread: it waits for hints, updates the log, and wakes the listeners."""

    def __init__(
        self, reconciler: Reconciler, listening: Callable[[_Looker], list[Follower]]
    ) -> None:
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
        # When to copy each changed session: planned for the first time, at the latest at the
        # second.
        self._to_keep: dict[str, tuple[float, float]] = {}

    def start(self) -> None:
        self.watcher.start()
        try:
            self._thread.start()
        # No thread can be started, or Ctrl-C came: the threads of the watcher would never end.
        except BaseException:
            self.watcher.close()
            raise

    def wake_all(self) -> None:
        """Wake every listener, the newest included, although nothing is new."""
        self._wakes_all = True
        self.awake.set()

    def stop(self) -> None:
        self._stopping = True
        self.awake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def is_live(self) -> bool:
        """Whether all that happened in the folder has been looked at."""
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
        # The folder, the disk or the database may fail in any way, and recover. If the feed ended,
        # its silence would look like "nothing happened". So it logs the error and tries again.
        except Exception as error:  # noqa: BLE001
            self._wakes_all = True  # some listeners may not have been woken
            # The path may differ from look to look while the trouble is the same.
            what = error.errno if isinstance(error, OSError) else error
            failure = f"{type(error).__name__} {what}"
            if failure != self._failure:  # logged once, until it is over
                log().warning("looking at %s: %s", self._folder.save_dir, error, exc_info=error)
                for listener in self._listening(self):
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
            self._wakes_all = False  # reset first: a listener that joins now sets it again
            for listener in self._listening(self):
                listener.wake()
            if self.is_absent():  # no |=, which would undo what was set meanwhile
                self._wakes_all = True
        self._keep()

    def _keep_later(self, changed: Iterable[str]) -> None:
        now = time.monotonic()
        if self._told < 0:  # the first time: the sessions that are likely to be edited
            # The newest is copied last: if there is too little room, the oldest copies go.
            newest = reversed(self._last_good.newest(_NEWEST))
            self._to_keep = dict.fromkeys(newest, (now, now))
        for session_id in changed:
            _, at_last = self._to_keep.get(session_id, (0, now + _BUSY))
            self._to_keep[session_id] = min(now + _QUIET, at_last), at_last

    def _keep(self) -> None:
        """Copy the good versions that are due; after an error, there is only no copy."""
        now = time.monotonic()
        due = [session_id for session_id, (at, _) in self._to_keep.items() if at <= now]
        for session_id in due:
            if self._stopping or self.watcher.has_hints:
                return  # reporting changes comes first
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
        # Set before the hints are taken: in between, ``is_live`` must not be true.
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
        """Return whether the folder is missing, but not for long."""
        if os.path.isdir(self._folder.save_dir):
            self._absent_since = None
            return False
        now = time.monotonic()
        self._absent_since = self._absent_since or now
        if self._check_at <= now:
            self._check_at = now + _TICK
            self.watcher.check()
        return now - self._absent_since < _GRACE
