"""AgnoDb under agno's own Agent: real agents, real processes, a model that repeats.

Skipped where agno is missing, but not where nothing may be skipped.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import NotOwnerError, Session, SessionStore, UnstorableValueError

if lacking := needs.of_module("agno"):
    pytest.skip(lacking, allow_module_level=True)

from agno.agent import Agent
from agno.db.base import AsyncBaseDb, BaseDb, SessionType
from agno.db.in_memory import InMemoryDb
from agno.models.message import Message
from agno.models.response import ModelResponse
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.run.team import TeamRunOutput
from agno.run.workflow import WorkflowRunOutput
from agno.session import AgentSession, TeamSession, WorkflowSession

from localsessions.adapters.agno import AgnoDb, AsyncAgnoDb
from localsessions.adapters.agno.runs import put_run

PROGRAM = Path(__file__).resolve().parent.parent / "programs" / "agno_agent.py"

Talk: TypeAlias = Callable[..., list[list[Any]]]


def parrot() -> Any:
    spec = importlib.util.spec_from_file_location("agno_agent", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Parrot()


@pytest.fixture
def db(folder: Path) -> Iterator[AgnoDb]:
    with AgnoDb(folder) as opened:
        yield opened


@pytest.fixture(autouse=True)
def agno_says_nothing(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """agno's agent logs what its database raises, and goes on: a test would not see it."""
    logger = logging.getLogger("agno")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)
    said = [one.getMessage() for one in caplog.get_records("call") if one.levelname != "DEBUG"]
    assert [one for one in said if "db" in one.lower()] == []


def agent_of(db: Any, session_id: str | None = "s", **more: Any) -> Any:
    more.setdefault("add_history_to_context", True)
    return Agent(model=parrot(), db=db, session_id=session_id, telemetry=False, **more)


