"""Checkpoints: immutable snapshots beside a session, in the order of saving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conftest import NewPlace
from localsessions import SessionNotFoundError, SessionStore, UnstorableValueError


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
    made = store.save_checkpoint("a", data)
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
def test_any_json_comes_back_equal(new_place: NewPlace, data: object) -> None:
    with new_place().open() as store:
        store.create("a")
        store.save_checkpoint("a", data)
        loaded = store.load_checkpoint("a").data
        assert (loaded, repr(loaded)) == (data, repr(data))


def test_what_cannot_be_stored_leaves_nothing(store: SessionStore) -> None:
    store.create("a")
    with pytest.raises(UnstorableValueError, match="data"):
        store.save_checkpoint("a", float("inf"))
    assert store.checkpoints("a") == []


def test_a_checkpoint_of_no_session_is_refused(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError):
        store.save_checkpoint("a", 1)
    assert store.checkpoints("a") == []


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


def test_two_stores_save_one_after_the_other(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    turns = (store, other, store, other)
    made = [one.save_checkpoint("a", number) for number, one in enumerate(turns)]
    assert store.checkpoints("a") == [ckpt.checkpoint_id for ckpt in reversed(made)]
    assert other.checkpoints("a") == store.checkpoints("a")


def test_checkpoints_are_not_in_the_session_nor_in_listings(store: SessionStore) -> None:
    store.create("a")
    before = store.raw("a"), store.last_change()
    store.save_checkpoint("a", "bulky")
    assert (store.raw("a"), store.last_change()) == before
    assert store.count() == 1


def test_what_was_handed_out_is_nobody_elses(store: SessionStore) -> None:
    store.create("a")
    store.save_checkpoint("a", [1])
    found = store.load_checkpoint("a").data
    assert isinstance(found, list)
    found.append(2)
    assert store.load_checkpoint("a").data == [1]


def test_the_caller_may_choose_the_id(store: SessionStore) -> None:
    store.create("a")
    store.save_checkpoint("a", 1, checkpoint_id="first.put")
    made = store.save_checkpoint("a", 2, checkpoint_id="second")
    assert made.checkpoint_id == "second"
    assert store.checkpoints("a") == ["second", "first.put"]
    assert store.load_checkpoint("a", "first.put").data == 1
    assert store.load_checkpoint("a").data == 2


def test_an_id_that_is_taken_is_refused(store: SessionStore) -> None:
    store.create("a")
    store.save_checkpoint("a", 1, checkpoint_id="first")
    with pytest.raises(ValueError, match="already"):
        store.save_checkpoint("a", 2, checkpoint_id="first")
    store.save_checkpoint("a", 3, checkpoint_id="FIRST")
    assert store.load_checkpoint("a", "FIRST").data == 3
    assert store.load_checkpoint("a", "first").data == 1


@pytest.mark.parametrize("odd", ["", "a/b", "a:b", "con", "a" * 300])
def test_an_id_that_not_every_system_can_store_is_refused(store: SessionStore, odd: str) -> None:
    store.create("a")
    with pytest.raises(ValueError, match=r"checkpoint|session_id"):
        store.save_checkpoint("a", 2, checkpoint_id=odd)
    assert store.checkpoints("a") == []
