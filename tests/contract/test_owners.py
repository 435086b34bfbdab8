"""Whose a session is: verbs on behalf of a user refuse another user's session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest
from pydantic import JsonValue

from contract.places import Place
from localsessions import NotOwnerError, SessionNotFoundError, SessionStore

Act: TypeAlias = Callable[[SessionStore, str | None], object]


def edit(store: SessionStore, user_id: str | None) -> object:
    with store.edit("s", user_id=user_id) as session:
        session.title = "edited"
    return session


def stream(store: SessionStore, user_id: str | None) -> object:
    with store.streaming("s", user_id=user_id) as draft:
        draft.write("hi")
    return draft.message


ACTS: dict[str, Act] = {
    "load": lambda store, user_id: store.load("s", user_id=user_id),
    "edit": edit,
    "append": lambda store, user_id: store.append("s", {"role": "user"}, user_id=user_id),
    "upsert_run": lambda store, user_id: store.upsert_run("s", {"run_id": "r"}, user_id=user_id),
    "streaming": stream,
    "runs": lambda store, user_id: store.runs("s", user_id=user_id),
    "history": lambda store, user_id: store.history("s", 1, user_id=user_id),
    "context": lambda store, user_id: store.context("s", user_id=user_id),
    "delete": lambda store, user_id: store.delete("s", user_id=user_id),
}


@pytest.mark.parametrize("name", ACTS)
def test_another_users_session_is_refused_and_nothing_is_written(
    store: SessionStore, name: str
) -> None:
    """A8, D10: each raises, and the session is the same."""
    store.create("s", user_id="ada")
    before = store.raw("s")
    with pytest.raises(NotOwnerError) as caught:
        ACTS[name](store, "mallory")
    assert (caught.value.session_id, caught.value.user_id) == ("s", "mallory")
    assert isinstance(caught.value, PermissionError)
    assert store.raw("s") == before
    assert store.trash() == []


@pytest.mark.parametrize("user_id", ["ada", None])
@pytest.mark.parametrize("name", ACTS)
def test_the_owner_and_whoever_names_nobody_may(
    store: SessionStore, name: str, user_id: str | None
) -> None:
    """A8: None does not restrict."""
    store.create("s", user_id="ada")
    ACTS[name](store, user_id)
    found = store.get("s")
    assert found is None if name == "delete" else found is not None and found.user_id == "ada"


def test_another_users_session_is_not_there_for_get(store: SessionStore) -> None:
    """A8."""
    store.create("s", user_id="ada")
    assert store.get("s", user_id="mallory") is None
    assert store.get("s", user_id="ada") == store.get("s") == store.load("s")


@pytest.mark.parametrize("name", ACTS)
def test_a_session_without_an_owner_is_everybodys_and_stays_so(
    store: SessionStore, name: str
) -> None:
    """A8: nobody becomes an owner by writing."""
    store.create("s")
    ACTS[name](store, "ada")
    ACTS["load" if name == "delete" else name](store, "bob") if store.get("s") else None
    found = store.get("s", user_id="mallory")
    assert found is None if name == "delete" else found is not None and found.user_id is None


def test_the_owner_is_looked_at_inside_the_lock(store: SessionStore, other: SessionStore) -> None:
    """D10: a session that changed hands just now is not written by the former owner."""
    store.create("s", user_id="ada")
    stale = store.load("s", user_id="ada")
    with other.edit("s") as session:
        session.user_id = "bob"
    with pytest.raises(NotOwnerError):
        store.append("s", {"role": "user"}, user_id="ada")
    assert stale.user_id == "ada"
    assert store.load("s").messages == []


def test_a_missing_session_is_missing_whoever_asks(store: SessionStore) -> None:
    assert store.get("s", user_id="ada") is None
    assert not store.delete("s", user_id="ada")
    with pytest.raises(SessionNotFoundError):
        store.load("s", user_id="ada")


def test_awaiting_it_refuses_the_same(store: SessionStore, place: Place) -> None:
    """A8, D10: in the async store."""
    store.create("s", user_id="ada")

    async def refused() -> int:
        count = 0
        async with place.open_async() as other:
            assert await other.get("s", user_id="mallory") is None
            for verb in (
                lambda: other.load("s", user_id="mallory"),
                lambda: other.append("s", {"role": "user"}, user_id="mallory"),
                lambda: other.upsert_run("s", {"run_id": "r"}, user_id="mallory"),
                lambda: other.delete("s", user_id="mallory"),
            ):
                with pytest.raises(NotOwnerError):
                    await verb()
                count += 1
            with pytest.raises(NotOwnerError):
                async with other.edit("s", user_id="mallory"):
                    raise AssertionError
        return count

    assert asyncio.run(refused()) == 4


# -- runs that are put again -------------------------------------------------------------------


def test_a_run_that_is_put_again_doubles_no_message(store: SessionStore) -> None:
    """A7: replace by run_id in place; a message by its id."""
    store.create("s")
    question = {"id": "m1", "role": "user", "content": "hi"}
    store.upsert_run("s", {"run_id": "a", "status": "RUNNING"}, question)
    store.upsert_run("s", {"run_id": "b"}, {"id": "m1", "role": "user", "content": "other"})
    answer = {"id": "m2", "role": "assistant", "content": "hello"}
    done: dict[str, JsonValue] = {"run_id": "a", "status": "COMPLETED", "any": [{"json": 1.5}]}
    store.upsert_run("s", done, question, answer)
    again = store.raw("s")
    store.upsert_run("s", done, question, answer)
    assert store.raw("s") == again
    session = store.load("s")
    assert [run["run_id"] for run in session.runs] == ["a", "b"]
    assert session.runs[0] == done
    assert [(one["run_id"], one["id"], one["content"]) for one in session.messages] == [
        ("a", "m1", "hi"),
        ("b", "m1", "other"),
        ("a", "m2", "hello"),
    ]


def test_two_writers_of_runs_lose_nothing(store: SessionStore, other: SessionStore) -> None:
    """A7: a stale copy erases nothing, since no copy is written."""
    store.create("s")
    for at in range(5):
        store.upsert_run("s", {"run_id": f"a{at}"}, {"role": "user", "content": "x"})
        other.upsert_run("s", {"run_id": f"b{at}"}, {"role": "user", "content": "y"})
    session = store.load("s")
    assert len(session.runs) == len(session.messages) == 10