def one_run(folder: Path, text: str, how: str = "run", session_id: str = "s") -> list[Any]:
    """What the model was sent, in a process of its own."""
    python = [sys.executable, "-X", "utf8", "-W", "error::ResourceWarning"]
    command = [*python, str(PROGRAM), str(folder)]
    done = subprocess.run(
        [*command, session_id, text, how], capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    sent: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    assert len(sent) == 1
    return sent[0]


def run_of(run_id: str, *said: tuple[str, str], **more: Any) -> Any:
    messages = [Message(role=role, content=content) for role, content in said]
    answers = [content for role, content in said if role == "assistant"]
    more = {"status": RunStatus.completed, "content": answers[-1] if answers else None, **more}
    return RunOutput(run_id=run_id, agent_id="a", session_id="s", messages=messages, **more)


# -- the agent ---------------------------------------------------------------------------------


def test_a_session_is_new_or_what_was_stored(db: Any) -> None:
    """A1: an unknown id has no session; a run makes it; without an id one is made."""
    assert db.get_session("s", SessionType.AGENT) is None
    agent = agent_of(db, user_id="ada")
    agent.run("hi")
    session = db.get_session("s", SessionType.AGENT, user_id="ada")
    assert isinstance(session, AgentSession)
    assert (session.session_id, session.user_id) == ("s", "ada")
    assert (session.agent_id, session.metadata, session.summary) == (agent.id, None, None)
    assert session.session_data is not None
    assert session.session_data["session_state"] == {}
    nameless = [agent_of(db, session_id=None) for _ in range(2)]
    for one in nameless:
        one.run("hi")
    assert len({one.session_id for one in nameless}) == 2
    assert db.store.count() == 3


def test_all_runs_are_restored_in_order(db: Any) -> None:
    """A2: every run with its messages; created_at is kept, updated_at moves."""
    agent = agent_of(db)
    answers = [agent.run(text) for text in ("one", "two", "three", "four", "five")]
    session: Any = db.get_session("s", SessionType.AGENT)
    assert [run.run_id for run in session.runs] == [run.run_id for run in answers]
    for restored, answered in zip(session.runs, answers, strict=True):
        assert restored.status == RunStatus.completed
        assert restored.content == answered.content
        assert restored.created_at == answered.created_at
        assert restored.input.input_content == answered.input.input_content
        own = [one for one in answered.messages if not one.from_history]
        assert [one.to_dict() for one in restored.messages] == [one.to_dict() for one in own]
    stored = db.store.load("s")
    assert all(str(one["created_at"]).endswith(".000Z") for one in stored.messages + stored.runs)
    db.upsert_session(session)
    again: Any = db.get_session("s")
    assert again.created_at == session.created_at == int(stored.created_at.timestamp())
    assert isinstance(again.updated_at, int)
    assert again.updated_at >= session.updated_at


@pytest.mark.parametrize("how", ["run", "stream", "arun", "arun-async-db"])
def test_a_chat_goes_on_in_the_next_process(folder: Path, how: str) -> None:
    """A3, A10, A12, A13: one message, then three, then five, and none is a system message."""
    assert one_run(folder, "hi", how) == [["user", "hi"]]
    second = one_run(folder, "and?", how)
    assert [role for role, _ in second] == ["user", "assistant", "user"]
    assert [text.strip() for _, text in second] == ["hi", "You said: hi", "and?"]
    assert len(one_run(folder, "more", how)) == 5
    with SessionStore(folder) as store:
        session = store.load("s")
        assert [run["status"] for run in session.runs] == ["COMPLETED"] * 3
        assert len(session.messages) == 6
        assert {one["role"] for one in session.messages} == {"user", "assistant"}
        assert store.verify() == []
        assert store.list().items[0].title == "hi"


def test_the_window_is_three_runs(db: Any) -> None:
    """A5, D11: as agno's own; measured on the sixth run."""
    agent = agent_of(db)
    for at in range(6):
        agent.run(str(at))
    assert [text for role, text in agent.model.sent[-1] if role == "user"] == ["2", "3", "4", "5"]
    core = [one["content"] for one in db.store.load("s").history() if one["role"] == "user"]
    assert core == ["3", "4", "5"]


def test_a_bounded_read_holds_the_last_runs_that_may_be_sent(db: Any) -> None:
    """A5: ``runs_limit``, as agno's own databases take it."""
    for name in "abc":
        db.upsert_run(run_of(name, ("user", name)), "s")
    db.upsert_run(run_of("d", status=RunStatus.error), "s")
    assert [run.run_id for run in db.get_session("s", runs_limit=2).runs] == ["b", "c"]
    assert db.get_session("s", runs_limit=0).runs == []
    row = db.get_session("s", deserialize=False, runs_limit=9)
    assert [run["run_id"] for run in row["runs"]] == ["a", "b", "c"]


def test_a_failed_run_is_stored_and_not_sent(db: Any) -> None:
    """A5: ERROR is in the file, with what was said, and not in the next context."""
    agent = agent_of(db)
    agent.run("one")
    agent.model.invoke = lambda **_: 1 / 0
    assert agent.run("two").status == RunStatus.error
    again = agent_of(db)
    again.run("three")
    assert [text for role, text in again.model.sent[0] if role == "user"] == ["one", "three"]
    assert [run["status"] for run in db.store.load("s").runs] == ["COMPLETED", "ERROR", "COMPLETED"]


def test_the_chat_history_of_one_process_grows(db: Any) -> None:
    """A6: as in chat_history.py, after each turn."""
    agent = agent_of(db, instructions="speak of space")
    for at in range(4):
        agent.run(str(at))
        chat = agent.get_chat_history()
        assert [one.role for one in chat] == ["user", "assistant"] * (at + 1)
    assert next(one.content for one in agent.get_chat_history(last_n_runs=1)) == "3"


def test_the_system_message_comes_once_and_first_and_is_stored_once(db: Any, folder: Path) -> None:
    """A4, A9: a prompt that was sent before is not stored again, and given back with each run."""
    agent = agent_of(db, instructions="speak of space")
    for at in range(3):
        agent.run(str(at))
    assert [role for role, _ in agent.model.sent[-1]].count("system") == 1
    assert agent.model.sent[-1][0][0] == "system"
    assert (folder / "s.json").read_text().count("speak of space") == 1
    session: Any = db.get_session("s")
    assert [[one.role for one in run.messages] for run in session.runs] == [
        ["system", "user", "assistant"]
    ] * 3
    db.delete_run(session.runs[0].run_id)
    later: Any = db.get_session("s")
    assert [one.role for one in later.runs[0].messages] == ["system", "user", "assistant"]
    assert len(later.runs) == 2


def test_a_tool_call_and_its_result_come_back(db: Any, folder: Path) -> None:
    """A5, A9: the result stands once, in its message."""
    calls = [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    answers = [ModelResponse(role="assistant", tool_calls=calls)]
    answers += [ModelResponse(role="assistant", content="It is blue.")]

    def look() -> str:
        """Look at the sky."""
        return "blue, blue, electric blue"

    agent = agent_of(db, tools=[look])
    agent.model.invoke = lambda **_: answers.pop(0)
    answered = agent.run("what colour?")
    assert answered.content == "It is blue."
    assert (folder / "s.json").read_text().count("electric blue") == 1
    session: Any = db.get_session("s")
    run = session.runs[0]
    assert [one.role for one in run.messages] == ["user", "assistant", "tool", "assistant"]
    assert run.messages[1].tool_calls == answered.messages[1].tool_calls
    assert run.tools[0].result == "blue, blue, electric blue"
    assert run.to_dict() == RunOutput.from_dict(answered.to_dict()).to_dict()


def test_state_name_and_metadata_of_a_session_are_fields_of_the_file(db: Any) -> None:
    agent = agent_of(db, session_state={"city": "Praha"}, metadata={"tier": 1})
    agent.run("hi")
    agent.set_session_name(session_id="s", session_name="Weather")
    agent.update_session_state({"seen": [1, None]}, session_id="s")
    stored = db.store.load("s")
    assert (stored.title, stored.state) == ("Weather", {"city": "Praha", "seen": [1, None]})
    assert agent_of(db).get_session_state("s") == stored.state
    assert agent_of(db).get_session_name("s") == "Weather"
    assert db.store.load("s").metadata == {"tier": 1}


def test_values_that_agno_stores_as_text_are_stored_as_text(db: Any) -> None:
    run = run_of("r", ("user", "hi"), metadata={"at": datetime(2026, 1, 1, tzinfo=UTC)})
    db.upsert_run(run, "s")
    assert db.store.load("s").runs[0]["metadata"] == {"at": "2026-01-01T00:00:00+00:00"}
    with pytest.raises(UnstorableValueError, match="runs"):
        db.upsert_run(run_of("nan", ("user", "x"), metadata={"cost": float("nan")}), "s")
    assert len(db.store.load("s").runs) == 1


# -- what others wrote -------------------------------------------------------------------------


def test_a_chat_that_another_program_wrote_is_history(db: Any, folder: Path) -> None:
    """A5: messages without a run are turns, each begun by a user."""
    db.store.create("s", title="By hand")
    db.store.append(
        "s",
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "first", "name": 3, "metadata": {"own": True}},
        {"role": "user", "content": {"any": "thing"}},
        {"role": "user", "content": [{"type": "text", "text": "parts"}]},
    )
    before = db.store.load("s").messages
    agent = agent_of(db)
    agent.run("and?")
    assert [one[1] for one in agent.model.sent[0]] == [
        "one",
        "first",
        '{"any": "thing"}',
        [{"type": "text", "text": "parts"}],
        "and?",
    ]
    assert db.store.load("s").messages[:4] == before
    assert db.store.load("s").title == "By hand"
    run = db.get_runs(session_id="s")[0]
    assert db.get_run(run.run_id).messages[0].content == "one"


def test_what_an_agent_wrote_is_an_ordinary_session(db: Any, folder: Path) -> None:
    """A10: read, searched, edited by hand, and agno follows."""
    agent_of(db).run("the sky is green")
    assert [hit.session.session_id for hit in db.store.search("green")] == ["s"]
    path = folder / "s.json"
    path.write_text(path.read_text().replace("the sky is green", "the sky is blue"))
    agent = agent_of(db)
    agent.run("so?")
    assert agent.model.sent[0][0] == ("user", "the sky is blue")
    first: Any = db.get_runs(session_id="s")[0]
    assert first.input.input_content == "the sky is blue"


def test_fields_that_agno_does_not_know_stay(db: Any) -> None:
    """A7: in the file, in a run that agno stores again, and in its messages."""
    run = run_of("r", ("user", "hi"), ("assistant", "hello"))
    db.upsert_run(run, "s")
    with db.store.edit("s") as session:
        session.extra["note"] = {"by": "hand"}
        session.runs[0]["rating"] = 5
        session.messages[1]["liked"] = True
    run.metadata = {"more": 1}
    run.messages.append(Message(role="user", content="more"))
    db.upsert_run(run, "s")
    stored = db.store.load("s")
    assert stored.extra["note"] == {"by": "hand"}
    assert (stored.runs[0]["rating"], stored.runs[0]["metadata"]) == (5, {"more": 1})
    assert [one.get("liked") for one in stored.messages] == [None, True, None]


# -- runs --------------------------------------------------------------------------------------


def test_a_run_takes_the_place_of_its_elder(db: Any) -> None:
    """A7: by run_id, in place; messages that it has no more go."""
    for name in ("a", "b"):
        db.upsert_run(run_of(name, ("user", f"{name}?"), status=RunStatus.paused), "s")
    again = run_of("a", ("user", "a?"), ("assistant", "a!"))
    again.messages[0].id = db.get_run("a").messages[0].id
    db.upsert_run(again, "s", run_index=7)
    stored = db.store.load("s")
    assert [(run["run_id"], run["status"]) for run in stored.runs] == [
        ("a", "COMPLETED"),
        ("b", "PAUSED"),
    ]
    assert [one["content"] for one in stored.messages] == ["a?", "b?", "a!"]
    again.messages.pop(0)
    db.upsert_run(again.to_dict(), "s")
    assert [one["content"] for one in db.store.load("s").messages] == ["b?", "a!"]
    with pytest.raises(ValueError, match="run_id"):
        db.upsert_run({"messages": []}, "s")


def test_two_agents_at_once_lose_nothing_of_each_other(folder: Path) -> None:
    """A7: runs of both, and the keys of state that each of them set."""

    def talk(name: str) -> None:
        with AgnoDb(folder) as db:
            agent = agent_of(db, session_state={name: 0})
            for at in range(5):
                agent.run(f"{name}{at}", session_state={name: at})

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(talk, ["x", "y", "z"]))
    with SessionStore(folder) as store:
        session = store.load("s")
    said = sorted(str(one["content"]) for one in session.messages if one["role"] == "user")
    assert said == [f"{name}{at}" for name in "xyz" for at in range(5)]
    assert len(session.runs) == 15
    assert session.state == {"x": 4, "y": 4, "z": 4}


