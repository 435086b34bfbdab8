"""Watcher: hints of where to look after a change in the session folder, by any program.

A hint is the name of a file, or "look at everything". It may come late, twice, merged or without
a change; the file decides. This module knows names only: no session, no store, no index. Only this
module names watchdog, which is imported at use.

::

    kernel -> _Inotify (elsewhere _Observed) -> _Gathered -> on_hint(), and then take()

Events can stop without notice: the folder is swapped, a limit is reached, a thread dies. So the
owner of the watcher calls check() about once a second.
"""

from __future__ import annotations

import errno
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import CallbackId, InotifyEvent, Mask, WatchDescriptor
from localsessions._logger import log

__all__ = ["Hints", "Watcher"]


_CANARY_EVERY = 30.0
_CANARY_PATIENCE = 5.0
_RETRY_EVERY = 60.0
_MOST_NAMES = 1_000
# The kernel queues 16,384 events. Where an overflow is not reported, events after this many may
# have been dropped.
_EVENTS_LIKE_AN_OVERFLOW = 1_000
_REMEDIES_OF_INOTIFY = {
    errno.EMFILE: "no inotify instance or open file is left; raise fs.inotify.max_user_instances "
    "(sysctl) or the limit of open files (ulimit -n)",
    errno.ENOSPC: "no inotify watch is left; raise fs.inotify.max_user_watches (sysctl)",
}
# Elsewhere there is no inotify: the error says itself what is wrong.
_REMEDIES = _REMEDIES_OF_INOTIFY if sys.platform.startswith("linux") else {}
_NO_EVENTS = "no events of the folder arrive; its file system may not send any"
_FOLDER_FAULTS = (FileNotFoundError, NotADirectoryError, PermissionError)

_Notice: TypeAlias = Callable[[str | None], None]
"""Called with a file name, or None when anything may have happened."""


class Hints(NamedTuple):
    """Where to look.

    Attributes:
        names: Files directly in the folder that may have changed.
        everything: Whether to look at the whole folder.
    """

    names: frozenset[str]
    everything: bool


