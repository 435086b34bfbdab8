"""What a folder does with the copies that come, and with what is remembered of those that went."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from inside import local

from localsessions import (
    Deletion,
    SessionNotFoundError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions._local.files import durable, purged
from localsessions.backups import back_up, check_backup, restore_backup
from localsessions.models import SessionCopy
from localsessions.moving import move

WHEN = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SessionStore]:
    """A store that takes no file of more than 2,000 bytes."""
    with SessionStore(tmp_path / "small", max_file_bytes=2000) as store:
        yield store


def filled(store: SessionStore) -> None:
    store.create("a")
    store.create("large")
    store.append("large", {"role": "user", "content": "words " * 500})


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_too_large_there_stays_here_and_says_why(
    store: SessionStore, small: SessionStore, dry_run: bool
) -> None:
    filled(store)
    refused = move(store, small, ["large", "a"], dry_run=dry_run)
    assert [*refused] == ["large"]
    assert isinstance(refused["large"], UnstorableValueError)
    assert "session 'large' cannot be stored" in str(refused["large"])
    assert "open the store with a larger max_file_bytes" in str(refused["large"])
    assert (store.get("large") is None, small.get("large")) == (False, None)


def test_a_checkpoint_that_is_too_large_stays_with_its_session(
    store: SessionStore, small: SessionStore
) -> None:
    store.create("a")
    store.save_checkpoint("a", "x" * 3000)
    assert [*move(store, small, ["a"])] == ["a"]
    assert (len(store.checkpoints("a")), small.get("a"), small.checkpoints("a")) == (1, None, [])


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_backup_with_what_is_too_large_says_of_which_session(
    store: SessionStore, small: SessionStore, is_deleted: bool
) -> None:
    filled(store)
    if is_deleted:
        store.delete("large")
    file = BytesIO()
    back_up(store, file)
    for dry_run in (True, False):
        with pytest.raises(UnstorableValueError, match="larger max_file_bytes") as caught:
            restore_backup(small, check_backup(file), merge=True, dry_run=dry_run)
        assert caught.value.session_id == "large"
    assert [one.session_id for one in small.list()] == ["a"]
    assert small.trash() == []


@pytest.mark.needs("links")
def test_a_store_is_not_moved_into_itself_by_way_of_a_link(
    folder: Path, store: SessionStore, tmp_path: Path
) -> None:
    store.create("a")
    (tmp_path / "link").symlink_to(folder)
    with (
        SessionStore(tmp_path / "link", lock_timeout=0.1) as same,
        pytest.raises(ValueError, match="name another store"),
    ):
        move(store, same, ["a"])


@pytest.mark.parametrize(
    "line",
    [
        b'{"session_id": "x", "source": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b"[" * 100_000,
        b'{"session_id": "../x", "source": {}, "deleted_at": "2026-01-02T00:00:00Z"}',
        b'{"session_id": 7, "source": {}, "deleted_at": "2026-01-02T00:00:00Z"}',
        b'{"session_id": "x", "source": [], "deleted_at": "2026-01-02T00:00:00Z"}',
        b'{"session_id": "x", "source": {}, "deleted_at": 7}',
        b'["session_id", "source", "deleted_at"]',
        b'{"session_id": "x", "source": {}}',
        b"\xff",
    ],
)
def test_a_line_that_says_nothing_hides_no_other(
    folder: Path, store: SessionStore, line: bytes
) -> None:
    for name in ("a", "b"):
        store.create(name)
        store.delete(name)
        store.empty_trash()
    (one, _) = sorted((folder / ".trash").glob("purged-*.jsonl"))
    one.write_bytes(line + b"\n" + one.read_bytes())
    assert sorted(one.session_id for one in store.engine.purged()) == ["a", "b"]
    assert check_backup(backed_up(store)).manifest.deletions


def test_what_comes_into_the_trash_or_leaves_it_meanwhile_is_not_told(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a")
    store.save_checkpoint("a", {})
    store.delete("a")
    trash = local(store).folder.trash
    monkeypatch.setattr(trash, "items", list)
    assert trash.misnamed() == []


def backed_up(store: SessionStore) -> BytesIO:
    file = BytesIO()
    back_up(store, file)
    return file


def test_of_what_is_remembered_each_deletion_is_looked_at_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Deletion(f"s{n}", {"n": n}, WHEN + timedelta(seconds=n)) for n in range(200)]
    compared = 0

    def counted(self: Deletion, other: object) -> bool:
        nonlocal compared
        compared += 1
        return self is other

    store.engine.remember(many)
    monkeypatch.setattr(Deletion, "__eq__", counted)
    store.engine.remember(many)
    assert compared == 0
    monkeypatch.undo()
    assert sorted(store.engine.purged(), key=lambda one: one.deleted_at) == many


def test_what_two_remember_at_the_same_time_is_remembered_once(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [Deletion(name, {}, WHEN) for name in "ab"]
    kept = local(store).folder.purged
    note = kept.note
    late: list[object] = []

    def noted(deletions: Sequence[Deletion], locked: str) -> object:
        with SessionStore(folder, lock_timeout=0.05) as other, pytest.raises(TimeoutError):
            other.engine.remember(both[::-1])
        late.append(locked)
        return note(deletions, locked)

    monkeypatch.setattr(kept, "note", noted)
    store.engine.remember(both)
    assert late == ["a"]


def test_what_was_moved_is_looked_up_without_reading_the_lines_again(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"s{number}" for number in range(20)]
    with SessionStore(tmp_path / "other") as other:
        for name in names:
            store.create(name)
        assert move(store, other, names) == {}
        for number in range(20):
            other.create(f"new{number}")
        read: list[bytes] = []
        deletion = purged._deletion

        def counted(line: bytes) -> Deletion | None:
            read.append(line)
            return deletion(line)

        monkeypatch.setattr(purged, "_deletion", counted)
        assert move(other, store, [f"new{number}" for number in range(20)]) == {}
    assert len(read) < 3 * len(names)


def test_a_session_that_goes_and_comes_leaves_nothing_behind(
    folder: Path, store: SessionStore, tmp_path: Path
) -> None:
    store.create("a")
    with SessionStore(tmp_path / "other") as other:
        for _ in range(3):
            assert move(store, other, ["a"]) == {}
            assert move(other, store, ["a"]) == {}
    assert [*(folder / ".trash").glob("purged-*.jsonl")] == []


@pytest.mark.needs("modes")
def test_lines_are_written_over_in_place(folder: Path, store: SessionStore, tmp_path: Path) -> None:
    with SessionStore(tmp_path / "other") as other:
        for name in ("a", "b", "c"):
            store.create(name)
        assert move(store, other, ["a", "b", "c"]) == {}
        (path,) = (folder / ".trash").glob("purged-*.jsonl")
        before = path.stat()
        assert move(other, store, ["b"]) == {}
    after = path.stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    assert {one.session_id for one in store.deletions(["a", "b", "c"])} == {"a", "c"}


def test_what_a_kill_left_of_a_session_leaves_with_it(store: SessionStore, folder: Path) -> None:
    store.create("s")
    store.save_checkpoint("s", {"step": 1})
    (folder / "s.json").unlink()
    for path in (folder / "s.checkpoints").iterdir():
        path.unlink()
    with store.engine.leaving("s", moved_to="elsewhere"):
        pass
    assert not (folder / "s.checkpoints").exists()
    with pytest.raises(SessionNotFoundError), store.engine.leaving("s", moved_to="elsewhere"):
        pass


def test_a_folder_that_cannot_be_removed_is_an_error(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    store.save_checkpoint("s", {"step": 1})

    def fail(path: str) -> None:
        raise OSError(errno.EIO, "the disk failed", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", fail)
        leaving = store.engine.leaving("s", moved_to="elsewhere")
        with pytest.raises(OSError, match="the disk failed"), leaving:
            pass
    with store.engine.leaving("s", moved_to="elsewhere"):
        pass
    assert not (folder / "s.checkpoints").exists()


def test_where_nobody_knows_what_is_there_nothing_is_brought(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    (copy,) = store.engine.copies()
    assert isinstance(copy, SessionCopy)

    def fail(path: str) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "open_regular", fail)
        with pytest.raises(UnreadableSessionError):
            store.engine.bring(copy)
    assert store.engine.bring(copy) == "same"
    (folder / "s.json").unlink()
    (folder / "s.json").mkdir()
    assert store.engine.bring(copy) == "other"
