"""One writer of a session at a time, among threads and among processes, whoever dies."""

from __future__ import annotations

import errno
import itertools
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inside import local
from killing import stop

from localsessions import SessionStore
from localsessions._local.files.locks import StripedLocks, stripe_of
from localsessions.errors import LockTimeoutError

Start = Callable[..., "subprocess.Popen[str]"]


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: subprocess.Popen[str], line: str = "") -> None:
    assert child.stdin is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()


def in_threads(*acts: Callable[[], None]) -> None:
    """Run acts at once, each in a thread, and raise what the first of them raised."""
    failures: list[BaseException] = []
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], None]) -> None:
        together.wait()
        try:
            act()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


def until(happened: Callable[[], object]) -> None:
    """Wait for something for a minute at most."""
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError(happened)


def ids_of_one_stripe(count: int) -> list[str]:
    wanted = stripe_of("session 0")
    every = (f"session {number}" for number in itertools.count())
    return list(itertools.islice((one for one in every if stripe_of(one) == wanted), count))


@pytest.fixture
def locks(tmp_path: Path) -> StripedLocks:
    (tmp_path / "locks").mkdir()
    return StripedLocks(str(tmp_path / "locks"), timeout=30)


@pytest.fixture
def impatient(folder: Path, store: SessionStore) -> Iterator[SessionStore]:
    """Another store of the same folder, as a second process would have it; it waits for nobody."""
    with SessionStore(folder, lock_timeout=0) as opened:
        yield opened


# Exclusion


def test_threads_of_one_store_exclude_each_other(store: SessionStore) -> None:
    store.create("s")

    def count() -> None:
        for _ in range(25):
            with store.edit("s") as session:
                session.state["number"] = int(str(session.state.get("number", 0))) + 1

    in_threads(*[count] * 4)
    assert store.load("s").state["number"] == 100


def test_threads_of_two_stores_exclude_each_other(folder: Path, store: SessionStore) -> None:
    store.create("s")

    def count(own: SessionStore) -> None:
        for _ in range(25):
            with own.edit("s") as session:
                session.state["number"] = int(str(session.state.get("number", 0))) + 1

    with SessionStore(folder) as other:
        in_threads(lambda: count(store), lambda: count(other), lambda: count(other))
    assert store.load("s").state["number"] == 75


def test_processes_exclude_each_other(folder: Path, store: SessionStore, start: Start) -> None:
    session = store.create("s")
    session.state["number"] = 0
    store.save(session)
    children = [start("count.py", folder, "s", 60) for _ in range(3)]
    assert [said(child) for child in children] == ["ready"] * 3
    for child in children:
        tell(child)
    assert [child.wait() for child in children] == [0] * 3
    assert store.load("s").state["number"] == 180


def test_several_locks_are_taken_in_one_order_whatever_order_they_are_named_in(
    locks: StripedLocks,
) -> None:
    names = [f"session {number}" for number in range(6)]
    assert len({stripe_of(name) for name in names}) == 6
    inside: list[int] = []

    def work(order: list[str]) -> None:
        for turn in range(60):
            with locks.hold(order[turn % 6 :] + order[: turn % 6]):
                inside.append(1)
                assert len(inside) == 1
                inside.pop()

    in_threads(lambda: work(names), lambda: work(names[::-1]), lambda: work(names[3:] + names[:3]))


def test_sessions_of_different_stripes_do_not_wait_for_each_other(
    impatient: SessionStore, store: SessionStore
) -> None:
    assert stripe_of("a") != stripe_of("b")
    store.create("a")
    store.create("b")
    with store.edit("a"):
        impatient.rename("b", "meanwhile")
    assert store.load("b").title == "meanwhile"


def test_sessions_of_one_stripe_wait_for_each_other(
    impatient: SessionStore, store: SessionStore
) -> None:
    one, other = ids_of_one_stripe(2)
    store.create(one)
    store.create(other)
    with store.edit(one), pytest.raises(LockTimeoutError):
        impatient.rename(other, "meanwhile")


def test_two_ids_of_one_stripe_can_be_held_at_once(locks: StripedLocks) -> None:
    with locks.hold(ids_of_one_stripe(3)):
        pass


