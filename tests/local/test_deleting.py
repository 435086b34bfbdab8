"""Deleting, the trash, cleanup and expiry: nothing goes unasked, and what went comes back."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from inside import local

from localsessions import (
    CleanupReport,
    LockTimeoutError,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
    TrashedSession,
)

NOW = datetime.now(UTC)


def write(folder: Path, session_id: str, age: timedelta, **fields: object) -> None:
    """A session last active that long ago, in a file of just now."""
    document = {"last_activity": (NOW - age).isoformat(), "messages": [], **fields}
    (folder / f"{session_id}.json").write_text(json.dumps(document))


def names(report: CleanupReport) -> tuple[list[str], list[str]]:
    return [one.session_id for one in report.deleted], [one.session_id for one in report.kept]


def test_a_deleted_session_is_gone_from_everywhere_but_the_trash(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="parser")
    store.save_checkpoint("a", 1)
    assert store.delete("a") is True

    assert store.get("a") is None
    assert store.list().items == ()
    assert store.count() == 0
    assert store.search("parser") == []
    assert store.checkpoints("a") == []
    assert not (folder / "a.json").exists()
    (trashed,) = store.trash()
    assert trashed.session_id == "a"
    assert Path(trashed.path).stat().st_size == trashed.size_bytes


def test_deleting_what_is_not_there_says_so(store: SessionStore) -> None:
    assert store.delete("a") is False


def test_a_restored_session_comes_back_with_all_it_had(store: SessionStore, folder: Path) -> None:
    store.create("a", title="parser")
    before = (folder / "a.json").read_bytes()
    saved = store.save_checkpoint("a", {"n": 1})
    store.delete("a")

    assert store.restore("a").title == "parser"
    assert (folder / "a.json").read_bytes() == before
    assert store.load_checkpoint("a").data == {"n": 1}
    assert store.checkpoints("a") == [saved.checkpoint_id]
    assert [one.title for one in store.list()] == ["parser"]
    assert len(store.search("parser")) == 1
    assert store.trash() == []


def test_restoring_never_replaces_a_session(store: SessionStore) -> None:
    store.create("a", title="old")
    store.delete("a")
    store.create("a", title="new")
    with pytest.raises(SessionExistsError):
        store.restore("a")
    assert store.load("a").title == "new"
    store.delete("a")
    store.create("A")
    with pytest.raises(SessionExistsError):
        store.restore("a")
    assert len(store.trash()) == 2


def test_of_sessions_deleted_twice_the_last_is_restored(store: SessionStore) -> None:
    for title in ("first", "second"):
        store.create("a", title=title)
        store.delete("a")
    assert len(store.trash()) == 2
    assert store.restore("a").title == "second"
    store.delete("a")
    assert [one.session_id for one in store.trash()] == ["a", "a"]


def test_restoring_what_is_not_in_the_trash_is_refused(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError, match="deleted session"):
        store.restore("a")


def test_the_trash_shows_the_last_deleted_first_and_is_emptied_by_age(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = local(store).folder.trash.put
    for session_id, days in (("a", 3), ("b", 2), ("c", 1)):
        store.create(session_id)
        store.save_checkpoint(session_id, 1)

        def put_earlier(one: str, at: str, instant: datetime, days: int = days) -> TrashedSession:
            return put(one, at, instant - timedelta(days=days))

        monkeypatch.setattr(local(store).folder.trash, "put", put_earlier)
        store.delete(session_id)
    assert [one.session_id for one in store.trash()] == ["c", "b", "a"]

    purged = store.empty_trash(max_age=1.5 * 86400)
    assert [one.session_id for one in purged] == ["b", "a"]
    assert [one.session_id for one in store.trash()] == ["c"]
    assert [one.session_id for one in store.empty_trash()] == ["c"]
    assert os.listdir(Path(store.save_dir) / ".trash") == [".gitignore"]
    assert store.empty_trash() == []
    with pytest.raises(ValueError, match="max_age"):
        store.empty_trash(max_age=-1)


def test_what_was_deleted_just_now_is_emptied_too(folder: Path) -> None:
    with SessionStore(folder, durability="fast") as store:
        for _ in range(30):
            store.create("a")
            store.delete("a")
            assert len(store.empty_trash()) == 1


def test_cleanup_goes_by_the_sessions_own_activity(store: SessionStore, folder: Path) -> None:
    day = timedelta(days=1)
    write(folder, "old", 40 * day)
    write(folder, "young", 20 * day)
    os.utime(folder / "young.json", (0, 1))  # an old file of a young session

    report = store.cleanup(max_age=30 * day)

    assert names(report) == (["old"], [])
    assert "last active at" in report.deleted[0].reason
    assert [one.session_id for one in store.list(fresh=True)] == ["young"]
    assert store.restore("old").session_id == "old"


def test_pinned_unreadable_and_future_sessions_are_kept_and_named(
    store: SessionStore, folder: Path
) -> None:
    day = timedelta(days=1)
    write(folder, "due", 3 * day)
    write(folder, "pinned", 2 * day, pinned=True)
    write(folder, "future", -400 * day)
    (folder / "torn.json").write_text("{torn")
    os.utime(folder / "torn.json", (0, 1))

    report = store.cleanup(max_age=86400)

    assert names(report)[0] == ["due"]
    assert {one.session_id: one.reason for one in report.kept} == {
        "pinned": "it is pinned",
        "torn": "it is unreadable",
        "future": "its last activity lies in the future",
    }
    assert (folder / "torn.json").read_text() == "{torn"
    assert store.count() == 3


def test_a_dry_run_says_what_a_real_run_does(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    for number in range(12):
        write(
            folder,
            f"s{number}",
            timedelta(hours=number),
            pinned=number % 4 == 0,
            expires_at=(NOW - timedelta(hours=6 - number)).isoformat(),
        )
    (folder / "torn.json").write_text("{")
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    with SessionStore(folder) as kept, SessionStore(copied) as cleaned:
        dry, dry_expired = kept.cleanup(max_age=0, dry_run=True), kept.purge_expired(dry_run=True)
        for store in (kept, cleaned):
            dry = store.cleanup(max_age=5 * 3600, dry_run=True)
            dry_expired = store.purge_expired(dry_run=True)
            assert store.count() == 13
        assert dry.dry_run
        assert cleaned.cleanup(max_age=5 * 3600).actions == dry.actions
        left = [one for one in dry_expired.actions if cleaned.get(one.session_id)]
        assert list(cleaned.purge_expired().actions) == left
        assert cleaned.count() == 13 - len(dry.deleted) - sum(one.deleted for one in left)
        assert len(dry.deleted) >= 4
        assert any(one.deleted for one in left)


def test_a_session_that_wakes_up_meanwhile_is_kept(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a", timedelta(days=2))
    store.list(fresh=True)
    lock_free = local(store).folder.lock_free

    def wake(session_ids: list[str]) -> object:
        write(folder, "a", timedelta(0))
        return lock_free(session_ids)

    monkeypatch.setattr(local(store).folder, "lock_free", wake)
    assert store.cleanup(max_age=86400).actions == ()
    assert (folder / "a.json").exists()


def test_cleanup_leaves_what_became_old_while_the_folder_was_looked_at(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    age, sweep = timedelta(days=30), local(store).reconciler.sweep
    store.create("a")

    def grow_old_and_sweep() -> None:
        with store.edit("a") as session:
            session.last_activity = datetime.now(UTC) - age
        sweep()

    monkeypatch.setattr(local(store).reconciler, "sweep", lambda _: grow_old_and_sweep())
    assert store.cleanup(max_age=age).actions == ()
    assert store.get("a") is not None


def test_a_cleanup_goes_on_where_one_session_is_held_and_then_says_so(folder: Path) -> None:
    with SessionStore(folder, lock_timeout=0.05) as store:
        for name in "abc":
            write(folder, name, timedelta(days=2))
        with SessionStore(folder) as other, other.edit("b"):
            with pytest.raises(LockTimeoutError) as caught:
                store.cleanup(max_age=86400)
            assert caught.value.session_id == "b"
            assert [one.session_id for one in store.list()] == ["b"]
        assert [one.session_id for one in store.cleanup(max_age=86400).actions] == ["b"]


@pytest.mark.parametrize(
    "age",
    [-1, -0.001, timedelta(days=-1), float("nan"), 1e11, 1e300, float("inf"), timedelta.max],
)
def test_an_age_that_is_none_is_refused(age: float | timedelta, store: SessionStore) -> None:
    store.create("a")
    store.delete("a")
    store.create("a")
    for verb in (store.cleanup, store.empty_trash):
        with pytest.raises(ValueError, match="max_age"):
            verb(max_age=age)
    assert (store.count(), len(store.trash())) == (1, 1)


def test_expired_sessions_are_purged_and_pinned_ones_are_not(
    store: SessionStore, folder: Path
) -> None:
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    write(folder, "gone", timedelta(0), expires_at=past.isoformat())
    write(folder, "kept", timedelta(0), expires_at=past.isoformat(), pinned=True)
    write(folder, "later", timedelta(0), expires_at=future.isoformat())
    write(folder, "never", timedelta(0))

    assert names(store.purge_expired(dry_run=True)) == (["gone"], ["kept"])
    assert store.count() == 4
    report = store.purge_expired()
    assert names(report) == (["gone"], ["kept"])
    assert report.deleted[0].reason.startswith("expired at")
    assert [one.session_id for one in store.trash()] == ["gone"]
    assert store.get("kept") is not None


def test_nothing_is_deleted_unasked(store: SessionStore, folder: Path) -> None:
    write(folder, "a", timedelta(days=9999), expires_at="2000-01-01T00:00:00Z")
    store.list(fresh=True)
    store.verify()
    store.reindex()
    store.close()
    with SessionStore(folder) as again:
        assert again.count() == 1


# What a power cut between two steps may leave


@pytest.fixture
def steps(store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, renamed and removed since a session with a checkpoint was made and deleted.

    Two names of each path are enough.
    """
    store.create("s")
    store.save_checkpoint("s", 1)
    store.delete("s")
    done: list[str] = []
    replace, fsync, unlink = os.replace, os.fsync, os.unlink

    def short(path: str) -> str:
        where, name = os.path.split(path)
        return f"{Path(where).name}/{name.split('-', 1)[-1]}"

    def replaced(source: str, target: str) -> None:
        done.append(f"{short(source)} -> {short(target)}")
        replace(source, target)

    def synced(fd: int) -> None:
        done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")
        fsync(fd)

    def removed(path: str) -> None:
        if ".localsessions" not in path:
            done.append(f"remove {Path(path).suffix} in {Path(path).parent.suffix or '.trash'}")
        unlink(path)

    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "unlink", removed)
    return done


needs_proc = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="nothing says which folder is synced"
)


@needs_proc
def test_a_new_name_is_durable_before_the_old_one_is_gone_and_before_what_is_next(
    store: SessionStore, steps: list[str]
) -> None:
    store.restore("s")
    assert steps == [
        ".trash/s.checkpoints -> sessions/s.checkpoints",
        "sync sessions",
        "sync .trash",
        ".trash/s.json -> sessions/s.json",
        "sync sessions",
        "sync .trash",
    ]
    steps.clear()
    store.delete("s")
    assert steps == [
        "sessions/s.json -> .trash/s.json",
        "sync .trash",
        "sync sessions",
        "sessions/s.checkpoints -> .trash/s.checkpoints",
        "sync .trash",
        "sync sessions",
    ]


@needs_proc
def test_a_session_is_purged_durably_before_its_checkpoints(
    store: SessionStore, steps: list[str]
) -> None:
    store.empty_trash()
    assert steps == [
        "remove .json in .trash",
        "sync .trash",
        "remove .json in .checkpoints",
        "sync .trash",
    ]
