"""The files that agentscope itself wrote are loaded, and taken over when they are saved."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localsessions import Session, SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.agentscope import JSONSession, StateModule, plain_files

WRITTEN_AT = datetime(2025, 12, 31, 8, 40, tzinfo=UTC)
AGENT = {"name": "Friday", "memory": {"content": [["Покажи", []]]}, "_sys_prompt": "You help."}


class Agent(StateModule):
    """A module whose state is whatever it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        self.state = state_dict


@pytest.fixture
def session(folder: Path) -> Iterator[JSONSession]:
    folder.mkdir()
    made = JSONSession(save_dir=folder, strict=True)
    yield made
    made.close()


def write_plain(path: Path, states: dict[str, Any]) -> None:
    """Write as agentscope 1.0.12 and later does."""
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(json.dumps(states, ensure_ascii=False))
    os.utime(path, (WRITTEN_AT.timestamp(),) * 2)


def loaded(session: JSONSession, *names: str) -> dict[str, Any]:
    agents = {name: Agent() for name in names}
    asyncio.run(session.load_session_state("s", False, **agents))
    return {name: agent.state for name, agent in agents.items()}


def save(session: JSONSession, **states: Any) -> None:
    agents: dict[str, Any] = {}
    for name, state in states.items():
        agents[name] = Agent()
        agents[name].state = state
    asyncio.run(session.save_session_state("s", **agents))


# Names of modules: what is no field of a session, what is one and an object, what is one and not.
PLAIN: dict[str, dict[str, Any]] = {
    "names of their own": {"friday_of_user": AGENT, "memory": {"content": []}},
    "names of our objects": {"state": {"a": 1}, "metadata": {}, "agent_context": {"b": 2}},
    "names of our other fields": {"messages": {"content": []}, "title": {}, "format": AGENT},
    "every name of ours": {name: {"n": name} for name in Session.model_fields},
    "a module called modules": {"modules": {"deep": {"x": 1}}, "friday": AGENT},
    "only a module called modules": {"modules": {"name": "Friday", "deep": {"x": 1}}},
    "one that makes our agent_context wrong": {"agent_context": {"current_agent": {}}},
    "an empty state": {"friday": {}},
    "a lone surrogate": {"friday": {"text": "half \ud83d of a pair"}},
    "large and odd numbers": {"friday": {"n": [2**90, -0.0, 1e300]}},
}


@pytest.mark.parametrize("states", PLAIN.values(), ids=PLAIN)
def test_a_plain_file_is_loaded_as_it_is_and_stays(
    folder: Path, session: JSONSession, states: dict[str, Any]
) -> None:
    """S18, D13: loading changes no file."""
    states = {name: state for name, state in states.items() if name != "session_id"}
    write_plain(folder / "s.json", states)
    before = (folder / "s.json").read_bytes()
    assert loaded(session, *states) == states
    assert (folder / "s.json").read_bytes() == before
    assert (folder / "s.json").stat().st_mtime == WRITTEN_AT.timestamp()


@pytest.mark.parametrize("states", PLAIN.values(), ids=PLAIN)
def test_a_plain_file_becomes_a_session_with_all_its_modules_when_it_is_saved(
    folder: Path, session: JSONSession, states: dict[str, Any]
) -> None:
    """S18, D13: by one save of one other module; nothing is lost."""
    write_plain(folder / "s.json", states)
    save(session, new={"v": 1})
    with SessionStore(folder) as store:
        found = store.load("s")
        assert [each.session_id for each in store.list()] == ["s"]
        assert store.verify() == []
    assert found.modules == {**states, "new": {"v": 1}}
    assert (found.state, found.metadata, found.agent_context, found.extra) == ({}, {}, {}, {})
    assert (found.created_at, found.title, found.messages) == (WRITTEN_AT, None, [])
    assert json.loads((folder / "s.json").read_text("utf-8"))["format"] == "localsessions/1"
    assert loaded(session, "new") == {"new": {"v": 1}}


def test_a_plain_file_is_taken_over_by_one_write(folder: Path, session: JSONSession) -> None:
    """S18, D13: a reader sees the plain file or the session with all modules, nothing between."""
    for states in (PLAIN["names of their own"], PLAIN["names of our other fields"]):
        write_plain(folder / "s.json", states)
        assert session._store().stats().counters["files_written"] in (0, 1)
        written = session._store().stats().counters["files_written"]
        save(session, new={"v": 1})
        assert session._store().stats().counters["files_written"] == written + 1