def test_one_thread_may_edit_two_sessions_of_one_stripe(
    impatient: SessionStore, store: SessionStore
) -> None:
    one, other = ids_of_one_stripe(2)
    store.create(one)
    store.create(other)
    with store.edit(one) as first:
        first.title = "first"
        with store.edit(other) as second:
            second.title = "second"
        # The inner block has not let go of the lock of the outer one.
        with pytest.raises(LockTimeoutError):
            impatient.rename(one, "meanwhile")
    assert [store.load(one).title, store.load(other).title] == ["first", "second"]
    impatient.rename(one, "afterwards")


# One thread, one session, twice


def test_changing_the_session_that_is_being_edited_is_an_error_not_a_deadlock(
    store: SessionStore,
) -> None:
    store.create("s")
    with store.edit("s") as session:
        with pytest.raises(RuntimeError, match="'s' is being edited by this thread already"):
            store.append("s", {"role": "user"})
        with pytest.raises(RuntimeError, match="change the session that edit"):
            store.delete("s")
        session.title = "the block goes on"
    store.append("s", {"role": "user"})
    assert (store.load("s").title, len(store.load("s").messages)) == ("the block goes on", 1)


def test_a_block_that_fails_leaves_the_lock_free(
    impatient: SessionStore, store: SessionStore
) -> None:
    store.create("s")

    def fail_inside() -> None:
        with store.edit("s") as session:
            session.title = "never stored"
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    impatient.rename("s", "free")
    assert store.load("s").title == "free"


# Waiting and giving up


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_thread_that_waits_too_long_gives_up(folder: Path, timeout: float) -> None:
    with SessionStore(folder, lock_timeout=timeout) as store:
        store.create("s")

        def wait_in_vain() -> None:
            with pytest.raises(LockTimeoutError) as caught:
                store.rename("s", "x")
            error = caught.value
            lock_file = folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"
            assert (error.timeout, error.session_id) == (timeout, "s")
            assert error.path == str(lock_file)

        with store.edit("s"):
            in_threads(wait_in_vain)
        assert store.load("s").title is None


