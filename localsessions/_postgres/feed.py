"""The feed: a thread that waits for the server to tell that something changed, and wakes followers.

What the server tells is only a wake-up: what changed is read from the log. Where the server cannot
tell (a standby, a pooler that hands transactions around), the thread asks again and again.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Literal

import psycopg

from localsessions._logger import log
from localsessions._postgres.changelog import ChangeLog
from localsessions._postgres.connections import Connection, execute
from localsessions._postgres.faults import meaning_of
from localsessions._postgres.place import Place
from localsessions.engine import Follower

__all__ = ["Feed"]

_LOOK, _POLL, _RETRY = 5.0, 0.2, 0.5
# A change that waits for an older transaction is asked for again after such a pause.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_CANARY = 2.0
_LISTEN = "LISTEN %s"


class Feed:
    """The followers of one store, and the thread that wakes them."""

    def __init__(self, place: Place, changelog: ChangeLog) -> None:
        self._place = place
        self._changelog = changelog
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._looker: _Looker | None = None
        self._closed = False

    @property
    def state(self) -> tuple[Literal["off", "events", "polling"], str]:
        """How changes are noticed and, if by asking, why."""
        looker = self._running()
        if looker is None:
            return "off", ""
        return ("polling", looker.deaf) if looker.deaf else ("events", "")

    def is_away(self) -> bool:
        """Tell whether the server does not answer now."""
        looker = self._running()
        return looker is not None and looker.is_away

    def refuse_closed(self) -> None:
        """Refuse to go on if the feed is closed.

        Raises:
            ValueError: It is.
        """
        if self._closed:
            raise ValueError(f"the store of {self._place.shown!r} is closed; open it again")

    def join(self, follower: Follower) -> None:
        """Wake a follower whenever something changes, and once at the beginning."""
        self._forget_parent()
        with self._lock:
            self.refuse_closed()
            if follower.closed:
                return
            looker = self._running()
            if looker is None:
                looker = _Looker(self._place, self._changelog, self._listening)
                looker.start()
                self._looker = looker
            self._followers.append(follower)
        looker.wake_all()

    def leave(self, follower: Follower) -> None:
        """Stop waking a follower; the thread ends with the last. Idempotent."""
        self._forget_parent()
        with self._lock:
            follower.closed = True
            self._followers = [one for one in self._followers if one is not follower]
        self._stop_if_alone()

    def close(self) -> None:
        """Remove all followers and end the thread. Idempotent."""
        self._forget_parent()
        with self._lock:
            self._closed = True
            leaving, self._followers = self._followers, []
            for follower in leaving:
                follower.closed = True
        self._stop_if_alone()
        for follower in leaving:
            follower.wake()

    def _running(self) -> _Looker | None:
        looker = self._looker  # a forked child has the object, and not its thread
        return looker if looker is not None and looker.pid == os.getpid() else None

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
            for follower in self._followers:
                follower.closed = True
            self._followers = []

    def _listening(self, looker: _Looker) -> list[Follower]:
        with self._lock:
            return [*self._followers] if looker is self._looker else []

    def _stop_if_alone(self) -> None:
        with self._lock:
            looker, is_alone = self._running(), not self._followers
            if is_alone:
                self._looker = None
        if is_alone and looker is not None:
            looker.stop()


class _Looker:
    """The thread: it waits, looks at the log, and wakes the followers."""

    def __init__(
        self,
        place: Place,
        changelog: ChangeLog,
        listening: Callable[[_Looker], list[Follower]],
    ) -> None:
        self.pid = os.getpid()
        self.is_away = False
        self.deaf = ""
        self._place = place
        self._changelog = changelog
        self._listening = listening
        self._thread = threading.Thread(target=self._run, name="localsessions-feed", daemon=True)
        self._waker, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._connection: Connection | None = None
        self._stopping = False
        self._wakes_all = True
        self._told = -1
        self._pause = _SHORTEST_PAUSE
        self._waits = False
        self._failure = ""
        self._deaf_at = 0.0

    def start(self) -> None:
        self._thread.start()

    def wake_all(self) -> None:
        """Wake every follower, the newest included, although nothing is new."""
        self._wakes_all = True
        self._wake()

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except OSError:
            return  # the thread has ended, and closed it

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._step()
                if not self._stopping:
                    self._wait(self._patience())
        finally:
            self._disconnect()
            self._waker.close()
            self._woken.close()

    def _step(self) -> None:
        try:
            self._look()
        # The server may fail in any way, and recover. If the feed ended, its silence would look as
        # if nothing happened.
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        else:
            self._failure, self.is_away = "", False

    def _fail(self, error: Exception) -> None:
        if isinstance(error, psycopg.Error):
            error = meaning_of(error, self._place.connections.address)
        self.is_away = self._wakes_all = True
        self._disconnect()
        failure = f"{type(error).__name__} {error}"
        if failure != self._failure:  # once, until it is over
            log().warning("looking at %s: %s", self._place.shown, error)
            for follower in self._listening(self):
                follower.fail(error)
        self._failure = failure

    def _patience(self) -> float:
        if self._failure:
            return _RETRY
        if self._waits:
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return self._pause
        self._pause = _SHORTEST_PAUSE
        if self._deaf_at:
            return min(_POLL, max(self._deaf_at - time.monotonic(), 0.01))
        return _POLL if self.deaf else _LOOK

    # -- looking -------------------------------------------------------------------------------

    def _look(self) -> None:
        self._listen()
        last, self._waits = self._changelog.state()
        if last != self._told:
            self._told, self._wakes_all = last, True
        if self._wakes_all:
            self._wakes_all = False  # first: a follower that joins now sets it again
            for follower in self._listening(self):
                follower.wake()

    def _listen(self) -> None:
        """Ask the server to tell of changes, and find out whether it does."""
        if self._deaf_at and time.monotonic() > self._deaf_at:
            self._deaf_at = 0.0
            self.deaf = "the server's messages do not arrive: a pooler stands between"
            self._disconnect()
        if self._connection is not None or self.deaf:
            return
        connection = self._place.connections.connect()
        try:
            connection.execute((_LISTEN % self._place.channel).encode())
        except psycopg.errors.Error as error:
            connection.close()
            self.deaf = self._place.connections.address.clean(error.diag.message_primary or "")
            return
        self._connection = connection
        self._deaf_at = time.monotonic() + _CANARY
        self._place.connections.again(
            lambda one: execute(one, "SELECT pg_notify(%s, '')", [self._place.channel])
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- waiting -------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Wait until the server tells something, somebody wakes the thread, or the time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            if self._connection is not None:
                selector.register(self._connection.fileno(), selectors.EVENT_READ)
            selector.select(seconds)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._hear()

    def _hear(self) -> None:
        if self._connection is None:
            return
        try:
            heard = self._connection.pgconn
            heard.consume_input()
            while heard.notifies() is not None:
                self._deaf_at = 0.0
        except psycopg.OperationalError:
            self._disconnect()  # the next look connects again
