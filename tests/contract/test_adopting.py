"""``raw`` and ``adopt``: what is kept under an id, and another session in its place."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest

from contract.acts import edited, said, user, wait_until
from contract.places import Opener
from localsessions import (
    LockTimeoutError,
    Session,
    SessionNotFoundError,
    SessionStore,
    UnstorableValueError,
)

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def old(**fields: object) -> Session:
    """A session as another program would have had it, with times of its own."""
    times = {"created_at": PAST, "last_activity": PAST, "updated_at": PAST}
    return Session.model_validate({"session_id": "elsewhere", "revision": 7, **times, **fields})


# -- raw -----------------------------------------------------------------------------------------


def test_raw_is_the_whole_session_as_json(store: SessionStore, other: SessionStore) -> None:
    made = store.create("a", title="t", metadata={"k": [1]})
    (message,) = store.append("a", user("Привет"))
    document = json.loads(store.raw("a"))
    assert (document["session_id"], document["title"], document["metadata"]) == (
        "a",
        "t",
        {"k": [1]},
    )
    assert document["messages"] == [message]
    assert document["revision"] == made.revision + 1
    assert other.raw("a") == store.raw("a")


def test_raw_of_what_is_not_there_is_refused(store: SessionStore) -> None:
    store.create("a")
    store.delete("a")
    for name in ("a", "nobody"):
        with pytest.raises(SessionNotFoundError, match=name):
            store.raw(name)
    with pytest.raises(ValueError, match="session_id"):
        store.raw("a/b")


# -- adopt ---------------------------------------------------------------------------------------


def test_an_adopted_session_takes_the_place_with_its_own_times(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a", title="before", metadata={"k": 1})
    given: list[bytes] = []
    before = store.raw("a")

    def make(data: bytes) -> Session:
        given.append(data)
        return old(title="adopted", messages=[user("x")])

    made = store.adopt("a", make)

    assert given == [before]
    assert made is not None
    assert (made.session_id, made.title, made.revision) == ("a", "adopted", 7)
    assert made.created_at == made.last_activity == made.updated_at == PAST
    assert (made.metadata, len(made.messages)) == ({}, 1)
    assert said(other.load("a")) == said(made)
    (listed,) = other.list(fresh=True)
    assert (listed.title, listed.last_activity) == ("adopted", PAST)
    assert [hit.session.session_id for hit in store.search("adopted")] == ["a"]
    assert store.search("before") == []


def test_an_adopted_session_stands_on_what_was_written(store: SessionStore) -> None:
    store.create("a")
    made = store.adopt("a", lambda _: old())
    assert made is not None
    made.title = "changed"
    assert store.save(made).revision == 8
    assert store.load("a").title == "changed"


def test_where_nothing_is_made_everything_stays(store: SessionStore) -> None:
    store.create("a", title="t")
    before = store.raw("a"), store.last_change()
    assert store.adopt("a", lambda _: None) is None
    assert (store.raw("a"), store.last_change()) == before


def test_an_error_while_it_is_made_leaves_everything(store: SessionStore) -> None:
    store.create("a", title="t")
    before = store.raw("a"), store.last_change()

    def fail(_: bytes) -> Session:
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        store.adopt("a", fail)
    with pytest.raises(UnstorableValueError, match=r"metadata\.x"):
        store.adopt("a", lambda _: old(metadata={"x": {1, 2}}))
    assert (store.raw("a"), store.last_change()) == before
    store.append("a", user("the lock is free again"))


def test_what_is_not_there_is_not_adopted(store: SessionStore) -> None:
    def make(_: bytes) -> Session:
        raise AssertionError

    with pytest.raises(SessionNotFoundError):
        store.adopt("nobody", make)
    with pytest.raises(ValueError, match="session_id"):
        store.adopt("a/b", make)
    assert store.list(fresh=True).items == ()


def test_adopting_is_one_change(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    since = store.last_change()
    store.adopt("a", lambda _: old(title="adopted"))
    (change,) = other.changes(since)
    assert (change.session_id, change.kind, change.origin) == ("a", "modified", "another store")
    assert change.changed["title"][1] == "adopted"


def test_who_had_loaded_it_before_is_refused(store: SessionStore) -> None:
    stale = store.create("a")
    store.adopt("a", lambda _: old(title="adopted"))
    stale.title = "stale"
    with pytest.raises(Exception, match="changed by someone else"):
        store.save(stale)
    assert store.load("a").title == "adopted"


def test_it_is_made_inside_the_lock(make_store: Opener, other: SessionStore) -> None:
    store = make_store(lock_timeout=0.05)
    store.create("a")
    with edited(other, "a"), pytest.raises(LockTimeoutError):
        store.adopt("a", lambda _: old())
    inside, leave = threading.Event(), threading.Event()

    def make(_: bytes) -> Session:
        inside.set()
        leave.wait(120)
        return old(title="adopted")

    adopting = threading.Thread(target=other.adopt, args=["a", make])
    adopting.start()
    wait_until(inside.is_set)
    with pytest.raises(LockTimeoutError):
        store.append("a", user("x"))
    leave.set()
    adopting.join()
    assert (store.load("a").title, store.load("a").messages) == ("adopted", [])


def test_checkpoints_stay_with_an_adopted_session(store: SessionStore) -> None:
    store.create("a")
    saved = store.save_checkpoint("a", {"n": 1})
    store.adopt("a", lambda _: old())
    assert store.load_checkpoint("a") == saved
