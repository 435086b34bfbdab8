"""Backups and moving hold for every engine, and from one engine to another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from contract.acts import user, wait_until
from contract.conftest import NewPlace
from contract.places import ENGINES, PLACES, Opener
from localsessions import (
    Deletion,
    LockTimeoutError,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
)
from localsessions.backups import Compression, back_up, check_backup, restore_backup
from localsessions.models import SessionCopy, StoredBytes
from localsessions.moving import move


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[SessionStore]:
    """A store of other sessions, of the same engine and of another one."""
    with PLACES[request.param](tmp_path / "target").open(lock_timeout=0.2) as store:
        yield store


@pytest.fixture
def full(store: SessionStore) -> SessionStore:
    """A store with sessions, checkpoints, a trash, and one that was removed for good."""
    for name in ("purged", "deleted", "a", "b"):
        store.create(name, title=f"title of {name}")
        store.append(name, user("hello"))
        store.save_checkpoint(name, {"of": name})
    store.delete("purged")
    store.empty_trash()
    store.delete("deleted")
    return store


def said(store: SessionStore) -> object:
    """What a store says of its sessions, its checkpoints and its trash."""
    every = [one.session_id for one in store.list(order="created_at", limit=100)]
    return (
        [store.load(one).model_dump(mode="json") for one in every],
        [store.raw(one) for one in every],
        [[store.load_checkpoint(one, it) for it in store.checkpoints(one)] for one in every],
        [(one.session_id, one.deleted_at, one.size_bytes) for one in store.trash()],
        store.deletions(["purged", "deleted", "a"]),
    )


def kept(store: SessionStore, compression: Compression = "none") -> BytesIO:
    file = BytesIO()
    back_up(store, file, compression=compression)
    return file


def test_a_backup_that_is_restored_says_the_same(full: SessionStore, target: SessionStore) -> None:
    report = restore_backup(target, check_backup(kept(full, "gzip")))
    assert said(target) == said(full)
    assert [(one.session_id, one.deleted_at is None) for one in report.brought] == [
        ("a", True),
        ("b", True),
        ("deleted", False),
    ]
    assert (report.same, report.kept, report.dry_run) == ([], [], False)
    assert target.restore("deleted").title == "title of deleted"
    assert len(target.checkpoints("deleted")) == 1


def test_a_store_with_sessions_takes_no_backup_unless_it_is_merged(
    full: SessionStore, target: SessionStore
) -> None:
    file = kept(full)
    target.create("z")
    with pytest.raises(FileExistsError, match="merge"):
        restore_backup(target, check_backup(file))
    assert [one.session_id for one in target.list()] == ["z"]


def test_merging_brings_what_is_lacking_and_keeps_what_is_there(
    full: SessionStore, target: SessionStore
) -> None:
    restore_backup(target, check_backup(kept(full)))
    target.append("a", user("later"))
    target.delete("b")
    later = target.raw("a")
    backup = check_backup(kept(full))
    plan = restore_backup(target, backup, merge=True, dry_run=True)
    assert target.get("b") is None
    report = restore_backup(target, backup, merge=True)
    assert (report.brought, report.same, report.kept) == (plan.brought, plan.same, plan.kept)
    assert [one.session_id for one in report.brought] == ["b"]
    assert [one.session_id for one in report.same] == ["deleted"]
    assert [one.session_id for one in report.kept] == ["a"]
    assert target.raw("a") == later
    assert (target.raw("b"), len(target.checkpoints("b"))) == (full.raw("b"), 1)
    assert len(target.deletions(["purged"])) == 1


def test_what_moves_is_there_whole_and_gone_here(full: SessionStore, target: SessionStore) -> None:
    data, checkpoints = full.raw("a"), [full.load_checkpoint("a")]
    assert move(full, target, ["a", "a"]) == {}
    assert (full.get("a"), full.checkpoints("a")) == (None, [])
    assert target.raw("a") == data
    assert [target.load_checkpoint("a", one) for one in target.checkpoints("a")] == checkpoints
    (gone,) = full.deletions(["a"])
    assert gone.moved_to == target.save_dir
    assert [one.session_id for one in full.trash()] == ["deleted"]
    full.forget_deletions()
    assert full.deletions(["a"]) == []


def test_an_id_that_is_taken_stays_unless_it_is_the_same(
    full: SessionStore, target: SessionStore
) -> None:
    target.create("a", title="another")
    taken = target.raw("a")
    restore_backup(target, check_backup(kept(full)), merge=True)
    refused = move(full, target, ["a", "none", "b"])
    assert [*refused] == ["a", "none"]
    assert isinstance(refused["a"], SessionExistsError)
    assert isinstance(refused["none"], SessionNotFoundError)
    assert (target.raw("a"), full.load("a").title) == (taken, "title of a")
    assert (full.get("b"), target.load("b").title) == (None, "title of b")


def test_an_id_that_differs_only_by_case_is_taken(full: SessionStore, target: SessionStore) -> None:
    target.create("A")
    assert [*move(full, target, ["a"])] == ["a"]
    assert full.get("a") is not None


def test_a_dry_run_of_a_move_tells_what_would_stay(
    full: SessionStore, target: SessionStore
) -> None:
    target.create("a")
    assert [*move(full, target, ["a", "b"], dry_run=True)] == ["a"]
    assert target.get("b") is None
    assert full.get("b") is not None


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_session_that_somebody_edits_stays(
    make_store: Opener, target: SessionStore, where: str
) -> None:
    source = make_store(lock_timeout=0.2)
    source.create("a")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with source.edit("a") if where == "here" else target.engine.leaving("b", moved_to="x"):
            held.set()
            done.wait()

    target.create("b")
    source.create("b")
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        (error,) = move(source, target, ["a" if where == "here" else "b"]).values()
    finally:
        done.set()
        thread.join()
    assert isinstance(error, LockTimeoutError)
    assert source.get("a" if where == "here" else "b") is not None


def test_a_move_is_told_on_both_sides(full: SessionStore, target: SessionStore) -> None:
    told: list[tuple[str, str, str]] = []
    with (
        full.watch(lambda change: told.append(("here", change.kind, change.session_id))),
        target.watch(lambda change: told.append(("there", change.kind, change.session_id))),
    ):
        move(full, target, ["a"])
        wait_until(lambda: len(told) == 2)
    assert sorted(told) == [("here", "deleted", "a"), ("there", "created", "a")]


def test_a_store_is_not_moved_into_itself(full: SessionStore) -> None:
    with pytest.raises(ValueError, match="name another store"):
        move(full, full, ["a"])


def test_a_session_moves_there_and_back(full: SessionStore, target: SessionStore) -> None:
    before = full.raw("a")
    assert move(full, target, ["a"]) == {}
    assert move(target, full, ["a"]) == {}
    assert (full.raw("a"), target.get("a")) == (before, None)


def test_a_session_that_came_back_was_not_moved_away(
    full: SessionStore, target: SessionStore
) -> None:
    assert move(full, target, ["a", "b"]) == {}
    away = kept(full)
    assert {one.moved_to for one in full.deletions(["a", "b"])} == {target.save_dir}
    assert move(target, full, ["a"]) == {}
    assert full.deletions(["a"]) == []
    assert [one.moved_to for one in full.deletions(["b"])] == [target.save_dir]
    assert [one.moved_to for one in target.deletions(["a"])] == [full.save_dir]
    restore_backup(full, check_backup(away), merge=True)
    assert full.deletions(["a"]) == []
    assert full.engine.bring(next(live(full, "a")), dry_run=True) == "same"


def live(store: SessionStore, session_id: str) -> Iterator[SessionCopy]:
    for one in store.engine.copies():
        if isinstance(one, SessionCopy) and (one.session_id, one.deleted_at) == (session_id, None):
            yield one


def test_what_is_remembered_is_remembered_once(store: SessionStore) -> None:
    gone = Deletion("x", {"program": "p"}, datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "elsewhere")
    for _ in range(2):
        store.engine.remember([gone])
    assert store.engine.purged() == store.deletions(["x"]) == [gone]


def test_a_part_that_is_lacking_is_added(full: SessionStore) -> None:
    (copy,) = (one for one in full.engine.copies() if one.session_id == "a")
    assert isinstance(copy, SessionCopy)
    full.clear_checkpoints("a")
    assert full.engine.bring(copy, dry_run=True) == "new"
    assert full.checkpoints("a") == []
    assert full.engine.bring(copy) == "new"
    assert full.engine.bring(copy) == "same"
    assert len(full.checkpoints("a")) == 1


def test_another_checkpoint_of_the_same_name_is_kept(full: SessionStore) -> None:
    (copy,) = (one for one in full.engine.copies() if one.session_id == "a")
    assert isinstance(copy, SessionCopy)
    other = {name: StoredBytes(b"{}", one.modified_at) for name, one in copy.checkpoints.items()}
    before = full.load_checkpoint("a")
    assert full.engine.bring(SessionCopy("a", copy.content, other)) == "other"
    assert full.load_checkpoint("a") == before


def test_a_new_place_is_empty(new_place: NewPlace) -> None:
    with new_place().open() as store:
        assert [*store.engine.copies()] == []
        assert store.engine.purged() == []
