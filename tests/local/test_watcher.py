"""What others do to the folder is hinted at; where events cannot be had, the watcher says so."""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, TypeAlias

import opened
import pytest

from localsessions._local import watcher as _watcher
from localsessions._local.watcher import Hints, Watcher

AsOtherUser: TypeAlias = Callable[[Path, Callable[[], object]], object]

pytestmark = pytest.mark.needs("inotify")


def eventually(condition: Callable[[], object], pause: float = 0.002) -> None:
    deadline = time.monotonic() + 120  # a machine may be as slow as it likes
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def open_files() -> int:
    return opened.descriptors()


class Ear:
    """A watcher, whether it called, and all it has told since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self.called = threading.Event()
        canary = str(folder / ".localsessions")
        self.watcher = Watcher(str(folder), self.called.set, canary=canary)
        self.names: set[str] = set()
        self.everything = False

    def hears(self, *names: str) -> bool:
        """Tell whether all of these were hinted at; only after a call is anything taken."""
        if self.called.is_set():
            self.called.clear()
            hints = self.watcher.take()
            self.names |= hints.names
            self.everything |= hints.everything
        return self.names >= set(names)

    def hears_everything(self) -> bool:
        self.hears()
        return self.everything

    def hears_a_touch(self, path: Path) -> bool:
        path.touch()
        return self.hears(path.name)

    def forget(self, folder: Path) -> None:
        """Hear of all that was done before, and forget it."""
        eventually(lambda: self.hears_a_touch(folder / "touched.json"))
        self.everything = True
        while self.everything:  # which takes the place of names
            self.everything = False
            mark = folder / f"{time.monotonic_ns()}.json"
            mark.mkdir()  # one event, behind all others
            name = mark.name
            eventually(lambda name=name: self.hears(name) or self.everything)  # type: ignore[misc]
        self.names.clear()


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_watcher, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "sessions")


def make(folder: Path) -> Path:
    for name in (".localsessions", ".trash", "a.checkpoints"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture(params=["inotify", "observer"])
def any_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    engine: str = request.param
    if engine == "observer":
        monkeypatch.setattr(_watcher, "_has_inotify", lambda: False)
    return engine


@pytest.fixture
def ear(folder: Path) -> Iterator[Ear]:
    ear = Ear(folder)
    ear.watcher.start()
    assert (ear.watcher.mode, ear.watcher.reason) == ("events", "")
    yield ear
    ear.watcher.close()


@pytest.fixture
def ear_of_any(any_engine: str, ear: Ear) -> Ear:
    return ear


# -- what is done to files ---------------------------------------------------------------------


def replace_from_elsewhere(folder: Path) -> None:
    (folder / ".localsessions" / "new.tmp").write_text("{}")
    (folder / ".localsessions" / "new.tmp").replace(folder / "a.json")


def write_through_memory(folder: Path) -> None:
    with (folder / "a.json").open("r+b") as file, mmap.mmap(file.fileno(), 2) as memory:
        memory[:] = b"[]"


ACTS: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "created": (lambda at: (at / "new.json").write_text("{}"), {"new.json"}),
    "created empty": (lambda at: (at / "new.json").touch(), {"new.json"}),
    "written in place": (lambda at: (at / "a.json").write_text("{ }"), {"a.json"}),
    "written through memory": (write_through_memory, {"a.json"}),
    "replaced from another folder": (replace_from_elsewhere, {"a.json"}),
    "renamed": (lambda at: (at / "a.json").rename(at / "b.json"), {"a.json", "b.json"}),
    "moved out": (lambda at: (at / "a.json").rename(at / ".trash" / "a.json"), {"a.json"}),
    "removed": (lambda at: (at / "a.json").unlink(), {"a.json"}),
    "made unreadable": (lambda at: (at / "a.json").chmod(0), {"a.json"}),
    "touched": (lambda at: os.utime(at / "a.json", (1, 1)), {"a.json"}),
    "given a name of other letters": (lambda at: (at / "ä \n.json").touch(), {"ä \n.json"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_each_act_on_a_file_is_hinted_at_by_its_name(
    folder: Path, any_engine: str, act: str
) -> None:
    (folder / "a.json").write_text("{}")
    do, expected = ACTS[act]
    ear = Ear(folder)
    ear.watcher.start()
    try:
        do(folder)
        eventually(lambda: ear.hears(*expected))
    finally:
        ear.watcher.close()
    assert (ear.names, ear.everything) == (expected, False)


def test_a_file_that_stays_open_is_hinted_at_when_it_is_written(
    folder: Path, ear_of_any: Ear
) -> None:
    with (folder / "a.json").open("w") as file:
        ear_of_any.forget(folder)
        file.write("{}")
        file.flush()
        eventually(lambda: ear_of_any.hears("a.json"))


def test_a_file_moved_out_holds_nothing_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

    monkeypatch.setattr(InotifyMoveEventGrouper, "delay", 3600)
    (folder / "a.json").write_text("{}")
    ear = Ear(folder)
    ear.watcher.start()
    (folder / "a.json").rename(folder / ".trash" / "a.json")
    (folder / "b.json").touch()
    eventually(lambda: ear.hears("a.json", "b.json"))
    ear.watcher.close()


def test_reading_wakes_nobody(folder: Path, ear_of_any: Ear) -> None:
    (folder / "a.json").write_text("{}")
    ear_of_any.forget(folder)

    for _ in range(3):
        assert (folder / "a.json").read_text() == "{}"
        assert len(list(folder.iterdir())) > 1
    (folder / "z.json").touch()
    eventually(lambda: ear_of_any.hears("z.json"))

    assert (ear_of_any.names, ear_of_any.everything) == ({"z.json"}, False)


def test_what_is_no_session_file_is_no_hint(folder: Path, ear_of_any: Ear) -> None:
    for name in (
        "notes.txt",
        ".hidden.json",
        "a.json.tmp",
        ".trash/c.json",
        "a.checkpoints/d.json",
    ):
        (folder / name).write_text("{}")
    os.utime(folder / ".localsessions")
    folder.chmod(0o755)
    (folder / "z.json").touch()
    eventually(lambda: ear_of_any.hears("z.json"))

    assert (ear_of_any.names, ear_of_any.everything) == ({"z.json"}, False)


def test_what_was_taken_is_forgotten(folder: Path, ear: Ear) -> None:
    assert not ear.watcher.has_hints
    (folder / "a.json").touch()
    eventually(lambda: ear.watcher.has_hints)
    # The events of one touch arrive one by one: the mark is behind them all.
    (folder / "z.json").mkdir()
    eventually(lambda: ear.hears("z.json"))

    assert not ear.watcher.has_hints
    assert ear.watcher.take() == Hints(frozenset(), everything=False)


def test_no_name_is_lost_between_events_and_takes(folder: Path, ear_of_any: Ear) -> None:
    expected = [f"{number}.json" for number in range(500)]

    def touch_all() -> None:
        for name in expected:
            (folder / name).touch()

    writer = threading.Thread(target=touch_all)
    writer.start()
    eventually(lambda: ear_of_any.hears(*expected) or ear_of_any.everything)
    writer.join()
    assert ear_of_any.names >= set(expected) or ear_of_any.everything


def test_a_folder_behind_a_symbolic_link_is_watched(folder: Path, any_engine: str) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    ear = Ear(link)
    ear.watcher.start()
    (folder / "a.json").touch()
    eventually(lambda: ear.hears("a.json"))
    ear.watcher.close()


def test_a_failing_listener_is_logged_and_hints_go_on(
    folder: Path, any_engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> NoReturn:
        raise ValueError("the listener's own fault")

    watcher = Watcher(str(folder), fail)
    watcher.start()
    for name in ("a.json", "b.json"):
        (folder / name).touch()
        eventually(lambda: watcher.has_hints)
        eventually(lambda name=name: name in watcher.take().names)  # type: ignore[misc]
    watcher.close()

    assert caplog.records
    assert "the listener's own fault" in (caplog.records[0].exc_text or "")


# -- too many events ---------------------------------------------------------------------------


def test_more_names_than_are_kept_mean_everything(
    folder: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watcher, "_MOST_NAMES", 10)
    for number in range(10):
        (folder / f"{number}.json").touch()
    eventually(lambda: len(ear.watcher._gathered._names) == 10)
    (folder / "one more.json").touch()
    eventually(lambda: ear.watcher._gathered._everything)

    assert ear.watcher.take() == Hints(frozenset(), everything=True)


REPLACE_MORE_THAN_IT_HOLDS = """
import os, sys
folder = sys.argv[1]
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    temp = f"{folder}/.localsessions/tmp"
    os.close(os.open(temp, os.O_CREAT | os.O_WRONLY))
    os.replace(temp, f"{folder}/{number % 50}.json")
