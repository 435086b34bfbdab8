"""create_many, save_many, delete_many: many sessions at once, each with the promise of one."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from inside import local

from localsessions import (
    ConflictError,
    DurabilityUnknownError,
    LockTimeoutError,
    NotOwnerError,
    Session,
    SessionExistsError,
    SessionStore,
    UnstorableValueError,
)
from localsessions._local import batches, writing
from localsessions._local.files import batch, durable, stripe_of
from localsessions._local.reconciling import Reconciler

HELLO = {"id": "m1", "role": "user", "content": "hello"}


def new(*names: str) -> list[Session]:
    return [Session(session_id=name, messages=[{**HELLO}]) for name in names]


def numbered(count: int) -> list[Session]:
    return new(*(f"s{number:04}" for number in range(count)))


def ids(store: SessionStore) -> set[str]:
    return {one.session_id for one in store.list(limit=10_000, fresh=True)}


def temp_files(folder: Path) -> list[str]:
    return os.listdir(folder / ".localsessions" / "tmp")


def refused(act: Callable[[], object]) -> dict[str, Exception]:
    """Return the errors of a group, by session."""
    with pytest.raises(ExceptionGroup) as caught:
        act()
    errors = [error for error in caught.value.exceptions if isinstance(error, Exception)]
    return {getattr(error, "session_id", None) or str(error): error for error in errors}


# -- create_many ---------------------------------------------------------------------------------


def test_new_sessions_are_stored_and_can_be_changed_and_saved(store: SessionStore) -> None:
    made = numbered(300)

    assert [*store.create_many(made)] == made

    assert ids(store) == {one.session_id for one in made}
    assert store.load("s0123").messages == [HELLO]
    made[7].title = "changed"
    assert store.save(made[7]).revision == 2


def test_an_empty_id_is_made(store: SessionStore) -> None:
    made = store.create_many(Session(session_id="", title=str(number)) for number in range(3))

    assert all(one.session_id.startswith("sess_") for one in made)
    assert [store.load(one.session_id).title for one in made] == ["0", "1", "2"]


def test_those_that_exist_are_refused_and_the_others_stored(store: SessionStore) -> None:
    store.create("b", title="was here")

    with pytest.raises(ExceptionGroup, match="1 of 3 sessions were not stored") as caught:
        store.create_many(new("a", "b", "c"))

    (error,) = caught.value.exceptions
    assert isinstance(error, SessionExistsError)
    assert error.session_id == "b"
    assert ids(store) == {"a", "b", "c"}
    assert store.load("b").title == "was here"


def test_an_id_that_differs_by_letter_case_only_is_refused_within_one_call_too(
    store: SessionStore,
) -> None:
    store.create("chat")
    errors = refused(lambda: store.create_many(new("CHAT", "New", "NEW")))
    assert {name: type(error) for name, error in errors.items()} == {
        "CHAT": SessionExistsError,
        "NEW": SessionExistsError,
    }
    assert ids(store) == {"chat", "New"}


MISUSE: list[tuple[Callable[[SessionStore], object], type[Exception], str]] = [
    (lambda store: store.create_many([*new("a"), store.load("there")]), ValueError, "save_many"),
    (lambda store: store.create_many(new("a", "b", "a")), ValueError, "two of the sessions"),
    (lambda store: store.save_many(new("a", "b", "a")), ValueError, "two of the sessions"),
    (lambda store: store.create_many(new("a", "b/c")), ValueError, "session_id"),
    (lambda store: store.save_many([*new("a"), "b"]), TypeError, "must be a Session"),  # type: ignore[list-item]
    (lambda store: store.save_many(new("a"), on_conflict="no"), ValueError, "on_conflict"),  # type: ignore[arg-type]
    (lambda store: store.delete_many("there"), TypeError, "several texts"),
    (lambda store: store.delete_many(["there", "b/c"]), ValueError, "session_id"),
    (lambda store: store.delete_many(["there", 1]), TypeError, "must be a str"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("act", "kind", "text"), MISUSE)
def test_misuse_is_told_before_anything_is_done(
    act: Callable[[SessionStore], object], kind: type[Exception], text: str, store: SessionStore
) -> None:
    store.create("there")
    with pytest.raises(kind, match=text):
        act(store)
    assert ids(store) == {"there"}


def test_nothing_is_asked_of_a_closed_store(store: SessionStore) -> None:
    store.close()
    for act in (store.create_many, store.save_many, store.delete_many):
        with pytest.raises(ValueError, match="is closed"):
            act([])


# -- save_many -----------------------------------------------------------------------------------


def test_changes_are_saved_and_new_sessions_with_them(store: SessionStore) -> None:
    made = [*store.create_many(numbered(5))]
    for session in made[:3]:
        session.title = "changed"

    store.save_many([*made, *new("another")])

    found = {one.session_id: (one.title, one.revision) for one in store.list()}
    assert found == {
        **{f"s{number:04}": ("changed", 2) for number in range(3)},
        **{f"s{number:04}": ("hello", 1) for number in range(3, 5)},
        "another": ("hello", 1),
    }


def test_what_somebody_else_changed_is_refused_and_the_others_are_saved(
    store: SessionStore,
) -> None:
    made = store.create_many(new("a", "b", "c"))
    store.rename("b", "theirs")
    store.delete("c")
    for session in made:
        session.title = "mine"

    errors = refused(lambda: store.save_many(made))

    assert {name: type(error) for name, error in errors.items()} == {
        "b": ConflictError,
        "c": ConflictError,
    }
    assert {one.session_id: one.title for one in store.list()} == {"a": "mine", "b": "theirs"}


def test_conflicts_are_merged_where_that_is_asked(store: SessionStore) -> None:
    made = store.create_many(new("a", "b", "c"))
    store.rename("b", "theirs")
    store.rename("c", "theirs")
    made[0].tags = made[1].tags = ["mine"]
    made[2].title = "mine"

    errors = refused(lambda: store.save_many(made, on_conflict="merge"))

    assert isinstance(error := errors["c"], ConflictError)
    assert error.conflicts == ("title",)
    assert (store.load("a").tags, store.load("b").tags) == (["mine"], ["mine"])
    assert store.load("b").title == made[1].title == "theirs"


def test_what_cannot_be_stored_is_refused_alone(store: SessionStore) -> None:
    made = new("a", "b", "c")
    made[1].state["number"] = float("nan")
    errors = refused(lambda: store.save_many(made))
    assert isinstance(errors["b"], UnstorableValueError)
    assert ids(store) == {"a", "c"}


def test_the_version_before_is_dropped_where_there_is_one(
    store: SessionStore, folder: Path
) -> None:
    store.create("a")
    for _ in range(3):
        store.append("a", {"role": "user", "content": "x"})
    assert [name for name in temp_files(folder) if name.endswith(".spare")] != []
    session = store.load("a")
    session.title = "changed"

    store.save_many([session])

    assert temp_files(folder) == []
    store.append("a", {"role": "user", "content": "y"})
    assert [one["content"] for one in store.load("a").messages] == ["x", "x", "x", "y"]


# -- delete_many ---------------------------------------------------------------------------------


def test_sessions_go_to_the_trash_with_all_they_have(store: SessionStore) -> None:
    store.create_many(numbered(150))
    store.save_checkpoint("s0007", {"step": 1})

    gone = store.delete_many(["none", *(f"s{n:04}" for n in range(140)), "s0003"])

    assert [*gone] == [f"s{number:04}" for number in range(140)]
    assert len(ids(store)) == 10
    assert store.restore("s0007").messages == [HELLO]
    assert store.load_checkpoint("s0007").data == {"step": 1}


def test_sessions_of_another_user_stay(store: SessionStore) -> None:
    for name, user in (("a", "alice"), ("b", "bob"), ("c", None)):
        store.create(name, user_id=user)
    errors = refused(lambda: store.delete_many([*"abc"], user_id="alice"))
    assert isinstance(errors["b"], NotOwnerError)
    assert ids(store) == {"b"}


# -- what else follows ---------------------------------------------------------------------------


def test_each_change_is_told_and_found_and_counted(store: SessionStore) -> None:
    since, written = store.last_change(), store.stats().counters["files_written"]
    told: list[tuple[str, str]] = []
    with store.watch(lambda change: told.append((change.session_id, change.kind))):
        made = store.create_many(new("a", "b", "c"))
        for session in made:
            session.title = "changed"
        store.save_many(made)
        store.delete_many(["a", "b"])
        changes = [*store.changes(since)]
        wait_for(lambda: len(told) == len(changes))
    expected = {
        *((name, "created") for name in "abc"),
        *((name, "modified") for name in "abc"),
        *((name, "deleted") for name in "ab"),
    }
    assert {(one.session_id, one.kind) for one in changes} == set(told) == expected
    assert {one.origin for one in changes} == {"this store"}
    assert len(changes) == 8
    assert [hit.session.session_id for hit in store.search("hello")] == ["c"]
    assert store.stats().counters["files_written"] == written + 6


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not come")


def test_a_version_that_nobody_logged_is_logged_before_it_is_written_over(
    store: SessionStore, folder: Path
) -> None:
    store.create_many(new("a", "b"))
    since = store.last_change()
    path = folder / "a.json"
    path.write_text(path.read_text().replace("hello", "edited"))
    sessions = [store.load("a"), store.load("b")]
    for session in sessions:
        session.title = "changed"
    store.save_many(sessions)
    told = [(one.session_id, one.origin) for one in store.changes(since)]
    assert sorted(told) == [("a", "external"), ("a", "this store"), ("b", "this store")]


# -- locks ---------------------------------------------------------------------------------------


@contextmanager
def edited(store: SessionStore, name: str) -> Iterator[threading.Event]:
    """Let another thread edit a session until the event is set, or the block ends."""
    begun, over = threading.Event(), threading.Event()

    def edit() -> None:
        with store.edit(name):
            begun.set()
            over.wait(30)

    thread = threading.Thread(target=edit)
    thread.start()
    begun.wait(30)
    try:
        yield over
    finally:
        over.set()
        thread.join()


def test_a_session_that_somebody_changes_is_waited_for_when_all_others_are_stored(
    store: SessionStore,
) -> None:
    made = store.create_many(numbered(20))
    for session in made:
        session.title = "changed"
    with edited(store, "s0000") as over:
        thread = threading.Thread(target=store.save_many, args=[made])
        thread.start()
        wait_for(lambda: store.load("s0019").title == "changed" == store.load("s0001").title)
        assert store.load("s0000").title is None
        # It holds no lock while it waits.
        assert store.rename("s0019", "by another").title == "by another"
        over.set()
        thread.join()
    assert store.load("s0000").title == "changed"


def test_who_is_waited_for_in_vain_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path, lock_timeout=0.05) as store:
        store.create("held")
        same = [f"n{n}" for n in range(5000) if stripe_of(f"n{n}") == stripe_of("held")][:3]
        tried: list[str] = []
        create = local(store).create

        def noted(session: Session) -> None:
            tried.append(session.session_id)
            create(session)

        monkeypatch.setattr(local(store), "create", noted)
        with edited(store, "held"):
            errors = refused(lambda: store.create_many(new("a", *same, "b")))
        assert set(errors) == set(same)
        assert {type(error) for error in errors.values()} == {LockTimeoutError}
        assert ids(store) == {"held", "a", "b"}
        assert len(tried) == 1


def test_a_session_that_this_thread_is_editing_is_refused(store: SessionStore) -> None:
    made = store.create_many(new("a", "b"))
    for session in made:
        session.title = "changed"
    with store.edit("a"), pytest.raises(ExceptionGroup) as caught:
        store.save_many(made)
    (error,) = caught.value.exceptions
    assert isinstance(error, RuntimeError)
    assert error.__notes__ == ["session 'a'"]
    assert store.load("b").title == "changed"


def test_writers_in_opposite_order_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    with SessionStore(tmp_path, durability="fast") as one, SessionStore(tmp_path) as other:
        one.create_many(numbered(120))
        failed: list[Exception] = []

        def work(store: SessionStore, backwards: bool) -> None:
            names = sorted(ids(store), reverse=backwards)
            for number in range(5):
                sessions = [store.load(name) for name in names]
                for session in sessions:
                    session.state[f"{backwards}"] = number
                try:
                    store.save_many(sessions, on_conflict="merge")
                except ExceptionGroup as group:
                    failed.extend(group.exceptions)

        threads = [
            threading.Thread(target=work, args=[store, backwards])
            for store, backwards in ((one, False), (one, True), (other, True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {type(error) for error in failed} <= {ConflictError}
        states = [one.load(name).state for name in ids(one)]
    assert states == [{"False": 4, "True": 4}] * 120


# -- what a batch costs --------------------------------------------------------------------------


def test_a_batch_has_bounds(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []
    write_many = batch.write_many

    def noted(folder: Any, versions: Any) -> Any:
        sizes.append([len(one.data) for one in versions])
        return write_many(folder, versions)

    monkeypatch.setattr(writing, "write_many", noted)
    large = [Session(session_id=f"l{n}", state={"text": "x" * 3_000_000}) for n in range(5)]
    store.create_many([*numbered(500), *large])
    assert sum(map(len, sizes)) == 505
    assert max(map(len, sizes)) == batches._BATCH_SESSIONS
    assert max(map(sum, sizes)) <= batches._BATCH_BYTES
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1000)
    sizes.clear()
    for session in large[:2]:
        session.title = "alone"
    store.save_many(large)
    assert [len(one) for one in sizes] == [1, 1]


@pytest.mark.parametrize("verb", ["create_many", "save_many", "delete_many"])
def test_a_batch_shares_the_sync_of_the_folder_and_one_transaction(
    verb: str, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = numbered(128)
    if verb != "create_many":
        store.create_many(made)
        for session in made:
            session.title = "changed"
    store.delete_many([store.create().session_id])  # the trash is there
    store.list()
    synced: list[str] = []
    sync_folder = durable.sync_folder

    def noted(path: str) -> None:
        synced.append(path)
        sync_folder(path)

    monkeypatch.setattr(durable, "sync_folder", noted)
    statements: list[str] = []
    connection = local(store).index._database._connection
    assert connection is not None
    connection.set_trace_callback(statements.append)

    if verb == "delete_many":
        store.delete_many([one.session_id for one in made])
    else:
        getattr(store, verb)(made)

    expected = {"delete_many": [str(folder / ".trash"), str(folder)]}.get(verb, [str(folder)])
    assert synced == expected
    assert statements.count("BEGIN IMMEDIATE") == 1


# -- faults --------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, numbers: set[int], call: str) -> None:
    """Let some of the calls fail, counted from 0; several threads make them."""
    count, counting, real = iter(range(10_000)), threading.Lock(), getattr(os, call)

    def act(*arguments: Any) -> Any:
        with counting:
            number = next(count)
        if number in numbers:
            path = arguments[0] if isinstance(arguments[0], str) else None
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(*arguments)

    monkeypatch.setattr(os, call, act)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_is_refused_alone(
    call: str, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = numbered(40)
    with monkeypatch.context() as patched:
        failing(patched, {3, 17}, call)
        with pytest.raises(ExceptionGroup, match="2 of 40 sessions were not stored") as caught:
            store.create_many(made)
    assert all(isinstance(one, OSError) and one.filename for one in caught.value.exceptions)
    assert len({str(getattr(one, "__notes__", [])) for one in caught.value.exceptions}) == 2
    assert temp_files(folder) == []
    assert len(ids(store)) == 38
    # Those that were refused are as they were, and can be stored.
    store.save_many(made)
    assert len(ids(store)) == 40


def test_a_folder_that_cannot_be_synced_leaves_all_of_the_batch_in_doubt(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = numbered(40)
    with monkeypatch.context() as patched:
        failing(patched, {40}, "fsync")
        with pytest.raises(
            ExceptionGroup, match="40 of 40 sessions were stored, perhaps"
        ) as caught:
            store.create_many(made)
    doubts = [one for one in caught.value.exceptions if isinstance(one, DurabilityUnknownError)]
    assert len({one.session_id for one in doubts}) == 40
    for session in made:
        session.title = "changed"
    store.save_many(made)
    assert {one.title for one in store.list(limit=100)} == {"changed"}


@pytest.mark.parametrize(("call", "number"), [("fsync", 0), ("replace", 7), ("write", 0)])
def test_ctrl_c_leaves_no_temp_file_and_no_half_session(
    call: str, number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        count, real = iter(range(10_000)), getattr(os, call)
        raised = threading.Event()

        def act(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                raised.wait(30)
            elif next(count) == number:
                raised.set()
                raise KeyboardInterrupt
            return real(*arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, act)
            with pytest.raises(KeyboardInterrupt):
                store.create_many(numbered(60))
        assert temp_files(folder) == []
        assert not any("sync" in thread.name for thread in threading.enumerate())
        there = {path.stem for path in folder.glob("*.json")}
        assert len(there) == (number if call == "replace" else 0)
        assert {one.session_id for one in store.list(limit=100)} == there
        assert store.verify() == []


def test_temp_files_are_written_by_several_threads_where_there_are_many(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(batch._THREADS)
    real = os.fsync
    count = iter(range(10_000))

    def fsync(fd: int) -> None:
        if next(count) < batch._THREADS:
            together.wait(30)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    store.create_many(numbered(batch._THREADS * batch._FILES_A_THREAD))
    assert len(ids(store)) == batch._THREADS * batch._FILES_A_THREAD


def test_without_durability_no_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path, durability="fast") as store:
        store.create_many(numbered(10))
        synced: list[str] = []
        monkeypatch.setattr(durable, "sync_folder", synced.append)
        made = store.save_many(new("a", "b"))
        store.delete_many(one.session_id for one in made[:1])
        assert [path for path in synced if path != str(tmp_path)] == []
        assert len(ids(store)) == 11


# -- what a process may lack ---------------------------------------------------------------------


def test_where_no_thread_can_be_started_everything_is_stored(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process at its limit, or in one that ends (Python 3.12 and later)."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    made = store.create_many(Session(session_id=f"s{number}") for number in range(20))
    made[0].state["long"] = "x" * 300_000  # hashed in a thread of its own, where there is one
    store.save(made[0])
    assert store.count() == 20
    assert store.verify() == []


def test_a_process_at_its_limit_of_open_files_stores_and_deletes_all(store: SessionStore) -> None:
    resource = pytest.importorskip("resource")
    names = [f"s{number}" for number in range(300)]
    store.create("first")
    store.list()
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, usual[1]))
    try:
        store.create_many(Session(session_id=name) for name in names)
        assert store.count() == 301
        assert len(store.delete_many(names)) == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def test_a_look_at_the_folder_that_fails_in_a_batch_holds_up_no_other(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s7")
    real, calls = Reconciler.twins, []

    def twins(self: Reconciler, session_ids: list[str]) -> dict[str, str]:
        calls.append(len(session_ids))
        if len(calls) == 2:
            raise OSError(errno.EIO, "a sweep failed", store.save_dir)
        return real(self, session_ids)

    monkeypatch.setattr(Reconciler, "twins", twins)
    with pytest.raises(ExceptionGroup) as caught:
        store.create_many(Session(session_id=f"s{number}") for number in range(300))
    assert [type(error) for error in caught.value.exceptions] == [SessionExistsError]
    assert store.count() == 300
