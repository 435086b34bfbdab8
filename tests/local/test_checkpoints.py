"""The files of checkpoints: each beside its session, numbered in the order of saving."""

from __future__ import annotations

from pathlib import Path

import pytest

from localsessions import (
    SessionNotFoundError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)


def test_checkpoints_are_not_in_the_sessions_file_nor_in_listings(
    store: SessionStore, folder: Path
) -> None:
    store.create("a")
    before = (folder / "a.json").read_bytes()
    store.save_checkpoint("a", "bulky")
    assert (folder / "a.json").read_bytes() == before
    assert store.count() == 1


@pytest.mark.parametrize(
    "content",
    ["{torn", "[]", "{}", '{"data": 1}', '{"data": 1, "checkpoint_id": "x", "created_at": "?"}'],
)
def test_an_unreadable_checkpoint_is_an_error_and_stays(
    content: str, store: SessionStore, folder: Path
) -> None:
    store.create("a")
    whole = store.save_checkpoint("a", 1)
    path = next((folder / "a.checkpoints").iterdir())
    torn = path.with_name("00000002-ckpt_torn.json")
    torn.write_text(content)

    for wanted in (None, "ckpt_torn"):
        with pytest.raises(UnreadableSessionError, match="ckpt_torn"):
            store.load_checkpoint("a", wanted)
    assert torn.read_text() == content
    assert store.load_checkpoint("a", whole.checkpoint_id) == whole


def test_one_that_nobody_could_load_again_is_refused_before_anything_is_written(
    folder: Path,
) -> None:
    with SessionStore(folder, max_file_bytes=10_000) as store:
        store.create("a")
        with pytest.raises(UnstorableValueError, match="larger max_file_bytes"):
            store.save_checkpoint("a", {"text": "x" * 10_000})
        assert not store.checkpoints("a")
        assert not (folder / "a.checkpoints").exists()
        made = store.save_checkpoint("a", {"text": "x" * 9_000})
        assert store.load_checkpoint("a") == made


def test_two_stores_number_one_after_the_other(folder: Path) -> None:
    with SessionStore(folder) as one, SessionStore(folder) as two:
        one.create("a")
        for number, store in enumerate((one, two, one, two)):
            store.save_checkpoint("a", number)
        assert sorted(path.name[:8] for path in (folder / "a.checkpoints").iterdir()) == [
            f"{number:08}" for number in range(1, 5)
        ]


def test_a_checkpoint_that_is_refused_leaves_no_folder(store: SessionStore, folder: Path) -> None:
    with pytest.raises(SessionNotFoundError):
        store.save_checkpoint("a", 1)
    store.create("a")
    with pytest.raises(UnstorableValueError, match="data"):
        store.save_checkpoint("a", float("inf"))
    assert not (folder / "a.checkpoints").exists()