def test_a_stale_copy_erases_nothing(db: Any) -> None:
    """A7: what others did since the copy was read stays; what the copy changed is stored."""
    agent_of(db, session_state={"kept": 1, "gone": 1, "both": 0}).run("one")
    stale: Any = db.get_session("s")
    with db.store.edit("s") as session:
        session.title, session.state["theirs"] = "Renamed", 2
        session.state["both"] = 1
        session.metadata["pin"] = True
    agent_of(db).run("two")
    state = stale.session_data["session_state"]
    state["mine"], state["both"] = 3, 2
    del state["gone"]
    db.upsert_session(stale)
    stored = db.store.load("s")
    assert stored.state == {"kept": 1, "both": 2, "theirs": 2, "mine": 3}
    assert (stored.title, stored.metadata, len(stored.runs)) == ("Renamed", {"pin": True}, 2)
    state["mine"] = 4
    db.upsert_session(stale)
    assert db.store.load("s").state["theirs"] == 2
    assert db.store.load("s").state["mine"] == 4
    with db.store.edit("s") as session:
        session.state["mine"] = 5
    db.upsert_session(stale)
    assert db.store.load("s").state["mine"] == 5


def test_a_session_under_another_id_is_a_session_of_its_own(db: Any) -> None:
    agent_of(db, session_state={"n": 1}).run("hi")
    copied = db.get_session("s")
    copied.session_id = "copy"
    row = db.upsert_session(copied, deserialize=False)
    assert (row["session_id"], row["session_data"]["session_state"]) == ("copy", {"n": 1})
    assert [run["run_id"] for run in row["runs"]] == [copied.runs[0].run_id]
    assert db.store.load("copy").messages == db.store.load("s").messages


