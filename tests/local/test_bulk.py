"""Many sessions at once: how their files are written in batches, and what a batch meets."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import calls
import pytest
from contract.acts import edited
from inside import local
from opened import descriptors

from localsessions import (
    DurabilityUnknownError,
    LockTimeoutError,
    Session,
    SessionExistsError,
    SessionStore,
    _system,
)
from localsessions._local import writing
from localsessions._local.files import batch, stripe_of
from localsessions._local.reconciling import Reconciler
from localsessions._rules import batches

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


# -- save_many -----------------------------------------------------------------------------------


@pytest.mark.needs("leases")
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


# -- what else follows ---------------------------------------------------------------------------


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
    assert max(map(len, sizes)) == batches._MOST
    assert max(map(sum, sizes)) <= batches._MOST_BYTES
    monkeypatch.setattr(batches, "_MOST_BYTES", 1000)
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
    sync_folder = _system.sync_folder

    def noted(path: str) -> None:
        synced.append(path)
        sync_folder(path)

    monkeypatch.setattr(_system, "sync_folder", noted)
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
    count, counting, real = iter(range(10_000)), threading.Lock(), calls.real(call)

    def act(*arguments: Any) -> Any:
        with counting:
            number = next(count)
        if number in numbers:
            path = arguments[0] if isinstance(arguments[0], str) else None
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(*arguments)

    calls.put_in_place_of(monkeypatch, call, act)


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


@pytest.mark.needs("folder syncs")
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
        store.count()  # the index is made, and its journal renamed
        count, real = iter(range(10_000)), calls.real(call)
        raised = threading.Event()

        def act(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                raised.wait(30)
            elif next(count) == number:
                raised.set()
                raise KeyboardInterrupt
            return real(*arguments, **named)

        with monkeypatch.context() as patched:
            calls.put_in_place_of(patched, call, act)
            with pytest.raises(KeyboardInterrupt):
                store.create_many(numbered(60))
        assert temp_files(folder) == []
        assert "localsessions-sync" not in {thread.name for thread in threading.enumerate()}
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
        monkeypatch.setattr(_system, "sync_folder", synced.append)
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


@pytest.mark.needs("limits")
def test_a_process_at_its_limit_of_open_files_stores_and_deletes_all(store: SessionStore) -> None:
    import resource

    names = [f"s{number}" for number in range(300)]
    store.create("first")
    store.list()
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 40, usual[1]))
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