def test_the_watchers_of_the_store_are_told_of_the_taking_over(
    folder: Path, session: JSONSession
) -> None:
    """S18: a file that the store could not read is readable now."""
    write_plain(folder / "s.json", {"messages": {"content": []}})
    with SessionStore(folder) as store:
        assert [each.status for each in store.list(fresh=True)] == ["unreadable"]
        number = store.last_change()
        save(session, new={"v": 1})
        write_plain(folder / "t.json", {"title": {}})  # nobody has looked at this one
        asyncio.run(session.save_session_state("t", new=Agent()))
        kinds = [(change.session_id, change.kind) for change in store.changes(since=number)]
        # A file that is younger than the clock's grain is logged as found and as written.
        assert list(dict.fromkeys(kinds)) in (
            [("s", "readable"), ("t", "created"), ("t", "modified")],
            [("s", "readable"), ("s", "modified"), ("t", "created"), ("t", "modified")],
        )
        assert [each.status for each in store.list()] == ["active", "active"]


def test_an_unseen_plain_file_is_taken_over_with_an_index_that_is_complete(
    folder: Path, session: JSONSession
) -> None:
    """S18: the file came after the last look at the folder."""
    with SessionStore(folder) as store:
        store.list(fresh=True)
    for states in (PLAIN["names of our other fields"], PLAIN["names of their own"]):
        write_plain(folder / "s.json", states)
        save(session, new={"v": 1})
    with SessionStore(folder) as store:
        assert store.verify() == []


SESSIONS: dict[str, dict[str, Any]] = {
    "written for this adapter": {"modules": {"friday": AGENT}},
    "with other objects": {"modules": {"friday": AGENT}, "metadata": {"tier": "premium"}},
    "with messages": {"messages": [], "modules": {"friday": AGENT}, "later": {"x": 1}},
    "with a title": {"title": "A chat", "friday": {"x": 1}, "modules": {"friday": AGENT}},
}


@pytest.mark.parametrize("document", SESSIONS.values(), ids=SESSIONS)
def test_a_session_that_a_person_wrote_is_not_taken_for_a_plain_file(
    folder: Path, session: JSONSession, document: dict[str, Any]
) -> None:
    """D13: what a person wrote needs no format; its fields stay where they stand."""
    (folder / "s.json").write_text(json.dumps(document), encoding="utf-8")
    assert loaded(session, "friday") == {"friday": AGENT}
    save(session, new={"v": 1})
    written = json.loads((folder / "s.json").read_text("utf-8"))
    assert written["modules"] == {"friday": AGENT, "new": {"v": 1}}
    assert {**written, **document, "modules": written["modules"]} == written


@pytest.mark.parametrize(
    "broken",
    [
        b'{"messages": {"a": 1}, "messages": {"a": 2}}',
        b'{"messages": {"a": NaN}}',
        b'{"messages": {"a": 1}, "friday": "a text"}',
        b'{"messages": {"a": 1}',
        b'{"friday": {"text": "\xff"}}',
    ],
    ids=["a key twice", "NaN", "a state that is no object", "torn", "no UTF-8 at all"],
)
def test_what_is_no_file_of_agentscope_either_is_an_error_and_stays(
    folder: Path, session: JSONSession, broken: bytes
) -> None:
    """S15, D13: with the place, and never overwritten."""
    (folder / "s.json").write_bytes(broken)
    with pytest.raises(UnreadableSessionError):
        loaded(session, "friday")
    with pytest.raises(UnreadableSessionError):
        save(session, friday={"v": 1})
    assert (folder / "s.json").read_bytes() == broken


def test_a_state_that_cannot_be_stored_leaves_the_plain_file_as_it_is(
    folder: Path, session: JSONSession
) -> None:
    """S15, D13: refused before the disk is touched."""
    write_plain(folder / "s.json", {"messages": {"a": 1}})
    before = (folder / "s.json").read_bytes()
    with pytest.raises(UnstorableValueError):
        save(session, friday={"v": float("nan")})
    assert (folder / "s.json").read_bytes() == before


def test_agentscope_may_write_its_own_file_between_any_two_saves(
    folder: Path, session: JSONSession
) -> None:
    """D13: whole and plain again; what it wrote counts."""
    save(session, friday={"v": 1})
    write_plain(folder / "s.json", {"friday": {"v": 2}, "title": {"v": 3}})
    assert loaded(session, "friday", "title") == {"friday": {"v": 2}, "title": {"v": 3}}
    save(session, monday={"v": 4})
    assert loaded(session, "friday", "title", "monday") == {
        "friday": {"v": 2},
        "title": {"v": 3},
        "monday": {"v": 4},
    }


@pytest.mark.parametrize("name", ["title", "friday"])
def test_a_plain_file_that_goes_before_it_is_taken_over_is_made_anew(
    folder: Path, session: JSONSession, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """D13: somebody deletes it at the worst moment; the save is not lost."""
    write_plain(folder / "s.json", {name: {"v": 1}})
    take_over = plain_files.take_over

    def take_over_too_late(*arguments: Any) -> Any:
        (folder / "s.json").unlink(missing_ok=True)
        return take_over(*arguments)

    monkeypatch.setattr(
        "localsessions.adapters.agentscope.json_session.take_over", take_over_too_late
    )
    save(session, new={"v": 2})
    assert loaded(session, "new") == {"new": {"v": 2}}