def test_a_session_with_its_runs_is_taken_over(db: Any) -> None:
    """A7: a move from another of agno's databases is get_session there and upsert_session here."""
    other = InMemoryDb()
    agent_of(other, session_state={"n": 1}).run("hi")
    moved: Any = other.get_session("s", SessionType.AGENT)
    db.upsert_sessions([moved, None])
    taken: Any = db.get_session("s", SessionType.AGENT)
    assert [run.to_dict() for run in taken.runs] == [run.to_dict() for run in moved.runs]
    assert taken.created_at == moved.created_at
    assert taken.session_data == moved.session_data


def test_a_run_that_was_forked_off_another_keeps_its_own_copies(db: Any) -> None:
    """A7: agno gives the copies the ids of the originals; each run has its own."""
    first = run_of("a", ("user", "hi"), ("assistant", "one"))
    db.upsert_run(first, "s")
    second = run_of("b", ("user", "hi"), ("assistant", "two"))
    second.messages[0].id, second.messages[1].id = (one.id for one in first.messages)
    db.upsert_run(second, "s")
    db.upsert_run(first, "s")
    runs = db.get_session("s").runs
    assert [run.content for run in runs] == ["one", "two"]
    assert [[one.content for one in run.messages] for run in runs] == [["hi", "one"], ["hi", "two"]]


