"""Threads that write at once: they share the syncs of a folder, and one works at a time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from inside import local

from localsessions import DurabilityUnknownError, SessionStore, _system
from localsessions._local import turnstile
from localsessions._local.files.shared_sync import SharedSync


def together(count: int, act: Callable[[int], object]) -> list[BaseException]:
    """Do something in several threads at once; return what they raised."""
    raised: list[BaseException] = []
    begin = threading.Barrier(count)

    def run(number: int) -> None:
        begin.wait(60)
        try:
            act(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return raised


class Slow:
    """A folder whose first sync goes on until all the others have come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shared: SharedSync, count: int) -> None:
        self.real, self.shared, self.begun = _system.sync_folder, shared, threading.Event()
        self.waits = threading.Semaphore(0)
        self.count, self.syncs, self.error = count, 0, None
        monkeypatch.setattr(_system, "sync_folder", self)

    def __call__(self, path: str) -> None:
        self.syncs += 1
        if self.syncs == 1:
            self.begun.set()
            for _ in range(self.count - 1):
                assert self.waits.acquire(timeout=60)
            time.sleep(0.05)  # until the last one stands before the lock
        self.real(path)

    def sync(self, number: int) -> None:
        if number:
            assert self.begun.wait(60)
            self.waits.release()
        self.shared.sync()


def test_who_comes_during_a_sync_shares_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedSync(str(tmp_path))
    slow = Slow(monkeypatch, shared, 8)
    assert together(8, slow.sync) == []
    assert (slow.syncs, shared.syncs) == (2, 2)


def test_an_error_of_a_shared_sync_is_raised_by_all_who_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedSync(str(tmp_path))
    slow = Slow(monkeypatch, shared, 5)
    real = slow.real

    def fail(path: str) -> None:
        if slow.syncs == 2:
            raise OSError(5, "the disk", path)
        real(path)

    slow.real = fail
    raised = together(5, slow.sync)
    assert [(type(one), str(one)) for one in raised] == [
        (OSError, f"[Errno 5] the disk: {str(tmp_path)!r}")
    ] * 4
    assert len({id(one) for one in raised}) == 4


def test_what_ctrl_c_ends_is_synced_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedSync(str(tmp_path))

    def interrupt(path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_system, "sync_folder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            shared.sync()
    shared.sync()
    assert shared.syncs == 1


def test_a_handler_of_a_signal_that_comes_during_a_sync_may_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        store.create("s")
        store.create("other")
        real, syncs = _system.sync_folder, iter(range(1000))

        def interrupted(path: str) -> None:
            if next(syncs) == 0:
                store.rename("other", "by a handler")
            real(path)

        monkeypatch.setattr(_system, "sync_folder", interrupted)
        store.rename("s", "new")
        assert {one.title for one in store.list()} == {"new", "by a handler"}


def test_turns_of_many_sessions_at_once_share_their_syncs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        for number in range(16):
            store.create(f"s{number}")
        shared = local(store).folder.publisher.shared_sync
        before, real = shared.syncs, _system.sync_folder

        def slow(path: str) -> None:
            time.sleep(0.01)  # the others come meanwhile
            real(path)

        monkeypatch.setattr(_system, "sync_folder", slow)

        def turns(number: int) -> None:
            for turn in range(10):
                store.append(f"s{number}", {"role": "user", "content": f"{turn}"})

        assert together(16, turns) == []
        assert shared.syncs - before < 120
        assert {one.message_count for one in store.list(limit=100)} == {10}


def test_a_failed_sync_leaves_each_of_them_in_doubt(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        for number in range(4):
            store.create(f"s{number}")

        def fail(path: str) -> None:
            raise OSError(5, "the disk", path)

        monkeypatch.setattr(_system, "sync_folder", fail)
        raised = together(4, lambda number: store.rename(f"s{number}", "new"))
        assert [type(one) for one in raised] == [DurabilityUnknownError] * 4
        assert {one.title for one in store.list()} == {"new"}


# -- the turnstile -------------------------------------------------------------------------------


def test_one_works_at_a_time_and_others_work_while_it_waits() -> None:
    inside: list[int] = []
    most, alone = [], threading.Lock()

    def work(number: int) -> None:
        for _ in range(20):
            with turnstile.working():
                with alone:
                    inside.append(number)
                    most.append(len(inside))
                with alone:
                    inside.remove(number)
                with turnstile.waiting():
                    time.sleep(0.001)

    assert together(4, work) == []
    assert set(most) == {1}


def test_who_waits_for_another_one_lets_it_work(folder: Path) -> None:
    """A thread that waits for a session's lock does not keep its holder from going on."""
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        held, done = threading.Event(), threading.Event()

        def act(number: int) -> None:
            if number:
                assert held.wait(60)
                store.rename("s", "after")
                assert done.is_set()
            else:
                with store.edit("s") as session:
                    held.set()
                    time.sleep(0.05)
                    store.create("other")
                    session.title = "before"
                    done.set()

        assert together(2, act) == []
        assert store.load("s").title == "after"


def test_a_turnstile_that_nobody_leaves_is_put_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "_PATIENCE_SECONDS", 0.01)
    left = turnstile._now
    assert left.lock.acquire(timeout=10)  # as by Ctrl-C between two steps
    with turnstile.working():
        pass
    assert turnstile._now is not left
    with turnstile.working():
        assert turnstile._now.is_mine()


@pytest.mark.needs("fork")
def test_a_child_does_not_wait_for_a_thread_of_its_parent(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("s")
        leave, entered = threading.Event(), threading.Event()

        def stay(_: int) -> None:
            with turnstile.working():
                entered.set()
                leave.wait(60)

        thread = threading.Thread(target=stay, args=(0,))
        thread.start()
        assert entered.wait(60)
        if (child := os.fork()) == 0:
            begun = time.monotonic()
            store.rename("s", "by a child")
            os._exit(time.monotonic() - begun > 0.9)
        assert os.waitpid(child, 0)[1] == 0
        leave.set()
        thread.join()
        assert store.load("s").title == "by a child"