class Watcher:
    """Watches one folder, but not the folders in it.

    Each method may be called from any thread, ``close`` even from inside ``on_hint``. In a forked
    child nothing is watched: ``take`` says "everything", the other methods do nothing.

    Args:
        folder: It need not exist yet; it may be a symbolic link.
        on_hint: Called, often in a thread of watchdog, when there is something new to take. It must
            be quick and must not wait.
        canary: A folder directly inside ``folder`` whose times may be touched, to test whether
            events arrive. None where nothing may be written: then there is no such test.
    """

    def __init__(
        self, folder: str, on_hint: Callable[[], None], *, canary: str | None = None
    ) -> None:
        self._folder = folder
        self._on_hint = on_hint
        self._canary = _Canary(canary)
        self._gathered = _Gathered()
        self._acts = threading.Lock()
        self._here = threading.local()
        self._engine: _Engine | None = None
        self._identity = (0, 0)
        self._pid: int | None = None
        self._closed = False
        self._trouble = ""
        self._retry_at = 0.0

    @property
    def mode(self) -> Literal["events", "polling"]:
        """``polling`` where there are no events: look at everything now and then."""
        return "polling" if self.reason else "events"

    @property
    def reason(self) -> str:
        """Why there are no events, with the remedy; empty while there are."""
        if self._pid is None or self._closed:
            return "not started" if self._pid is None else "closed"
        return self._trouble if os.getpid() == self._pid else "started by the parent process"

    @property
    def has_hints(self) -> bool:
        """Whether ``take`` would return anything."""
        return self._gathered.has_hints

    def start(self) -> None:
        """Begin to watch; a second call does nothing. Look at everything afterwards.

        Earlier changes are not reported. Where watching is impossible, ``mode`` and ``reason`` say
        so, and ``check`` tries again.
        """
        if self._is_in_child():
            return
        with self._acts:
            if self._pid is None and not self._closed:
                self._pid = os.getpid()
                self._look_after(time.monotonic())

    def take(self) -> Hints:
        """Return the gathered hints and forget them."""
        if self._is_in_child():
            return Hints(frozenset(), everything=True)
        return self._gathered.take()

    def check(self) -> None:
        """Check whether events can still come, and repair it if not; call it about every second."""
        if self._pid is None or self._is_in_child():
            return
        with self._acts:
            may_have_missed = not self._closed and self._look_after(time.monotonic())
        if may_have_missed:
            self._gather(None)

    def close(self) -> None:
        """Stop and wait until no thread is left; a second call does nothing.

        From inside ``on_hint`` it does not wait: the thread that called it ends by itself.
        """
        if self._is_in_child():
            return  # what was inherited is the parent's: its locks may be held forever
        self._closed = True
        if not getattr(self._here, "is_watchdogs", False):
            with self._acts:
                self._drop_engine()
        elif (engine := self._engine) is not None:
            # Not under the lock: its holder may be waiting for this thread to end. A later close
            # from outside, if there is any, joins what is left.
            engine.stop()

    def _is_in_child(self) -> bool:
        # A fork copies no threads, but it copies the locks, as they were held at the fork.
        return self._pid is not None and os.getpid() != self._pid

    # -- hints -------------------------------------------------------------------------------

    def _notice(self, name: str | None) -> None:
        """Process a notice from a thread of watchdog."""
        self._here.is_watchdogs = True
        self._canary.hear(name)
        if name is None or (name.endswith(".json") and not name.startswith(".")):
            self._gather(name)

    def _gather(self, name: str | None) -> None:
        if not self._gathered.add(name):
            return
        try:
            self._on_hint()
        # The listener is not our code: its error would end watchdog's thread, and with it all
        # hints.
        except Exception:  # noqa: BLE001
            log().exception("the listener of the watcher of %s failed", self._folder)

    # -- health: all of these hold _acts and return whether anything may have been missed ------

    def _look_after(self, now: float) -> bool:
        try:
            identity = _identity(self._folder)
        except OSError as error:
            return self._give_up(error, retry_at=now)
        if self._engine is None:
            return now >= self._retry_at and self._watch(identity, now)
        if identity != self._identity:
            return self._watch(identity, now)
        if not self._engine.is_alive():
            log().warning("the watching of %s ended by itself; beginning anew", self._folder)
            return self._watch(identity, now)
        return self._mind_canary(now)

    def _watch(self, identity: tuple[int, int], now: float) -> bool:
        """Watch the folder that exists now, in place of what was watched."""
        self._drop_engine()
        if self._closed:  # closed meanwhile, from inside on_hint
            return False
        try:
            self._engine = _open(self._folder, self._notice)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            is_transient = isinstance(error, _FOLDER_FAULTS)
            return self._give_up(error, retry_at=now + (0 if is_transient else _RETRY_EVERY))
        # Read before the watch began: if the folder was swapped in between, the next check sees it.
        self._identity = identity
        self._canary.rest(now + _CANARY_EVERY)
        if not self._canary.is_missed_again:
            self._recover()
        return True

    def _mind_canary(self, now: float) -> bool:
        found = self._canary.look(now)
        if found != "missed":
            return found == "well" and self._recover()
        log().warning("no event of %s came; watching the folder anew", self._canary.path)
        may_have_missed = self._watch(self._identity, now)
        if self._canary.is_missed_again:
            self._canary.rest(now + _RETRY_EVERY)
            return self._fall_back(_NO_EVENTS)
        self._canary.rest(now)
        return may_have_missed

    def _give_up(self, error: Exception, *, retry_at: float) -> bool:
        self._drop_engine()
        self._retry_at = retry_at
        code = error.errno if isinstance(error, OSError) else None
        return self._fall_back(_REMEDIES.get(code or 0, str(error)))

    def _fall_back(self, reason: str) -> bool:
        is_new = not self._trouble
        self._trouble = reason
        if is_new:
            log().warning("cannot watch %s: %s; polling instead", self._folder, reason)
        return is_new

    def _recover(self) -> bool:
        was_out = bool(self._trouble)
        self._trouble = ""
        if was_out:
            log().info("watching %s again", self._folder)
        return was_out

    def _drop_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop()


def _identity(folder: str) -> tuple[int, int]:
    os.scandir(folder).close()  # raises if the folder cannot be read, which inotify does not report
    status = os.stat(folder)
    return status.st_dev, status.st_ino


