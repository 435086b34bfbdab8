"""AsyncSessionStore has every verb of SessionStore, with its signature and its docstring."""

from __future__ import annotations

import inspect

import pytest

from localsessions import (
    AsyncSessionStore,
    SessionStore,
)

# The engine is reached through ``store``, and callbacks run in the event loop.
SYNC_ONLY, ASYNC_ONLY, OTHERWISE = {"engine"}, {"store"}, {"watch"}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_verb_is_there() -> None:
    assert public(AsyncSessionStore) - ASYNC_ONLY == public(SessionStore) - SYNC_ONLY


@pytest.mark.parametrize(
    "name", sorted({"__init__", *public(SessionStore)} - SYNC_ONLY - OTHERWISE)
)
def test_each_verb_has_the_same_signature(name: str) -> None:
    ours, theirs = (vars(kind)[name] for kind in (AsyncSessionStore, SessionStore))
    if isinstance(theirs, property):
        assert isinstance(ours, property)
        ours, theirs = ours.fget, theirs.fget
    one, other = inspect.signature(ours), inspect.signature(theirs)
    assert list(one.parameters.values()) == list(other.parameters.values())
    returned = str(one.return_annotation).replace("Async", "").replace("None]", "None, None]")
    if name != "changes":
        returned = str(one.return_annotation).replace("AsyncIterator", "Iterator")
        returned = returned.replace("AsyncStreamed", "Streamed")
    assert returned == str(other.return_annotation)


@pytest.mark.parametrize("name", sorted(public(SessionStore) - SYNC_ONLY))
def test_each_verb_has_the_docstring_of_its_twin_or_one_of_its_own(name: str) -> None:
    ours, theirs = (inspect.getdoc(vars(kind)[name]) for kind in (AsyncSessionStore, SessionStore))
    assert ours
    if name not in ("save_dir", "path", "edit", "changes", "watch", "streaming"):
        assert ours == theirs


@pytest.mark.parametrize(
    "name",
    sorted(public(SessionStore) - SYNC_ONLY - {"save_dir", "path", "edit", "changes", "streaming"}),
)
def test_each_verb_is_a_coroutine_function(name: str) -> None:
    assert inspect.iscoroutinefunction(vars(AsyncSessionStore)[name])
