"""Schedules that chance seldom makes: a writer stopped between two steps, calls that take long.

A process stops itself (SIGSTOP) at each seam of a write while others go on; then it continues or
is killed. And the races of ``test_linearizability`` are run again with one call of the system
delayed by milliseconds in some of the processes, which opens the windows around it.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localsessions import LockTimeoutError, SessionStore
from localsessions._local.files.locks import stripe_of
from proof.counting import sized, tried
from proof.history import assert_linearizable
from proof.nursery import Nursery
from proof.seams import VERBS, stop_at, time_a_sync
from proof.work import work

SEAMS = ["before the rename", "before the row", "before unlocking"]


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


def prepare(folder: Path, verb: str) -> None:
    with SessionStore(folder) as store:
        if not verb.startswith("create"):
            store.create("s", title="old")
        if verb == "restore":
            store.delete("s")


def until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 120
    while Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it did not stop"
        time.sleep(0.001)


def title(store: SessionStore) -> str | None:
    """Return the title as the file says; None where there is none."""
    session = store.get("s")
    return session.title if session else None


def listed(store: SessionStore, *, fresh: bool) -> str | None:
    return next((one.title for one in store.list(fresh=fresh).items), None)


def origins(store: SessionStore, since: int) -> list[str]:
    return [change.origin for change in store.changes(since=since)]


BEFORE = {
    "create": None, "save": "old", "rename": "old", "delete": "old", "restore": None,
    "create_many": None, "save_many": "old", "delete_many": "old",
}  # fmt: skip
AFTER = {
    "create": "new", "save": "new", "rename": "new", "delete": None, "restore": "old",
    "create_many": "new", "save_many": "new", "delete_many": None,
}  # fmt: skip


@pytest.mark.needs("signals")
@pytest.mark.parametrize("is_killed", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.parametrize("verb", VERBS)
def test_while_a_writer_stands_still_others_see_one_version_and_do_not_write(
    folder: Path, tmp_path: Path, nursery: Nursery, verb: str, seam: str, is_killed: bool
) -> None:
    prepare(folder, verb)
    ending = tmp_path / "ending"
    with SessionStore(folder, lock_timeout=0.01) as store:
        store.list()
        since = store.last_change()
        pid = nursery.start(stop_at, str(folder), verb, seam, str(ending))
        until_stopped(pid)
        now = (BEFORE if seam == "before the rename" else AFTER)[verb]
        recorded = ["another store"] if seam == "before unlocking" else []
        assert_held(store, folder)
        assert (title(store), listed(store, fresh=True), listed(store, fresh=False)) == (now,) * 3
        assert store.count() == (now is not None)
        assert origins(store, since) == recorded, "what is not recorded has no author yet"

        os.kill(pid, signal.SIGKILL if is_killed else signal.SIGCONT)
        assert nursery.wait() == [-signal.SIGKILL if is_killed else 0]
        if is_killed:
            met = ["external"] if seam == "before the row" else recorded
        else:
            assert ending.read_text("utf-8") == "done"
            now, met = AFTER[verb], ["another store"]
        assert origins(store, since) == met
        assert (title(store), listed(store, fresh=False)) == (now, now)
        assert_free(store, folder)
    tried("schedules", "seams of a write at which a process was stopped", 1)


def assert_held(store: SessionStore, folder: Path) -> None:
    """Find the session locked, and an error that says which and by which file."""
    with pytest.raises(LockTimeoutError) as caught:
        store.tag("s", "other")
    assert caught.value.session_id == "s"
    assert caught.value.path == str(folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}")
    assert "'s'" in str(caught.value)


def assert_free(store: SessionStore, folder: Path) -> None:
    """Find that others can write at once, and that the next open leaves nothing behind."""
    if store.get("s") is None:
        store.create("s")
    assert store.tag("s", "other").tags == ("other",)
    with SessionStore(folder) as opened:
        assert opened.verify() == []
    assert list((folder / ".localsessions" / "tmp").iterdir()) == []


@pytest.mark.needs("signals")
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "restore"])
def test_a_writer_whose_lock_file_was_replaced_meanwhile_writes_nothing(
    folder: Path, tmp_path: Path, nursery: Nursery, verb: str
) -> None:
    prepare(folder, verb)
    ending = tmp_path / "ending"
    pid = nursery.start(stop_at, str(folder), verb, "before its lock is compared", str(ending))
    until_stopped(pid)
    lock_file = folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"
    lock_file.unlink()
    with SessionStore(folder, lock_timeout=0) as store:
        if verb.startswith("create"):
            store.create("s")
        store.rename("s", "theirs")
        os.kill(pid, signal.SIGCONT)
        assert nursery.wait() == [0]
        assert ending.read_text("utf-8") == f"OSError {errno.ESTALE}"
        assert (title(store), listed(store, fresh=False)) == ("theirs", "theirs")
        assert_free(store, folder)
    tried("schedules", "lock files replaced under a stopped process", 1)


# Delays

CALLS = ["rename", "fsync", "flock", "pwrite64"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("names", [["s"], ["s", "t"]], ids=["one session", "several"])
def test_slow_calls_of_the_system_open_no_window(
    folder: Path, tmp_path: Path, nursery: Nursery, names: list[str]
) -> None:
    for call in CALLS[: sized(1, len(CALLS))]:
        with Nursery(*slowly(call)) as slow:
            for round_ in range(sized(1, 3)):
                where, place = f"{folder}-{call}-{round_}", tmp_path / f"{call}-{round_}"
                place.mkdir()
                for number, crowd in enumerate((slow, slow, nursery, nursery)):
                    who = f"w{round_}-{number}"
                    crowd.start(work, where, str(place), who, names, sized(20, 50))
                assert nursery.wait() + slow.wait() == [0] * 4
                checked, calls = assert_linearizable(place, names)
                tried("schedules", "histories with delayed calls found linearizable", checked)
                tried("schedules", "calls in these histories", calls)


def slowly(call: str) -> list[str]:
    """Return the command that delays each call of that name by three milliseconds."""
    inject = f"inject={call}:delay_enter=3000"
    return ["strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", f"trace={call}",
            "-e", inject]  # fmt: skip


@pytest.mark.needs("strace")
def test_the_delays_take_place(tmp_path: Path) -> None:
    with Nursery(*slowly("fsync")) as slow:
        slow.start(time_a_sync, str(tmp_path / "took"))
        assert slow.wait() == [0]
    assert float((tmp_path / "took").read_text("utf-8")) >= 0.003