def test_a_process_that_stopped_keeps_its_lock_and_one_that_died_does_not(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s")
    holder = start("hold.py", folder, "s")
    assert said(holder) == "held"
    stop(holder)
    with (
        SessionStore(folder, lock_timeout=0.1) as other,
        pytest.raises(LockTimeoutError) as caught,
    ):
        other.rename("s", "x")
    assert (caught.value.timeout, caught.value.session_id) == (0.1, "s")
    holder.kill()
    store.rename("s", "free again")
    assert store.load("s").title == "free again"


@pytest.mark.needs("lock table")
def test_who_gives_up_says_which_process_has_the_lock(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s")
    holder = start("hold.py", folder, "s")
    assert said(holder) == "held"
    with (
        SessionStore(folder, lock_timeout=0.05) as other,
        pytest.raises(LockTimeoutError) as caught,
    ):
        other.rename("s", "x")
    program, pid = str(caught.value.holder).split(" (pid ")
    assert (pid, program[:6]) == (f"{holder.pid})", "python")
    assert program.endswith(f" hold.py {folder.name} s")
    assert str(caught.value.holder) in str(caught.value)


@pytest.mark.parametrize("by_another_store", [False, True])
def test_who_gives_up_is_told_of_a_thread(folder: Path, by_another_store: bool) -> None:
    with SessionStore(folder, lock_timeout=0.05) as store, SessionStore(folder) as second:
        store.create("s")

        def wait_in_vain() -> None:
            with pytest.raises(LockTimeoutError) as caught:
                store.rename("s", "x")
            is_told = by_another_store is False or sys.platform == "linux"
            assert caught.value.holder == ("another thread of this program" if is_told else None)

        with (second if by_another_store else store).edit("s"):
            in_threads(wait_in_vain)


def test_who_waits_for_long_says_so_once(
    folder: Path, store: SessionStore, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    store.create("s")
    caplog.set_level("INFO", "localsessions.waiting")
    holder = start("hold.py", folder, "s")
    assert said(holder) == "held"

    def let_go() -> None:
        until(lambda: caplog.messages)
        tell(holder, "free")

    def wait() -> None:
        store.tag("s", "waited")

    in_threads(let_go, wait)
    (told,) = caplog.messages
    who = f"(pid {holder.pid})" if sys.platform == "linux" else "another process"
    assert told.startswith("waiting for the lock of session 's', held by ")
    assert told.endswith(who)


def test_who_waits_behind_a_thread_that_waits_itself_is_told_once_and_who_holds_it(
    folder: Path, store: SessionStore, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    store.create("s")
    caplog.set_level("INFO", "localsessions.waiting")
    holder = start("hold.py", folder, "s")
    assert said(holder) == "held"

    def let_go() -> None:
        until(lambda: len(caplog.messages) >= 3)
        tell(holder, "free")

    def wait() -> None:
        store.tag("s", "waited")

    in_threads(let_go, wait, wait, wait)
    who = f"(pid {holder.pid})" if sys.platform == "linux" else "another process"
    assert [told.endswith(who) for told in caplog.messages] == 3 * [True]


def test_a_timeout_behind_a_thread_that_waits_itself_says_who_holds_it(
    folder: Path, start: Start
) -> None:
    with SessionStore(folder, lock_timeout=0.3) as store:
        store.create("s")
        holder = start("hold.py", folder, "s")
        assert said(holder) == "held"
        told: list[str | None] = []

        def wait() -> None:
            with pytest.raises(LockTimeoutError) as caught:
                store.tag("s", "waited")
            told.append(caught.value.holder)

        in_threads(wait, wait)
        tell(holder, "free")
    assert len(told) == 2
    assert "another thread of this program" not in told


def test_a_thread_that_waits_for_another_says_so(
    folder: Path, store: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.create("s")
    caplog.set_level("INFO", "localsessions.waiting")
    held = threading.Event()

    def hold() -> None:
        with store.edit("s"):
            held.set()
            until(lambda: caplog.messages)

    def wait() -> None:
        held.wait(30)
        store.tag("s", "waited")

    in_threads(hold, wait)
    assert caplog.messages == [
        "waiting for the lock of session 's', held by another thread of this program"
    ]


def test_somebody_who_waits_gets_the_lock_as_soon_as_it_is_free(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s")
    holder = start("hold.py", folder, "s")
    assert said(holder) == "held"

    def wait() -> None:
        with SessionStore(folder, lock_timeout=math.inf) as waiting:
            waiting.tag("s", "waited")

    in_threads(wait, lambda: tell(holder, "by the holder"))
    session = store.load("s")
    assert (session.title, session.tags) == ("by the holder", ["waited"])
    assert said(holder) == "released"


def test_readers_take_no_lock(impatient: SessionStore, store: SessionStore) -> None:
    store.create("s", title="before")
    with store.edit("s") as session:
        session.title = "after"
        assert impatient.load("s").title == "before"
        assert [one.title for one in impatient.list().items] == ["before"]
        assert impatient.tail("s", 5) == ()


# Forks


@pytest.mark.needs("fork")
@pytest.mark.parametrize("what", ["others", "nothing else"])
def test_a_child_neither_holds_nor_releases_the_lock_of_its_parent(
    folder: Path, store: SessionStore, start: Start, what: str
) -> None:
    store.create("s")
    program = start("fork_while_editing.py", folder, "s", what)
    lines = program.communicate()[0].splitlines()
    locked = ["inherited store: locked", "new store: locked"] if what == "others" else []
    assert lines == [*locked, "the block ended with OSError", "child ended with 0"]
    assert program.returncode == 0
    assert store.load("s").title == "by the parent"


@pytest.mark.needs("fork")
def test_a_child_does_not_keep_the_lock_of_a_parent_that_died(
    folder: Path, store: SessionStore, impatient: SessionStore, start: Start
) -> None:
    store.create("s")
    holder = start("hold_with_child.py", folder, "s")
    assert said(holder) == "held"
    with pytest.raises(LockTimeoutError):
        impatient.rename("s", "x")
    holder.kill()
    holder.wait()
    impatient.rename("s", "free, and the child lives")
    holder.communicate()  # ends the child


# Lock files


def lock_files(folder: Path) -> dict[str, int]:
    locks = folder / ".localsessions" / "locks"
    return {path.name: path.stat().st_ino for path in locks.iterdir()}


def test_lock_files_are_never_removed_and_never_more_than_256(
    folder: Path, store: SessionStore
) -> None:
    seen: dict[str, int] = {}
    for number in range(40):
        store.create(f"session {number}")
        assert seen.items() <= lock_files(folder).items()
        seen = lock_files(folder)
    for number in range(40):
        store.delete(f"session {number}")
    store.empty_trash()
    store.close()
    assert lock_files(folder) == seen
    assert set(seen) <= {f"{number:02x}" for number in range(256)}
    assert {stripe_of(f"session {number}") for number in range(20_000)} == set(range(256))


@pytest.mark.needs("open files that go")
def test_nothing_is_written_when_the_lock_file_was_replaced_while_it_was_held(
    folder: Path, store: SessionStore
) -> None:
    store.create("s", title="before")
    lock_file = folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"

    def lose_the_lock_inside() -> None:
        with store.edit("s") as session:
            session.title = "after"
            lock_file.rename(lock_file.with_suffix(".old"))
            lock_file.touch()

    with pytest.raises(OSError, match="the lock was lost") as caught:
        lose_the_lock_inside()
    assert (caught.value.errno, caught.value.filename) == (errno.ESTALE, str(lock_file))
    assert store.load("s").title == "before"
    assert list((folder / ".localsessions" / "tmp").iterdir()) == []
    store.rename("s", "with the new lock file")


def test_nothing_is_written_when_everything_derived_was_deleted_while_the_lock_was_held(
    folder: Path, store: SessionStore
) -> None:
    store.create("s", title="before")

    def delete_it_inside() -> None:
        with store.edit("s") as session:
            session.title = "after"
            shutil.rmtree(folder / ".localsessions")

    with pytest.raises(OSError, match=r"\.localsessions"):
        delete_it_inside()
    assert store.load("s").title == "before"


@pytest.mark.needs("open files that go")
def test_everything_derived_may_be_deleted_while_the_store_is_open(
    folder: Path, store: SessionStore
) -> None:
    store.create("s")
    shutil.rmtree(folder / ".localsessions")
    store.rename("s", "after")
    store.create("t")
    assert {one.session_id: one.title for one in store.list().items} == {"s": "after", "t": ""}
    assert (folder / ".localsessions" / ".gitignore").read_text() == "*\n"


@pytest.mark.needs("fcntl")
def test_a_lock_file_replaced_between_opening_and_locking_is_locked_again(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    lock_file = folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"
    flock = fcntl.flock

    def replace_then_flock(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        lock_file.rename(lock_file.with_suffix(".old"))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", replace_then_flock)
    store.create("s")
    assert store.load("s").session_id == "s"
    assert lock_file.stat().st_ino != lock_file.with_suffix(".old").stat().st_ino


@pytest.mark.needs("fcntl")
def test_a_lock_file_that_is_replaced_all_the_time_is_a_timeout(
    folder: Path, store: SessionStore, impatient: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    lock_file = folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"
    flock = fcntl.flock

    def replace_then_flock(fd: int, operation: int) -> None:
        if lock_file.exists():
            lock_file.rename(lock_file.with_suffix(".old"))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", replace_then_flock)
    with pytest.raises(LockTimeoutError):
        impatient.create("s")
    assert not Path(store.path("s")).exists()


@pytest.mark.needs("fcntl")
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSYS, "this file system has no locks"), (errno.ENOLCK, "No locks available")],
)
def test_a_file_system_without_locks_is_an_error_that_names_the_lock_file(
    folder: Path,
    store: SessionStore,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    words: str,
) -> None:
    import fcntl

    def flock(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match=words) as caught:
        store.create("s")
    assert caught.value.errno == number
    assert caught.value.filename == str(
        folder / ".localsessions" / "locks" / f"{stripe_of('s'):02x}"
    )
    monkeypatch.undo()
    store.create("s")


def test_trying_a_stripe_tells_whether_it_was_free(locks: StripedLocks, tmp_path: Path) -> None:
    other = StripedLocks(str(tmp_path / "locks"), timeout=0)
    with locks.try_stripe(7) as is_ours:
        assert is_ours
        with other.try_stripe(7) as is_theirs:
            assert not is_theirs
    with other.try_stripe(7) as is_theirs:
        assert is_theirs


@pytest.mark.needs("open files that go")
def test_a_look_at_a_lock_does_not_take_the_place_of_a_folder_that_is_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        store.create("s")
        files = local(store).folder
        monkeypatch.setattr(os.path, "isdir", lambda path: True)  # it went away after this look
        folder.rename(folder.with_name("away"))
        assert not files.is_locked("s")
        assert not folder.exists()
        folder.with_name("away").rename(folder)
        monkeypatch.undo()
        assert store.load("s").session_id == "s"