class _Gathered:
    """The hints since the last take, limited in number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._everything = False

    @property
    def has_hints(self) -> bool:
        return self._everything or bool(self._names)

    def add(self, name: str | None) -> bool:
        """Add a name, or everything when None; return whether that is new."""
        with self._lock:
            if self._everything or name in self._names:
                return False
            if name is None or len(self._names) == _MOST_NAMES:
                self._names.clear()
                self._everything = True
            else:
                self._names.add(name)
            return True

    def take(self) -> Hints:
        with self._lock:
            hints = Hints(frozenset(self._names), self._everything)
            self._names.clear()
            self._everything = False
            return hints


class _Canary:
    """A folder that is touched now and then, to test whether the event of that arrives."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._name = os.path.basename(os.path.normpath(path or ""))
        self._due_at = 0.0
        self._touched_at: float | None = None
        self._is_heard = False
        self._misses = 0

    @property
    def is_missed_again(self) -> bool:
        return self._misses > 1

    def hear(self, name: str | None) -> None:
        if name == self._name:
            self._is_heard = True

    def rest(self, until: float) -> None:
        self._due_at, self._touched_at = until, None

    def look(self, now: float) -> Literal["resting", "waiting", "well", "missed"]:
        if self.path is None or (self._touched_at is None and now < self._due_at):
            return "resting"
        if self._touched_at is None:
            self._is_heard = False
            try:
                os.utime(self.path)
            except OSError:
                return self._well(now)  # gone, or no permission: that proves nothing
            self._touched_at = now
            return "waiting"
        if self._is_heard:
            return self._well(now)
        if now - self._touched_at < _CANARY_PATIENCE:
            return "waiting"
        self._misses += 1
        return "missed"

    def _well(self, now: float) -> Literal["well"]:
        self._misses = 0
        self.rest(now + _CANARY_EVERY)
        return "well"


class _Engine(Protocol):
    """Turns the kernel's events into notices, in threads of its own, until it is stopped."""

    def is_alive(self) -> bool: ...
    def stop(self) -> None: ...


def _open(folder: str, notice: _Notice) -> _Engine:
    return (_Inotify if _has_inotify() else _Observed)(folder, notice)


def _has_inotify() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    from watchdog.observers import inotify_c

    # watchdog 7.1 has it. With other versions the observer is used, which is slower and reports no
    # overflow.
    return hasattr(getattr(inotify_c, "WatchCallback", None), "on_queue_overflow")


class _Inotify:
    """A callback of watchdog's inotify reader, without its observer.

    The observer holds back a file that was moved away, and all events behind it, for half a second:
    it waits for the other half of a rename. It reports no overflow, and its filter knows no event
    for a move of the folder itself.
    """

    def __init__(self, folder: str, notice: _Notice) -> None:
        from watchdog.observers.inotify_c import InotifyConstants as Inotify
        from watchdog.observers.inotify_c import InotifyFD

        self._notice = notice
        self._is_over = False
        self._reader = InotifyFD()
        # No events for opening, reading, or closing without a write: our own reads would wake us
        # forever.
        written = Inotify.IN_MODIFY | Inotify.IN_CLOSE_WRITE | Inotify.IN_ATTRIB | Inotify.IN_CREATE
        moved = Inotify.IN_MOVE | Inotify.IN_DELETE | Inotify.IN_MOVE_SELF
        self._begin(os.fsencode(folder), written | moved | Inotify.IN_ONLYDIR)

    def _begin(self, path: bytes, mask: int) -> None:
        """Begin to watch; leave nothing open if that fails."""
        try:
            watch = self._add(path, mask, 0)
            # The end of this watch queues an event at once. After that event was read, the reader
            # closes its descriptors itself, however early its thread is stopped.
            self._reader.remove_callbacks([(watch, cast("CallbackId", 0))])
            self._reader.read_events()
        except BaseException:  # Ctrl-C too: close the descriptors, then re-raise
            # ``close()`` would leave them to the reading thread, which does not run yet.
            self._reader._close_resources()  # noqa: SLF001
            raise
        try:
            self._add(path, mask, 1)
            self._reader.start()
        except BaseException:  # as above; from here on ``close()`` works
            self._is_over = True
            self._reader.close()
            raise

    def _add(self, path: bytes, mask: int, number: int) -> WatchDescriptor:
        watch = self._reader.add_callback(
            path, cast("Mask", mask), self, cast("CallbackId", number)
        )
        if watch == -1:  # the only errno that watchdog ignores
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(path))
        return watch

    def on_event(self, event: InotifyEvent) -> None:
        if event.name:
            self._notice(os.fsdecode(event.name))
        elif event.is_move_self:
            self._notice(None)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - watchdog's signature
        """Report that the folder is gone or unmounted; the event also comes while we stop."""
        if not self._is_over:
            self._is_over = True
            self._notice(None)

    def on_queue_overflow(self) -> None:
        self._notice(None)

    def is_alive(self) -> bool:
        return self._reader.is_alive() and not self._is_over

    def stop(self) -> None:
        self._is_over = True
        self._reader.stop()
        if threading.current_thread() is not self._reader:
            self._reader.join()