"""


@pytest.mark.untraced
def test_an_overflow_of_the_kernel_means_everything(folder: Path, ear_of_any: Ear) -> None:
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    command = [sys.executable, "-c", REPLACE_MORE_THAN_IT_HOLDS, str(folder), str(room + 4_000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
        # Wait for the child's end without letting any other thread run, watchdog's included.
        ctypes.PyDLL(None).read(child.stdout.fileno(), ctypes.create_string_buffer(1), 1)
        assert child.wait() == 0
    # Taken all the time: not one pile of names grows so large that it would mean the same.
    eventually(ear_of_any.hears_everything, pause=0.05)  # thousands of events come before
    ear_of_any.forget(folder)


# -- the folder itself -------------------------------------------------------------------------


def test_a_removed_folder_wakes_and_is_watched_again_when_it_is_back(
    folder: Path, ear_of_any: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "localsessions")
    shutil.rmtree(folder)
    eventually(ear_of_any.hears_everything)
    for _ in range(3):
        ear_of_any.watcher.check()
    assert ear_of_any.watcher.mode == "polling"
    assert str(folder) in ear_of_any.watcher.reason
    ear_of_any.hears()
    ear_of_any.everything = False

    make(folder)
    ear_of_any.watcher.check()
    assert (ear_of_any.watcher.mode, ear_of_any.watcher.reason) == ("events", "")
    eventually(ear_of_any.hears_everything)
    (folder / "a.json").touch()
    eventually(lambda: ear_of_any.hears("a.json"))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_folder_removed_and_made_again_between_two_checks_is_watched(
    folder: Path, ear_of_any: Ear
) -> None:
    for _ in range(3):  # the new one may have the old one's inode
        shutil.rmtree(folder)
        make(folder)
        eventually(ear_of_any.hears_everything)
        eventually(
            lambda: not ear_of_any.watcher._engine or not ear_of_any.watcher._engine.is_alive()
        )
        ear_of_any.watcher.check()
        ear_of_any.forget(folder)


def swap(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    make(folder)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_swapped_folder_is_noticed_by_a_check(
    tmp_path: Path, any_engine: str, is_link: bool
) -> None:
    target, other, path = make(tmp_path / "one"), make(tmp_path / "two"), tmp_path / "sessions"
    if is_link:
        path.symlink_to(target)
    else:
        target.rename(path)
    ear = Ear(path)
    ear.watcher.start()

    path.rename(tmp_path / "former")
    if is_link:
        path.symlink_to(other)
    else:
        other.rename(path)
    ear.watcher.check()
    eventually(ear.hears_everything)
    (path / "a.json").touch()
    eventually(lambda: ear.hears("a.json"))
    assert ear.watcher.mode == "events"
    ear.watcher.close()


def test_a_folder_renamed_away_wakes_at_once(folder: Path, ear: Ear) -> None:
    folder.rename(folder.with_name("away"))
    eventually(ear.hears_everything)
    ear.watcher.check()
    assert ear.watcher.mode == "polling"


def test_a_folder_that_is_not_there_yet_is_watched_when_it_is(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "later")
    ear.watcher.start()
    assert str(tmp_path) in ear.watcher.reason
    make(tmp_path / "later")
    ear.watcher.check()
    assert (ear.watcher.mode, ear.watcher.reason) == ("events", "")
    assert ear.hears_everything()
    ear.watcher.close()


def test_a_folder_that_may_not_be_read_is_polled_until_it_may(
    folder: Path, as_other_user: AsOtherUser
) -> None:
    if os.geteuid() == 0:
        os.chown(folder, 1234, 1234)

    def act() -> list[tuple[str, bool]]:
        watcher = Watcher(str(folder), lambda: None)
        seen: list[tuple[str, bool]] = []
        for mode in (0o700, 0o000, 0o700):
            folder.chmod(mode)
            watcher.start()
            watcher.check()
            seen.append((watcher.mode, "Permission denied" in watcher.reason))
        watcher.close()
        return seen

    assert as_other_user(folder, act) == [("events", False), ("polling", True), ("events", False)]


def test_a_watch_refused_in_silence_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    monkeypatch.setattr(InotifyFD, "add_callback", lambda *_: -1)
    watcher = Watcher(str(folder), lambda: None)
    watcher.start()
    assert "Permission denied" in watcher.reason
    watcher.close()


# -- limits ------------------------------------------------------------------------------------


def in_fork(act: Callable[[], object]) -> object:
    """Return what an act returns in a forked child; a child that hangs is a failure."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=lambda: there.send(act()), daemon=True)
    process.start()
    there.close()
    try:
        assert here.poll(30), "the child hangs"
        return here.recv()
    finally:
        process.kill()
        process.join()
        here.close()


