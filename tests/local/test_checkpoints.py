"""Checkpoints: immutable snapshots beside a session, in the order of saving."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import (
    SessionNotFoundError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)


def test_the_last_saved_is_loaded_first(store: SessionStore) -> None:
    store.create("a")
    made = [store.save_checkpoint("a", {"n": number}) for number in range(3)]

    assert store.load_checkpoint("a") == made[-1]
    assert store.checkpoints("a") == [one.checkpoint_id for one in reversed(made)]
    for one in made:
        assert store.load_checkpoint("a", one.checkpoint_id) == one


def test_a_checkpoint_is_a_copy(store: SessionStore) -> None:
    store.create("a")
    data = {"list": [1]}
    made = store.save_checkpoint("a", data)  # type: ignore[arg-type]
    data["list"].append(2)
    assert made.data == {"list": [1]} == store.load_checkpoint("a").data


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_json_comes_back_equal(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    with SessionStore(tmp_path_factory.getbasetemp() / "any", durability="fast") as store:
        store.get("a") or store.create("a")
        store.save_checkpoint("a", data)  # type: ignore[arg-type]
        loaded = store.load_checkpoint("a").data
        assert (loaded, repr(loaded)) == (data, repr(data))
        store.clear_checkpoints("a")


def test_what_cannot_be_stored_leaves_nothing(store: SessionStore, folder: Path) -> None:
    store.create("a")
    with pytest.raises(UnstorableValueError, match="data"):
        store.save_checkpoint("a", float("inf"))
    assert store.checkpoints("a") == []
    assert not (folder / "a.checkpoints").exists()


def test_a_checkpoint_of_no_session_is_refused(store: SessionStore, folder: Path) -> None:
    with pytest.raises(SessionNotFoundError):
        store.save_checkpoint("a", 1)
    assert not (folder / "a.checkpoints").exists()


def test_what_is_not_there_is_not_found(store: SessionStore) -> None:
    store.create("a")
    with pytest.raises(SessionNotFoundError, match="checkpoint"):
        store.load_checkpoint("a")
    store.save_checkpoint("a", 1)
    with pytest.raises(SessionNotFoundError, match="ckpt_none"):
        store.load_checkpoint("a", "ckpt_none")
    assert store.delete_checkpoint("a", "ckpt_none") is False


def test_deleting_one_leaves_the_others(store: SessionStore) -> None:
    store.create("a")
    first, second, third = (store.save_checkpoint("a", number) for number in range(3))
    assert store.delete_checkpoint("a", second.checkpoint_id) is True
    assert store.delete_checkpoint("a", second.checkpoint_id) is False
    assert store.checkpoints("a") == [third.checkpoint_id, first.checkpoint_id]
    assert store.delete_checkpoint("a", third.checkpoint_id) is True
    assert store.load_checkpoint("a") == first


def test_clearing_counts_and_the_session_stays(store: SessionStore) -> None:
    store.create("a")
    for number in range(3):
        store.save_checkpoint("a", number)
    assert store.clear_checkpoints("a") == 3
    assert store.clear_checkpoints("a") == 0
    assert store.load("a").session_id == "a"


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


def test_two_stores_number_one_after_the_other(folder: Path) -> None:
    with SessionStore(folder) as one, SessionStore(folder) as two:
        one.create("a")
        made = [store.save_checkpoint("a", n) for n, store in enumerate((one, two, one, two))]
        assert one.checkpoints("a") == [ckpt.checkpoint_id for ckpt in reversed(made)]
        assert sorted(path.name[:8] for path in (folder / "a.checkpoints").iterdir()) == [
            f"{number:08}" for number in range(1, 5)
        ]


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
