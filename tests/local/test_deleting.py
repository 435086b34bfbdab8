"""Where the files of deleted sessions go, and what other programs do to them meanwhile."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import calls
import pytest
from inside import local
from opened import path_of
from pydantic import JsonValue

from localsessions import (
    CleanupReport,
    Deletion,
    Session,
    SessionStore,
    TrashedSession,
    _system,
)
from localsessions._local.files import durable

NOW = datetime.now(UTC)


def write(folder: Path, session_id: str, age: timedelta, **fields: object) -> None:
    """A session last active that long ago, in a file of just now."""
    document = {"last_activity": (NOW - age).isoformat(), "messages": [], **fields}
    (folder / f"{session_id}.json").write_text(json.dumps(document))


def names(report: CleanupReport) -> tuple[list[str], list[str]]:
    return [one.session_id for one in report.deleted], [one.session_id for one in report.kept]


def test_what_is_in_the_trash_is_a_file_that_comes_back_as_it_was(
    store: SessionStore, folder: Path
) -> None:
    store.create("a", title="parser")
    before = (folder / "a.json").read_bytes()
    store.delete("a")
    assert not (folder / "a.json").exists()
    (trashed,) = store.trash()
    assert Path(trashed.path).stat().st_size == trashed.size_bytes
    store.restore("a")
    assert (folder / "a.json").read_bytes() == before


def test_cleanup_goes_by_no_times_of_files(store: SessionStore, folder: Path) -> None:
    day = timedelta(days=1)
    write(folder, "old", 40 * day)
    write(folder, "young", 20 * day)
    os.utime(folder / "young.json", (0, 1))  # an old file of a young session
    assert names(store.cleanup(max_age=30 * day)) == (["old"], [])


def test_unreadable_files_are_kept_and_named(store: SessionStore, folder: Path) -> None:
    write(folder, "due", timedelta(days=3))
    (folder / "torn.json").write_text("{torn")
    os.utime(folder / "torn.json", (0, 1))

    assert names(store.cleanup(max_age=86400, dry_run=True)) == (["due"], ["torn"])
    report = store.cleanup(max_age=86400)

    assert names(report) == (["due"], ["torn"])
    assert report.kept[0].reason == "it is unreadable"
    assert (folder / "torn.json").read_text() == "{torn"
    assert store.count() == 1


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
    assert len(os.listdir(Path(store.save_dir) / ".trash")) == 3  # and two lines of what went
    store.forget_deletions()
    assert os.listdir(Path(store.save_dir) / ".trash") == [".gitignore"]
    assert store.empty_trash() == []
    with pytest.raises(ValueError, match="max_age"):
        store.empty_trash(max_age=-1)


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
        done.append(f"sync {Path(path_of(fd)).name}")
        fsync(fd)

    def removed(path: str) -> None:
        if ".localsessions" not in path:
            done.append(f"remove {Path(path).suffix} in {Path(path).parent.suffix or '.trash'}")
        unlink(path)

    calls.put_in_place_of(monkeypatch, "replace", replaced)
    monkeypatch.setattr(os, "fsync", synced)
    calls.put_in_place_of(monkeypatch, "unlink", removed)
    return done


syncs_folders = pytest.mark.needs("folder syncs")


@syncs_folders
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


@syncs_folders
def test_a_session_is_purged_durably_before_its_checkpoints(
    store: SessionStore, steps: list[str]
) -> None:
    store.empty_trash()
    synced, named, *rest = steps  # what is remembered of it comes first
    assert (synced[:5], synced[-4:], named[:4]) == ("sync ", ".tmp", "tmp/")
    assert " -> .trash/" in named
    assert rest == [
        "sync .trash",
        "remove .json in .trash",
        "sync .trash",
        "remove .json in .checkpoints",
        "sync .trash",
    ]


# What is remembered of what was removed for good


def purged_lines(folder: Path) -> list[str]:
    paths = sorted((folder / ".trash").glob("purged-*.jsonl"))
    return [line for path in paths for line in path.read_text("utf-8").splitlines()]


def test_a_line_says_what_was_removed_before_it_is_removed(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(Session(session_id="s", source={"program": "p", "session_id": "own"}))
    store.delete("s")
    (trashed,) = store.trash()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local(store).folder.trash, "purge", killed)
    with pytest.raises(KeyboardInterrupt):
        store.empty_trash()
    (line,) = map(json.loads, purged_lines(folder))
    assert (line["session_id"], line["source"]) == ("s", {"program": "p", "session_id": "own"})
    assert line["deleted_at"] == trashed.deleted_at.isoformat()
    (path,) = (folder / ".trash").glob("purged-*.jsonl")
    assert os.name == "nt" or path.stat().st_mode & 0o077 == 0


def test_a_line_that_a_person_changed_is_passed_over(store: SessionStore, folder: Path) -> None:
    for name in "ab":
        store.create(name)
        store.delete(name)
    store.empty_trash()
    (path,) = (folder / ".trash").glob("purged-*.jsonl")
    lines = ["", "{torn", '{"session_id": 1}', "[]", '{"session_id": 1, "source": {}}']
    path.write_text("\n".join([*lines, *purged_lines(folder)]))
    assert [one.session_id for one in store.deletions(["a", "b"])] == ["a", "b"]


def test_a_full_disk_can_be_made_room_on_and_what_went_is_remembered(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    store.delete("s")
    purged = local(store).folder.purged
    note, answers = purged.note, [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))]

    def full(deletions: Sequence[Deletion], locked: str) -> object:
        if answers:
            raise answers.pop()
        return note(deletions, locked)

    monkeypatch.setattr(purged, "note", full)
    assert [one.session_id for one in store.empty_trash()] == ["s"]
    assert [one.session_id for one in store.deletions(["s"])] == ["s"]


def test_an_unreadable_session_is_remembered_by_its_id(store: SessionStore, folder: Path) -> None:
    (folder / "torn.json").write_text("{")
    store.delete("torn")
    (deletion,) = store.deletions(["torn"])
    store.empty_trash()
    assert store.deletions(["torn"]) == [deletion]
    assert deletion.source == {}


@pytest.mark.needs("links")
def test_nothing_is_remembered_behind_a_link(
    store: SessionStore, folder: Path, tmp_path: Path
) -> None:
    store.create("s")
    store.delete("s")
    store.empty_trash()
    (folder / ".trash").rename(tmp_path / "away")
    (folder / ".trash").symlink_to(tmp_path / "away")
    assert store.deletions(["s"]) == []
    with pytest.raises(OSError, match="link"):
        store.forget_deletions()
    assert [*(tmp_path / "away").glob("purged-*.jsonl")] != []


@pytest.fixture
def trashed(store: SessionStore) -> list[str]:
    """Return the ids of twenty sessions that were imported and deleted."""
    ids = [f"s{number}" for number in range(20)]
    for session_id in ids:
        store.save(
            Session(session_id=session_id, source={"program": "p", "session_id": session_id})
        )
        store.delete(session_id)
    return ids


def known(store: SessionStore, ids: list[str]) -> dict[str, JsonValue]:
    return {one.session_id: one.source.get("session_id") for one in store.deletions(ids)}


def refuse(path: str, *_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def refuse_to_empty(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch, *other: tuple[str, object]
) -> None:
    """Let the disk be full, and other calls do something else; the trash is not emptied then."""
    with monkeypatch.context() as full:
        for name, call in (("purged.durable.write_new", refuse), *other):
            full.setattr(f"localsessions._local.files.{name}", call)
        with pytest.raises(OSError, match="No space left"):
            store.empty_trash()


def test_on_a_full_disk_trashed_files_become_what_is_remembered_of_all(
    store: SessionStore, folder: Path, trashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.files.purged.durable.write_new", refuse)
    store.empty_trash()
    assert list(store.trash()) == []
    assert known(store, trashed) == {session_id: session_id for session_id in trashed}
    lines = [path.read_bytes() for path in (folder / ".trash").glob("purged-*")]
    assert len(lines) > 1  # one file has no room for all
    assert sum(data.count(b"\n") for data in lines) == len(trashed)


def test_a_disk_that_has_no_room_in_the_place_of_a_file_leaves_the_trash_as_it_is(
    store: SessionStore, trashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_empty(store, monkeypatch, ("durable._write_all", refuse))
    assert len(list(store.trash())) == len(trashed)
    assert [store.restore(one).source["session_id"] for one in trashed] == trashed


def test_a_write_that_is_cut_short_in_the_place_of_a_file_leaves_it_as_it_was(
    store: SessionStore, trashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all, cut = durable._write_all, iter([True])

    def write_some(fd: int, data: bytes) -> None:
        is_cut = next(cut, False)
        write_all(fd, data[:10] if is_cut else data)
        if is_cut:
            refuse("")

    refuse_to_empty(store, monkeypatch, ("durable._write_all", write_some))
    assert [store.restore(one).source["session_id"] for one in trashed] == trashed


@pytest.mark.needs("links")
def test_room_for_some_of_the_lines_is_not_used(
    store: SessionStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for session_id in ("a", "b", "x"):
        store.create(session_id)
        if session_id != "x":
            os.link(folder / f"{session_id}.json", tmp_path / session_id)
        store.delete(session_id)
    refuse_to_empty(store, monkeypatch)
    assert sorted(item.session_id for item in store.trash()) == ["a", "b", "x"]
    assert len(store.deletions(["a", "b", "x"])) == 3


def test_each_file_remembers_its_own_session_whenever_it_ends(
    store: SessionStore, trashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_over = durable.write_over
    left = iter([True, True])

    def write_twice(fd: int, data: bytes) -> None:
        if not next(left, False):
            refuse("")
        write_over(fd, data)

    refuse_to_empty(store, monkeypatch, ("purged.durable.write_over", write_twice))
    assert len(list(store.trash())) == len(trashed) - 2
    assert known(store, trashed) == {session_id: session_id for session_id in trashed}


def test_a_trashed_file_that_is_removed_meanwhile_is_told_as_a_full_disk(
    store: SessionStore, trashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = _system.open_file

    def remove_first(path: str, *given: int) -> int:
        if "/.trash/" in Path(path).as_posix() and given == (_system.EDITING,):
            Path(path).unlink()
        return open_file(path, *given)

    refuse_to_empty(store, monkeypatch, ("purged._system.open_file", remove_first))
    # What another process removed, it remembers itself; all else is still in the trash.
    assert len(list(store.trash())) == len(trashed) - 1
    assert len(known(store, trashed)) == len(trashed) - 1


@pytest.mark.needs("links")
def test_no_line_is_written_over_what_has_another_name(
    store: SessionStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(Session(session_id="s", metadata={"kept": "x" * 1000}))
    os.link(folder / "s.json", tmp_path / "backup.json")
    before = (tmp_path / "backup.json").read_bytes()
    store.delete("s")
    refuse_to_empty(store, monkeypatch)
    assert (tmp_path / "backup.json").read_bytes() == before
    assert [item.session_id for item in store.trash()] == ["s"]


def test_a_trash_without_room_for_its_lines_is_not_emptied(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "torn.json").write_text("{")
    store.delete("torn")
    refuse_to_empty(store, monkeypatch)
    assert [item.session_id for item in store.trash()] == ["torn"]
