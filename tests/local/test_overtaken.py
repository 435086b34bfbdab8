"""Programs that know no locks, and save in the moment in which a store writes the same session."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from localsessions import ConflictError, Session, SessionExistsError, SessionStore
from localsessions._local.files import durable

HELLO = {"role": "user", "content": "hello"}


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return what lets somebody act once, when the next version has been written and synced."""

    def arrange(act: Callable[[], object]) -> None:
        done: list[str] = []
        real = durable.write_new

        def write_new(path: str, *given: object, **named: object) -> object:
            written = real(path, *given, **named)  # type: ignore[arg-type]
            if not done and path.endswith(".tmp"):
                done.append(path)
                act()
            return written

        monkeypatch.setattr(durable, "write_new", write_new)

    return arrange


def edit(store: SessionStore, session_id: str) -> None:
    """Save a session as an editor does: a new file in the place of the old one."""
    path = Path(store.path(session_id))
    text = path.read_text("utf-8").replace('"messages"', '"title": "by hand",\n  "messages"', 1)
    path.with_suffix(".new").write_text(text, "utf-8")
    os.replace(path.with_suffix(".new"), path)


def make(store: SessionStore, session_id: str) -> None:
    Path(store.path(session_id)).write_text('{"title": "by hand"}', "utf-8")


def leftovers(store: SessionStore) -> list[str]:
    return [n for n in os.listdir(f"{store.save_dir}/.localsessions/tmp") if n.endswith(".tmp")]


def test_a_save_that_an_editor_overtakes_is_a_conflict(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    session = store.create("s")
    session.metadata["mine"] = True
    meanwhile(lambda: edit(store, "s"))
    with pytest.raises(ConflictError) as caught:
        store.save(session)
    assert caught.value.found is not None
    assert caught.value.found.title == "by hand"
    assert store.load("s").title == "by hand"
    assert leftovers(store) == []
    assert session.metadata == {"mine": True}


def test_an_append_that_an_editor_overtakes_is_added_to_what_he_saved(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    store.create("s")
    meanwhile(lambda: edit(store, "s"))
    store.append("s", HELLO)
    found = store.load("s")
    assert (found.title, [one["content"] for one in found.messages]) == ("by hand", ["hello"])


def test_an_edit_that_an_editor_overtakes_is_a_conflict(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    store.create("s")
    meanwhile(lambda: edit(store, "s"))
    with pytest.raises(ConflictError), store.edit("s") as session:
        session.title = "mine"
    assert store.load("s").title == "by hand"


def test_a_session_that_somebody_else_makes_meanwhile_exists(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    meanwhile(lambda: make(store, "s"))
    with pytest.raises(SessionExistsError):
        store.create("s")
    assert store.load("s").title == "by hand"


def test_of_many_one_that_an_editor_overtakes_is_a_conflict_and_the_others_are_stored(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    sessions = store.create_many(Session(session_id=name) for name in "abcdef")
    for session in sessions:
        session.metadata["mine"] = True
    meanwhile(lambda: edit(store, "c"))
    with pytest.raises(ExceptionGroup) as caught:
        store.save_many(sessions)
    assert [type(error) for error in caught.value.exceptions] == [ConflictError]
    assert store.load("c").title == "by hand"
    assert all(store.load(name).metadata == {"mine": True} for name in "abdef")
    assert leftovers(store) == []


def test_of_many_merged_one_that_an_editor_overtakes_has_both_changes(
    store: SessionStore, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    sessions = store.create_many(Session(session_id=name) for name in "abc")
    for session in sessions:
        session.metadata["mine"] = True
    meanwhile(lambda: edit(store, "b"))
    store.save_many(sessions, on_conflict="merge")
    found = store.load("b")
    assert (found.title, found.metadata) == ("by hand", {"mine": True})
