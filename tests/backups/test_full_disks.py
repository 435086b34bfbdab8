"""A disk that is full: what is told of it is true, and moving away from it makes room."""

from __future__ import annotations

import errno
from io import BytesIO
from pathlib import Path

import pytest
from proof.mounts import memory_disk

from localsessions import SessionStore
from localsessions.backups import back_up, check_backup, restore_backup
from localsessions.moving import move

pytestmark = [pytest.mark.needs("mounts")]


def filled(store: SessionStore) -> SessionStore:
    for name in ("a", "b"):
        store.create(name)
        store.append(name, {"role": "user", "content": "words " * 20_000})
        store.save_checkpoint(name, {"of": name})
    return store


def test_a_restore_onto_a_full_disk_says_so_and_is_completed_with_room(
    store: SessionStore, tmp_path: Path
) -> None:
    file = BytesIO()
    back_up(filled(store), file)
    with (
        memory_disk(tmp_path / "disk", "size=8m") as disk,
        SessionStore(disk.folder / "sessions") as target,
    ):
        disk.fill()
        with pytest.raises(OSError, match="No space") as caught:
            restore_backup(target, check_backup(file))
        assert caught.value.errno == errno.ENOSPC
        disk.empty()
        assert [one for one in target.verify() if one.kind != "index"] == []
        restore_backup(target, check_backup(file), merge=True)
        assert {name: target.raw(name) for name in "ab"} == {name: store.raw(name) for name in "ab"}


def test_sessions_move_away_from_a_full_disk(store: SessionStore, tmp_path: Path) -> None:
    with (
        memory_disk(tmp_path / "disk", "size=8m") as disk,
        SessionStore(disk.folder / "sessions") as source,
    ):
        filled(source)
        source.create("gone")
        source.delete("gone")  # the trash is there
        before = source.raw("a")
        disk.fill()
        assert move(source, store, ["a"]) == {}
        assert (source.get("a"), store.raw("a")) == (None, before)
        assert [one.moved_to for one in source.deletions(["a"])] == [store.save_dir]


def test_a_move_onto_a_full_disk_leaves_the_session_here(
    store: SessionStore, tmp_path: Path
) -> None:
    filled(store)
    with (
        memory_disk(tmp_path / "disk", "size=8m") as disk,
        SessionStore(disk.folder / "sessions") as target,
    ):
        disk.fill()
        with pytest.raises(OSError, match="No space"):
            move(store, target, ["a"])
        assert store.get("a") is not None
        assert len(store.checkpoints("a")) == 1
        disk.empty()
        assert move(store, target, ["a"]) == {}