class _Observed:
    """watchdog's observer: on other systems, and with other versions of watchdog."""

    def __init__(self, folder: str, notice: _Notice) -> None:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        root = os.path.realpath(folder)
        events = 0

        class Handler(FileSystemEventHandler):
            def dispatch(self, event: FileSystemEvent) -> None:
                nonlocal events
                events += 1
                if events % _EVENTS_LIKE_AN_OVERFLOW == 0:
                    notice(None)
                if event.event_type in ("opened", "closed_no_write"):
                    return
                for path in map(os.fsdecode, (event.src_path, event.dest_path)):
                    if os.path.dirname(path) == root:
                        notice(os.path.basename(path))
                    elif path == root and event.event_type in ("deleted", "moved"):
                        notice(None)

        self._observer = Observer()
        self._observer.schedule(Handler(), root)
        try:
            _in_a_daemon(self._observer.start)
            for emitter in self._observer.emitters:
                _mend_reader(emitter, notice)
        except BaseException:  # Ctrl-C too: emitters may run already; stop them, then re-raise
            self.stop()
            raise

    def is_alive(self) -> bool:
        threads = [self._observer, *self._observer.emitters]
        return len(threads) > 1 and all(thread.is_alive() for thread in threads)

    def stop(self) -> None:
        self._observer.stop()
        if self._observer.ident is not None and threading.current_thread() is not self._observer:
            self._observer.join()


def _in_a_daemon(start: Callable[[], object]) -> None:
    """Start threads of watchdog so that none of them keeps the process from ending.

    The thread that reads from Windows is a daemon if the thread that starts it is one. Then it ends
    with the process, also if the watch was not closed.
    """
    raised: list[BaseException] = []

    def act() -> None:
        try:
            start()
        except BaseException as error:  # noqa: BLE001  (raised below)
            raised.append(error)

    starting = threading.Thread(target=act, daemon=True)
    starting.start()
    try:
        starting.join()
    except BaseException:  # Ctrl-C: what runs is complete before it is stopped
        starting.join()
        raise
    if raised:
        raise raised[0]


def _mend_reader(emitter: object, notice: _Notice) -> None:
    """Let watchdog's reader of Windows tell events at once, and that its buffer has run over.

    ReadDirectoryChangesW says of a buffer that ran over that it has read no bytes: all events are
    lost, not the last only. watchdog passes over that. It also gathers events until none came for a
    second, and where changes come more often it would never tell one: here the second buffer that
    it asks for is not there yet.

    Where watchdog has not these parts, as on other systems, nothing is changed.
    """
    buffers = getattr(getattr(emitter, "_reader", None), "_buf_queue", None)
    if buffers is None:
        return
    put, get = buffers.put, buffers.get
    has_one = True  # perhaps: it may be asking already

    def heard(item: object) -> None:
        if item == b"" or (isinstance(item, tuple) and item[0] == b""):
            notice(None)
        put(item)

    def given(timeout: float) -> object:
        nonlocal has_one
        if has_one:
            has_one = False
            raise queue.Empty
        item = get(timeout=timeout)
        has_one = True
        return item

    buffers.put, buffers.get = heard, given