def test_history_that_a_run_stored_stands_once(db: Any, folder: Path) -> None:
    """A9: ``store_history_messages`` gives all messages back, tagged, and stores ids."""
    agent = agent_of(db, store_history_messages=True)
    answered = [agent.run(text) for text in ("alpha", "beta", "gamma")][-1]
    stored = (folder / "s.json").read_text()
    assert [stored.count(f'"{text}"') for text in ("alpha", "beta", "gamma")] == [1, 1, 1]
    session: Any = db.get_session("s")
    assert [one.to_dict() for one in session.runs[2].messages] == [
        one.to_dict() for one in answered.messages
    ]
    assert [one.from_history for one in session.runs[2].messages] == [True] * 4 + [False] * 2
    db.delete_runs([session.runs[0].run_id])
    left: Any = db.get_session("s")
    assert next(one.content for one in left.runs[1].messages) == "alpha"
    assert next(one["content"] for one in db.store.load("s").history(None)) == "beta"


def test_thirty_runs_grow_linearly_and_say_nothing_twice(db: Any, folder: Path) -> None:
    """A9: the second fifteen runs add what the first did, hardly more than they said."""
    agent = agent_of(db)
    sizes, writes = [0], [0]
    for _ in range(2):
        for at in range(15):
            agent.run(f"{len(sizes)}.{at} " + "x" * 2048)
        sizes.append((folder / "s.json").stat().st_size)
        writes.append(db.store.stats().counters["files_written"])
    first, second = sizes[1], sizes[2] - sizes[1]
    assert second < 1.05 * first
    said = 15 * 2 * 2048
    assert said < first < 1.6 * said
    assert writes[2] - writes[1] <= 2 * 15


def test_runs_are_found_filtered_and_deleted(db: Any) -> None:
    for name, status in (("a", RunStatus.completed), ("b", RunStatus.error), ("c", "RUNNING")):
        db.upsert_run(run_of(name, ("user", name), status=status, created_at=100), "s")
    db.upsert_run(run_of("d", ("user", "d"), created_at=99), "t", user_id="ada")
    names = [run.run_id for run in db.get_runs(session_id="s")]
    assert names == ["a", "b", "c"]
    rows, count = db.get_runs(limit=2, page=2, sort_by="created_at", deserialize=False)
    assert (len(rows), count) == (2, 4)
    assert [run.run_id for run in db.get_runs(status=RunStatus.error)] == ["b"]
    assert [run.run_id for run in db.get_runs(user_id="ada")] == ["d"]
    assert db.get_runs(session_id="none") == []
    assert db.get_runs(session_id="t", user_id="mallory") == []
    assert db.get_run("d", deserialize=False)["created_at"] == 99
    assert db.get_run("none") is None
    assert db.delete_run("a")
    assert not db.delete_run("a")
    assert [one["content"] for one in db.store.load("s").messages] == ["b", "c"]


def test_sessions_of_teams_and_workflows_keep_their_kind(db: Any) -> None:
    """A10: with what only they have; a team's members' runs are stored beside the team's own."""
    team = TeamSession("t", team_id="crew", team_data={"mode": "x"}, session_data={}, runs=[])
    db.upsert_session(team)
    said = [Message(role="user", content="hi"), Message(role="assistant", content="hello")]
    db.upsert_run(TeamRunOutput(run_id="r", team_id="crew", messages=said, content="hello"), "t")
    db.upsert_run(run_of("m", ("user", "hi"), parent_run_id="r"), "t")
    restored = db.get_session("t", SessionType.TEAM)
    assert isinstance(restored, TeamSession)
    assert (restored.team_id, restored.team_data) == ("crew", {"mode": "x"})
    assert [type(run).__name__ for run in restored.runs] == ["TeamRunOutput", "RunOutput"]
    assert [one.content for one in restored.get_messages()] == ["hi", "hello"]
    assert [one["content"] for one in db.store.load("t").history()] == ["hi", "hello"]
    assert isinstance(db.get_run("r"), TeamRunOutput)
    flow = WorkflowSession("w", workflow_id="flow", workflow_name="Flow", workflow_data={"n": 1})
    db.upsert_session(flow)
    db.upsert_run(WorkflowRunOutput(run_id="f", workflow_id="flow", content="done"), "w")
    again = db.get_session("w", SessionType.WORKFLOW)
    assert isinstance(again, WorkflowSession)
    assert (again.workflow_name, again.workflow_data) == ("Flow", {"n": 1})
    assert [run.content for run in again.runs] == ["done"]
    assert isinstance(db.get_run("f"), WorkflowRunOutput)
    assert [one.session_id for one in db.get_sessions(component_id="crew")] == ["t"]