@pytest.mark.needs("another user")  # it uses up all instances of one
def test_without_inotify_instances_it_polls_and_later_watches_again(
    folder: Path, clock: Clock
) -> None:
    user = 100_000 + os.getpid()  # the limit is one user's: nobody else's tests are in the way
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o755)
    import watchdog.observers.inotify_c  # noqa: F401  the other user may not be able to read it

    def act() -> object:
        os.setgid(user)
        os.setuid(user)
        libc = ctypes.CDLL(None, use_errno=True)
        taken = list(iter(libc.inotify_init, -1))
        assert ctypes.get_errno() == errno.EMFILE
        watcher = Watcher(str(folder), lambda: None)
        watcher.start()
        before = (watcher.mode, "max_user_instances" in watcher.reason)
        for fd in taken:
            os.close(fd)
        clock.now += _watcher._RETRY_EVERY
        watcher.check()
        after = (watcher.mode, watcher.take().everything)
        watcher.close()
        return before, after

    assert in_fork(act) == (("polling", True), ("events", True))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EMFILE, "fs.inotify.max_user_instances"),
        (errno.ENOSPC, "fs.inotify.max_user_watches"),
    ],
)
def test_a_limit_is_told_once_with_its_remedy_and_tried_again_each_minute(
    folder: Path,
    any_engine: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    remedy: str,
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    caplog.set_level(logging.INFO, "localsessions")
    tries = []

    def refuse(*_: object) -> NoReturn:
        tries.append(clock.now)
        raise OSError(code, "limit reached")

    former = threads()
    ear = Ear(folder)
    with monkeypatch.context() as patch:
        patch.setattr(InotifyFD, "add_callback", refuse)
        ear.watcher.start()
        for _ in range(150):
            clock.now += 1
            ear.watcher.check()
        assert ear.watcher.mode == "polling"
        assert remedy in ear.watcher.reason
        assert threads() == former
    assert tries == [1000, 1060, 1120]
    assert not ear.hears_everything()

    clock.now += 60
    ear.watcher.check()
    assert (ear.watcher.mode, ear.watcher.reason) == ("events", "")
    assert ear.hears_everything()
    ear.watcher.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert remedy in caplog.records[0].message


# -- health ------------------------------------------------------------------------------------


def test_a_dead_thread_is_noticed_and_replaced(
    folder: Path, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ear.watcher._engine
    assert isinstance(engine, _watcher._Inotify)
    engine._reader.stopped_event.set()  # it ends with the next event
    (folder / "a.json").touch()
    eventually(lambda: not engine._reader.is_alive())

    ear.watcher.check()
    assert ear.hears_everything()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (folder / "b.json").touch()
    eventually(lambda: ear.hears("b.json"))


def test_a_dead_emitter_is_noticed_and_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watcher, "_has_inotify", lambda: False)
    ear = Ear(folder)
    ear.watcher.start()
    engine = ear.watcher._engine
    assert isinstance(engine, _watcher._Observed)
    for emitter in engine._observer.emitters:
        emitter.stop()
        emitter.join()

    ear.watcher.check()
    assert ear.hears_everything()
    (folder / "b.json").touch()
    eventually(lambda: ear.hears("b.json"))
    ear.watcher.close()


def test_a_healthy_watcher_is_left_alone(folder: Path, any_engine: str, clock: Clock) -> None:
    os.utime(folder / ".localsessions", (1, 1))
    ear = Ear(folder)
    ear.watcher.start()
    engine = ear.watcher._engine
    canary = ear.watcher._canary

    clock.now += _watcher._CANARY_EVERY - 1
    ear.watcher.check()
    assert (folder / ".localsessions").stat().st_mtime == 1
    for _ in range(3):
        os.utime(folder / ".localsessions", (1, 1))
        clock.now += _watcher._CANARY_EVERY
        ear.watcher.check()
        assert (folder / ".localsessions").stat().st_mtime > 1
        eventually(lambda: canary._is_heard)
        clock.now += _watcher._CANARY_PATIENCE
        ear.watcher.check()

    assert (ear.watcher.mode, ear.watcher._engine) == ("events", engine)
    assert not ear.watcher.has_hints
    ear.watcher.close()


def deafen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no event through, as a file system does that sends none."""
    monkeypatch.setattr(_watcher._Inotify, "on_event", lambda *_: None)


def test_a_silent_canary_makes_it_watch_anew(
    folder: Path, ear: Ear, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = ear.watcher._engine
    assert isinstance(deaf, _watcher._Inotify)
    deaf.on_event = lambda event: None  # type: ignore[method-assign]
    ear.watcher._canary.rest(0)
    ear.watcher.check()
    clock.now += _watcher._CANARY_PATIENCE - 1
    ear.watcher.check()
    assert not ear.hears_everything()

    clock.now += 1
    ear.watcher.check()
    assert ear.hears_everything()
    assert ear.watcher.mode == "events"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    ear.watcher.check()  # touched again at once
    eventually(lambda: ear.watcher._canary._is_heard)
    clock.now += _watcher._CANARY_PATIENCE
    ear.watcher.check()
    assert not ear.watcher._canary._misses
    (folder / "a.json").touch()
    eventually(lambda: ear.hears("a.json"))


def test_a_canary_silent_twice_means_polling_until_it_is_heard(
    ear: Ear, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ear.watcher._canary.rest(0)
    with monkeypatch.context() as patch:
        deafen(patch)
        for _ in range(2):
            ear.watcher.check()
            clock.now += _watcher._CANARY_PATIENCE
            ear.watcher.check()
        assert ear.watcher.mode == "polling"
        assert "file system" in ear.watcher.reason
        for _ in range(100):  # new tries that hear nothing do not change that
            clock.now += 1
            ear.watcher.check()
            assert ear.watcher.mode == "polling"
    eventually(lambda: not ear.called.is_set() or ear.hears_everything())
    ear.everything = False

    clock.now += _watcher._RETRY_EVERY
    ear.watcher.check()
    clock.now += _watcher._CANARY_PATIENCE  # one touched before may have been missed
    ear.watcher.check()
    clock.now += _watcher._RETRY_EVERY
    ear.watcher.check()
    eventually(lambda: ear.watcher._canary._is_heard)
    ear.watcher.check()
    assert (ear.watcher.mode, ear.watcher.reason) == ("events", "")
    assert ear.hears_everything()
    assert [record.message.endswith("polling instead") for record in caplog.records].count(
        True
    ) == 1


def test_a_canary_that_cannot_be_touched_proves_nothing(
    folder: Path, ear: Ear, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deafen(monkeypatch)
    (folder / ".localsessions").rmdir()
    engine = ear.watcher._engine
    ear.watcher._canary.rest(0)
    for _ in range(200):
        clock.now += 1
        ear.watcher.check()
    assert (ear.watcher.mode, ear.watcher._engine) == ("events", engine)


def test_without_a_canary_nothing_is_touched(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[object] = []
    monkeypatch.setattr(os, "utime", touched.append)
    watcher = Watcher(str(folder), lambda: None)
    watcher.start()
    for _ in range(100):
        clock.now += 1
        watcher.check()
    assert watcher.mode == "events"
    watcher.close()
    assert touched == []


# -- its life ----------------------------------------------------------------------------------


def test_there_is_no_thread_before_the_start_and_none_after_the_close(
    folder: Path, any_engine: str
) -> None:
    former = threads()
    watcher = Watcher(str(folder), lambda: None)
    watcher.check()
    assert (threads(), watcher.mode, watcher.reason) == (former, "polling", "not started")

    watcher.start()
    watcher.start()
    assert threads() > former
    for _ in range(2):
        watcher.close()
        assert (threads(), watcher.mode, watcher.reason) == (former, "polling", "closed")
    watcher.start()
    watcher.check()
    assert threads() == former
    assert watcher.take() == Hints(frozenset(), everything=False)


def test_one_closed_before_its_start_does_not_start(folder: Path) -> None:
    former = threads()
    watcher = Watcher(str(folder), lambda: None)
    watcher.close()
    watcher.start()
    assert threads() == former
    assert watcher.mode == "polling"


def test_nothing_stays_open_over_fifty_lives(folder: Path) -> None:
    Watcher(str(folder), lambda: None).close()
    before, former = open_files(), threads()
    for _ in range(50):
        watcher = Watcher(str(folder), lambda: None)
        watcher.start()
        watcher.close()
    assert (open_files(), threads()) == (before, former)


def test_nothing_stays_open_over_fifty_new_folders(folder: Path, ear_of_any: Ear) -> None:
    before, former = open_files(), len(threads())
    for _ in range(50):
        folder.rename(folder.with_name("old"))
        make(folder)
        ear_of_any.watcher.check()
        shutil.rmtree(folder.with_name("old"))
    assert (open_files(), len(threads())) == (before, former)
    ear_of_any.forget(folder)


@pytest.mark.parametrize("failing", ["add_callback", "start", "read_events"])
def test_nothing_stays_open_over_fifty_failures(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    error = RuntimeError("can't start new thread") if failing == "start" else OSError(28, "full")

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(InotifyFD, failing, fail)
    watcher = Watcher(str(folder), lambda: None)
    watcher.start()
    before, former = open_files(), threads()
    for _ in range(50):
        clock.now += _watcher._RETRY_EVERY
        watcher.check()
    assert watcher.mode == "polling"
    assert (open_files(), threads()) == (before, former)
    watcher.close()


def test_it_may_be_closed_from_inside_its_listener(folder: Path, any_engine: str) -> None:
    former = threads()
    closed = threading.Event()

    def close() -> None:
        watcher.close()
        closed.set()

    watcher = Watcher(str(folder), close)
    watcher.start()
    (folder / "a.json").touch()
    assert closed.wait(20)
    watcher.close()
    assert threads() == former


def test_a_closed_watcher_calls_nobody(folder: Path) -> None:
    calls: list[int] = []
    made = threading.Event()

    def close_at_second() -> None:
        calls.append(len(calls))
        if len(calls) == 2:
            watcher.close()
        else:
            made.wait(20)  # so that all others are read at once

    watcher = Watcher(str(folder), close_at_second)
    watcher.start()
    engine = watcher._engine
    (folder / "first.json").touch()
    eventually(lambda: calls)
    for number in range(20):
        (folder / f"{number}.json").touch()
    made.set()
    eventually(lambda: engine is not None and not engine.is_alive())
    watcher.close()
    assert calls == [0, 1]


def test_it_may_be_closed_by_its_listener_while_a_check_waits_for_that_thread(
    folder: Path, any_engine: str
) -> None:
    former = threads()
    called = threading.Event()

    def close_when_dropped() -> None:
        called.set()
        eventually(lambda: watcher._engine is None)
        watcher.close()

    watcher = Watcher(str(folder), close_when_dropped)
    watcher.start()
    (folder / "a.json").touch()
    assert called.wait(20)
    swap(folder)
    watcher.check()
    assert (threads(), watcher.reason) == (former, "closed")


def test_a_listener_called_by_a_check_may_close_it(folder: Path) -> None:
    former = threads()
    watcher = Watcher(str(folder / "later"), lambda: watcher.close())  # noqa: PLW0108  not yet bound
    watcher.start()
    (folder / "later").mkdir()
    watcher.check()
    assert (threads(), watcher.reason) == (former, "closed")


def test_a_forked_child_watches_nothing_and_hangs_on_no_lock(folder: Path, ear: Ear) -> None:
    watcher = ear.watcher

    def act() -> object:
        watcher.check()
        watcher.start()
        hints = watcher.take()
        mode = watcher.mode
        watcher.close()
        return hints, mode

    with watcher._acts, watcher._gathered._lock:
        seen = in_fork(act)
    assert seen == (Hints(frozenset(), everything=True), "polling")

    (folder / "a.json").touch()  # the parent's watch has not ended with the child
    eventually(lambda: ear.hears("a.json"))


def test_watchdog_is_not_imported_before_a_watcher_starts() -> None:
    program = (
        "import sys; from localsessions._local.watcher import Watcher; Watcher('.', print).close();"
        "sys.exit('watchdog' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0


def test_another_watchdog_gets_the_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    from watchdog.observers import inotify_c

    assert _watcher._has_inotify()
    monkeypatch.setattr(inotify_c, "WatchCallback", SimpleNamespace())
    assert not _watcher._has_inotify()
    monkeypatch.delattr(inotify_c, "WatchCallback")
    assert not _watcher._has_inotify()