def test_a_file_that_a_person_wrote_is_a_session_to_agno(db: Any, folder: Path) -> None:
    """A5: without ids, times and statuses, or with such as agno would not write."""
    written = {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1", "run_id": "x", "created_at": "yesterday"},
            {"role": "user", "content": "two", "run_id": "y", "created_at": "2026-01-01T00:00:00"},
            {"role": "assistant", "content": "2", "run_id": "z", "created_at": 7},
        ],
        "runs": [
            {"run_id": "y", "status": "paused", "same_as": {"content": "gone", "bad": 1}},
            {"run_id": "z", "created_at": 5, "message_ids": ["gone"]},
        ],
    }
    folder.mkdir(exist_ok=True)
    (folder / "s.json").write_text(json.dumps(written), encoding="utf-8")
    runs = db.get_session("s").runs
    assert [run.run_id for run in runs] == ["turn-0", "x", "y", "z"]
    assert [[one.content for one in run.messages] for run in runs] == [
        ["one"],
        ["1"],
        ["two"],
        ["2"],
    ]
    assert [run.content for run in runs] == [None, "1", None, None]
    assert (runs[2].status, runs[3].created_at) == (RunStatus.paused, 5)
    assert runs[2].messages[0].created_at == 1767225600
    assert isinstance(db.get_run("turn-0"), RunOutput)
    agent = agent_of(db)
    agent.run("three")
    assert [text for _, text in agent.model.sent[0]] == ["one", "1", "2", "three"]
    assert json.loads((folder / "s.json").read_text())["messages"][:4] == written["messages"]


def test_a_run_that_goes_on_takes_over_what_was_said_without_one(db: Any) -> None:
    """A7: nothing is doubled when agno continues a turn that no run had recorded."""
    db.store.create("s")
    db.store.append("s", {"id": "m", "role": "user", "content": "hi", "by": "hand"})
    run = db.get_session("s").runs[0]
    run.messages.append(Message(role="assistant", content="hello"))
    db.upsert_run(run, "s")
    stored = db.store.load("s")
    assert [(one["content"], one["run_id"]) for one in stored.messages] == [
        ("hi", "turn-m"),
        ("hello", "turn-m"),
    ]
    assert stored.messages[0]["by"] == "hand"


def test_a_program_that_knows_no_locks_holds_nobody_up(
    db: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A7: a file that changes inside the lock is read again, and both changes are there."""
    db.upsert_run(run_of("a", ("user", "one")), "s")
    path, edits = folder / "s.json", ["1", "2"]
    put = put_run

    def put_while_an_editor_saves(session: Session, *rest: Any) -> None:
        if edits:
            written = json.loads(path.read_text())
            written["title"] = edits.pop()
            path.write_text(json.dumps(written), encoding="utf-8")
        put(session, *rest)

    monkeypatch.setattr("localsessions.adapters.agno.database.put_run", put_while_an_editor_saves)
    db.upsert_run(run_of("b", ("user", "two")), "s")
    stored = db.store.load("s")
    assert (stored.title, [run["run_id"] for run in stored.runs]) == ("1", ["a", "b"])
    assert len(stored.messages) == 2


def test_a_run_is_cancelled_only_in_the_status_that_was_seen(db: Any) -> None:
    db.upsert_run(run_of("r", status=RunStatus.pending), "s")

    def cancel(run_id: str = "r", session_id: str = "s") -> Any:
        return db.cancel_pending_run(run_id, session_id=session_id, reason="stop")

    assert [cancel("x"), cancel(session_id="x"), cancel(), cancel()] == [False, False, True, False]
    run = db.get_run("r")
    assert (run.status, run.content) == (RunStatus.cancelled, "stop")


# -- owners ------------------------------------------------------------------------------------


def test_another_users_session_is_not_read_and_writing_it_raises(db: Any) -> None:
    """A8, D10: nothing is dropped in silence."""
    agent_of(db, user_id="ada").run("hi")
    before = Path(db.store.path("s")).read_bytes()
    assert db.get_session("s", user_id="mallory") is None
    theirs = AgentSession(session_id="s", user_id="mallory", session_data={})
    writes: list[Callable[[], object]] = [
        lambda: db.upsert_session(theirs),
        lambda: db.upsert_run(run_of("r"), "s", user_id="mallory"),
        lambda: db.rename_session("s", None, "mine", user_id="mallory"),
        lambda: db.delete_session("s", user_id="mallory"),
        lambda: db.delete_sessions(["s"], user_id="mallory"),
    ]
    for write in writes:
        with pytest.raises(NotOwnerError):
            write()
    assert Path(db.store.path("s")).read_bytes() == before
    assert db.delete_session("s", user_id="ada")
    assert not db.delete_session("s")


def test_a_session_without_an_owner_stays_everybodys(db: Any) -> None:
    """A8: unlike in agno's own, whoever writes first does not own it."""
    agent_of(db).run("hi")
    agent_of(db, user_id="ada").run("hi")
    again = agent_of(db, user_id="bob")
    again.run("hi")
    assert len(again.model.sent[0]) == 5
    assert db.store.load("s").user_id is None


def test_a_session_changes_hands_only_from_its_owner_and_when_idle(db: Any) -> None:
    """A8."""
    agent_of(db, user_id="ada").run("hi")

    def give(before: str, after: str | None, session_id: str = "s") -> Any:
        return db.reassign_session_owner(session_id, previous_user_id=before, user_id=after)

    assert [give("mallory", "bob"), give("ada", "bob", "none")] == [False, False]
    db.upsert_run(run_of("r", status=RunStatus.running), "s")
    assert not give("ada", "bob")
    db.upsert_run(run_of("r"), "s")
    assert give("ada", "bob")
    assert not give("ada", "ada")
    assert db.store.load("s").user_id == "bob"
    assert give("bob", None)
    assert db.get_session("s", user_id="mallory") is not None


# -- lists -------------------------------------------------------------------------------------


def test_sessions_are_listed_as_agno_asks(db: Any, folder: Path) -> None:
    for at, user in enumerate(["ada", "ada", "bob"]):
        row = {"session_name": f"Name {at}", "session_state": {}}
        db.upsert_session(
            AgentSession(f"s{at}", agent_id=f"a{at}", user_id=user, session_data=row, created_at=at)
        )

    def ids(**which: Any) -> list[str]:
        return [one.session_id for one in db.get_sessions(**which)]

    assert ids() == ["s0", "s1", "s2"]
    assert ids(sort_by="created_at") == ["s2", "s1", "s0"]
    assert ids(sort_by="created_at", sort_order="asc", limit=1, page=2) == ["s1"]
    assert ids(user_id="ada") == ["s0", "s1"]
    assert (
        ids(component_id="a1") == ids(component_id="a1", session_type=SessionType.AGENT) == ["s1"]
    )
    assert ids(session_name="name 2") == ids(start_timestamp=2) == ["s2"]
    assert ids(end_timestamp=0) == ["s0"]
    assert ids(session_type=SessionType.TEAM) == []
    rows, total = db.get_sessions(limit=1, deserialize=False, include_runs=False)
    assert (len(rows), total, rows[0]["runs"]) == (1, 3, None)
    renamed: Any = db.rename_session("s0", SessionType.AGENT, "New")
    assert renamed.session_data["session_name"] == db.store.load("s0").title == "New"
    assert db.rename_session("s0", SessionType.TEAM, "x") is None
    assert db.rename_session("none", None, "x") is None
    assert db.rename_session("s0", None, "x", deserialize=False)["session_type"] == "agent"


def test_a_file_that_is_no_session_is_left_out_of_lists_and_not_overwritten(
    db: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A1: reading errors are not taken for a new session."""
    agent_of(db, "good").run("hi")
    (folder / "s.json").write_text("{", encoding="utf-8")
    db.store.list(fresh=True)
    with caplog.at_level("WARNING", "localsessions"):
        assert [one.session_id for one in db.get_sessions()] == ["good"]
    assert "left out of the list" in caplog.text
    with pytest.raises(Exception, match="cannot be read"):
        agent_of(db).run("hi")
    assert (folder / "s.json").read_text() == "{"
    caplog.clear()


# -- the database itself -----------------------------------------------------------------------


def test_session_tables_are_sets_of_their_own(folder: Path) -> None:
    """A11: "sessions" is the folder itself; other names are folders in it."""
    first: Any
    second: Any
    third: Any
    with AgnoDb(folder) as first, AgnoDb(folder, session_table="others") as second:
        agent_of(first).run("one")
        agent_of(second).run("two")
        assert first.session_table_name == "sessions"
        assert first.table_exists("sessions")
        assert not first.table_exists("agno_memories")
        with AgnoDb(first.store, "others") as third:
            assert [one.session_id for one in third.get_sessions()] == ["s"]
        assert first.store.count() == second.store.count() == 1
        assert first.store.verify() == []
    assert json.loads((folder / "s.json").read_text())["messages"][0]["content"] == "one"
    assert json.loads((folder / "others" / "s.json").read_text())["messages"][0]["content"] == "two"
    for name in ("../up", ".trash", "s.checkpoints", "a b"):
        with pytest.raises(ValueError, match="session_table"):
            AgnoDb(folder, session_table=name)


def test_a_store_of_the_callers_stays_open(store: SessionStore) -> None:
    with AgnoDb(store) as db:
        agent_of(db).run("hi")
    assert store.count() == 1


def test_a_database_that_nobody_closes_is_closed_quietly(folder: Path) -> None:
    db = AgnoDb(folder)
    opened = db.store
    del db
    gc.collect()
    with pytest.raises(ValueError, match="closed"):
        opened.count()


def test_it_is_made_again_from_its_dict(folder: Path) -> None:
    with AgnoDb(folder, "others", others=InMemoryDb()) as db:
        agent_of(db).run("hi")
        told = {**db.to_dict(), "others": None}
        with AgnoDb.from_dict(told) as again:
            assert (again.id, again.session_table_name) == (db.id, "others")
            assert again.get_session("s") is not None
        awaited = AsyncAgnoDb.from_dict(told)
        assert {**awaited.to_dict(), "others": None} == told
        assert (awaited.id, awaited.session_table_name) == (db.id, "others")
        assert repr(db) == f"AgnoDb({db.store.save_dir!r})"


def test_what_is_no_session_is_refused_with_the_remedy(db: Any) -> None:
    """A10: every method that agno has and that is not here."""
    for call in (
        lambda: db.get_user_memories(user_id="ada"),
        db.get_learnings,
        db.clear_memories,
    ):
        with pytest.raises(NotImplementedError, match=r"others=SqliteDb"):
            call()
    assert isinstance(db, BaseDb)
    ours = {name for kind in AgnoDb.__mro__ if kind is not BaseDb for name in vars(kind)}
    theirs = {name for name, one in vars(BaseDb).items() if callable(one) and name[0] != "_"}
    assert theirs <= ours


def test_what_is_no_session_goes_to_the_other_database(folder: Path) -> None:
    """A10: nothing is lost: memories are kept where they were named to go."""
    others = InMemoryDb()
    with AgnoDb(folder, others=others) as db:
        db.upsert_schema_version("t", "3.0.0")
        assert db.get_latest_schema_version("t") == "3.0.0"
        assert others.get_latest_schema_version("t") == "3.0.0"


def test_the_async_database_is_awaited(folder: Path) -> None:
    """A10: agno's ``AsyncBaseDb``, sessions, runs and owners."""

    async def talk() -> Any:
        async with AsyncAgnoDb(folder) as db:
            assert isinstance(db, AsyncBaseDb)
            agent = agent_of(db, user_id="ada")
            await agent.arun("hi")
            async for _ in agent.arun("and?", stream=True):
                pass
            assert await db.get_session("s", user_id="mallory") is None
            with pytest.raises(NotOwnerError):
                await db.delete_session("s", user_id="mallory")
            with pytest.raises(NotImplementedError, match="others"):
                await db.get_user_memories()
            assert repr(db).startswith("AsyncAgnoDb(")
            return await db.get_session("s", SessionType.AGENT)

    session = asyncio.run(talk())
    assert [run.status for run in session.runs] == [RunStatus.completed] * 2
    theirs = {name for name, one in vars(AsyncBaseDb).items() if callable(one) and name[0] != "_"}
    ours = {name for kind in AsyncAgnoDb.__mro__ if kind is not AsyncBaseDb for name in vars(kind)}
    assert theirs <= ours


def test_without_agno_the_import_names_the_pip_line(folder: Path) -> None:
    code = "import sys; sys.modules['agno'] = None; import localsessions.adapters.agno"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert 'pip install "agno>=3,<4"' in done.stderr


# -- agreement with agno -----------------------------------------------------------------------

SAID = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=0, max_size=4)
STATUSES = st.sampled_from(list(RunStatus))


@given(
    st.lists(st.tuples(SAID, STATUSES, st.booleans()), max_size=5),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 8),
)
def test_the_core_sends_what_agno_sends(
    told: list[tuple[list[str], RunStatus, bool]], runs: int | None, limit: int | None
) -> None:
    """A5: the same session, asked by agno's own rules and by ``Session.history``.

    Only where every run says something; one that does not uses up a place in agno's window.
    """
    made = [
        run_of(
            f"r{at}",
            ("user", f"u{at}"),
            *((role, f"{role}{at}.{place}") for place, role in enumerate(roles)),
            status=status,
            parent_run_id="p" if is_member else None,
        )
        for at, (roles, status, is_member) in enumerate(told)
    ]
    theirs = AgentSession("s", runs=made).get_messages(
        last_n_runs=runs, limit=limit, skip_roles=["system"]
    )
    ours = Session(
        session_id="s",
        messages=[
            {"role": one.role, "content": one.content, "run_id": run.run_id}
            for run in made
            for one in run.messages
        ],
        runs=[
            {"run_id": run.run_id, "status": run.status.value, "parent_run_id": run.parent_run_id}
            for run in made
        ],
    ).history(runs, limit)
    sent = [one.content for one in theirs]
    while limit is None and sent and sent[0].startswith("tool"):
        sent.pop(0)
    assert [one["content"] for one in ours] == sent
