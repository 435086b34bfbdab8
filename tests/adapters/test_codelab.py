"""CodeLab's database and managers over the store: one session file each, and its two tables."""

from __future__ import annotations

import copy
import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters import codelab
from localsessions.adapters.codelab import (
    AgentContextManager,
    AgentType,
    Database,
    SessionManager,
    get_db,
    reset_db,
)

Start = Callable[..., "subprocess.Popen[str]"]

ASSISTANT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "agent_runtime.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
def sessions(db: Database) -> SessionManager:
    return SessionManager(db)


@pytest.fixture
def contexts(db: Database) -> AgentContextManager:
    return AgentContextManager(db)


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Read the SQLite file as another program does."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def grow_old(db: Database, session_id: str, hours: float) -> None:
    with db.edit(session_id) as session:
        session.last_activity = datetime.now(UTC) - timedelta(hours=hours)


# the database


@pytest.mark.needs("modes")
def test_it_is_made_with_its_folders_which_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1, C21: the default path is relative to the working directory; data/ is 0700."""
    monkeypatch.chdir(tmp_path)
    with Database() as db:
        SessionManager(db).create("s")
    assert (tmp_path / "data" / "agent_runtime.db").is_file()
    assert (tmp_path / "data" / "agent_runtime.db.sessions" / "s.json").is_file()
    for name in ("data", "data/agent_runtime.db", "data/agent_runtime.db.sessions"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_two_databases_in_one_directory_are_apart(tmp_path: Path) -> None:
    """C1: also where only the suffix differs."""
    with (
        Database(f"sqlite:///{tmp_path}/deep/er/a.db") as one,
        Database(f"sqlite:///{tmp_path}/deep/er/a.sqlite?timeout=5") as other,
    ):
        SessionManager(one).create("s")
        assert not SessionManager(other).exists("s")
        assert select(tmp_path / "deep/er/a.sqlite", "SELECT * FROM sessions") == []


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://h/d",
        "data/x.db",
        "",
        "sqlite:///file:x?uri=true",
    ],
)
def test_what_names_no_sqlite_file_is_refused(url: str) -> None:
    """C1: before anything is made."""
    with pytest.raises(ValueError, match="db_url"):
        Database(url)


def test_the_sessions_are_ordinary_files_of_a_store(db: Database, sessions: SessionManager) -> None:
    """C1: whatever opens the folder sees them, and what it writes is seen here."""
    sessions.create("s", "You help")
    with SessionStore(db.store.save_dir) as store:
        assert [message["content"] for message in store.load("s").messages] == ["You help"]
        store.append("s", {"role": "user", "content": "from elsewhere"})
        store.create("t")
    assert [message["content"] for message in sessions.get_history("s")] == [
        "You help",
        "from elsewhere",
    ]
    assert [state.session_id for state in sessions.all_sessions()] == ["t", "s"]


def test_the_process_has_one_database_that_managers_use_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: get_db gives one; reset_db closes it."""
    monkeypatch.chdir(tmp_path)
    reset_db()
    try:
        made: list[Database] = []
        threads = [threading.Thread(target=lambda: made.append(get_db())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(one) for one in made}) == 1
        SessionManager().create("s")
        AgentContextManager().get_or_create("s")
        assert get_db().path == str(tmp_path / "data" / "agent_runtime.db")
        reset_db()
        assert get_db() is not made[0]
        assert SessionManager().exists("s")
        assert AgentContextManager().exists("s")
    finally:
        reset_db()


def test_a_process_that_never_closes_its_database_ends_without_a_word(tmp_path: Path) -> None:
    """C3: as old callers do."""
    code = (
        "from localsessions.adapters.codelab import SessionManager\n"
        "SessionManager().create('s', 'x')"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# the two tables


def test_the_tables_say_what_the_guide_says_while_the_service_runs(
    path: Path, sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C2, D15, C21: columns as documented, filled on each write."""
    sessions.create("my-session", "You help")
    sessions.append_message("my-session", "user", "Привет \ud800")
    context = contexts.get_or_create("my-session")
    context.switch_agent(AgentType.CODER, "asked")
    context.add_metadata("k", [1])
    assert select(path, "SELECT session_id FROM sessions;") == [("my-session",)]
    assert [row[1] for row in select(path, "PRAGMA table_info(sessions)")] == [
        *("session_id", "messages", "last_activity", "created_at")
    ]
    assert [row[1] for row in select(path, "PRAGMA table_info(agent_contexts)")] == [
        *("session_id", "current_agent", "agent_history", "context_metadata"),
        *("created_at", "last_switch_at", "switch_count"),
    ]
    ((messages, active),) = select(path, "SELECT messages, last_activity FROM sessions")
    assert json.loads(messages) == sessions.get_history("my-session")
    state = sessions.get("my-session")
    assert state is not None
    assert datetime.fromisoformat(active).astimezone(UTC) == state.last_activity
    ((agent, history, metadata, count),) = select(
        path,
        "SELECT current_agent, agent_history, context_metadata, switch_count FROM agent_contexts",
    )
    assert (agent, json.loads(metadata), count) == ("coder", {"k": [1]}, 1)
    assert json.loads(history) == context.get_agent_history()
    sessions.delete("my-session")
    assert select(path, "SELECT session_id FROM sessions") == []
    assert select(path, "SELECT session_id FROM agent_contexts") == []


def dump(path: Path) -> list[tuple[Any, ...]]:
    return select(path, "SELECT * FROM sessions ORDER BY 1") + select(
        path, "SELECT * FROM agent_contexts ORDER BY 1"
    )


def fill(path: Path) -> list[tuple[Any, ...]]:
    with Database(f"sqlite:///{path}") as db:
        for name in ("a", "b", "c"):
            SessionManager(db).create(name, name)
        AgentContextManager(db).get_or_create("b").switch_agent("coder", "r")
    return dump(path)


@pytest.mark.parametrize("damage", ["removed", "empty", "no database", "torn", "a table dropped"])
def test_the_tables_are_made_anew_where_they_are_missing(path: Path, damage: str) -> None:
    """C2: derived; what was no database is moved aside, not removed."""
    expected = fill(path)
    data = path.read_bytes()
    if damage == "a table dropped":
        execute(path, "DROP TABLE sessions")
    elif damage == "removed":
        path.unlink()
    else:
        torn = {"empty": b"", "no database": b"nothing" * 999, "torn": data[:4096] + b"x" * 9000}
        path.write_bytes(torn[damage])
    with Database(f"sqlite:///{path}") as db:
        assert dump(path) == expected
        assert len(SessionManager(db).all_sessions()) == 3
    aside = list(path.parent.glob("*.damaged-*"))
    assert len(aside) == (damage in ("no database", "torn"))


def test_the_tables_follow_what_happened_while_nothing_was_open(path: Path) -> None:
    """C2: older rows are written again, rows without a file go."""
    fill(path)
    with SessionStore(f"{path}.sessions") as store:
        store.append("a", {"role": "user", "content": "later"})
        store.create("d")
        store.delete("c")
    (path.parent / "agent_runtime.db.sessions" / "b.json").unlink()
    with Database(f"sqlite:///{path}"):
        rows = dict(select(path, "SELECT session_id, messages FROM sessions"))
        assert select(path, "SELECT * FROM agent_contexts") == []
    assert set(rows) == {"a", "d"}
    assert json.loads(rows["a"])[-1] == {"role": "user", "content": "later"}


@pytest.mark.needs("open files that go")
def test_tables_that_vanish_while_the_service_runs_come_back_whole(
    path: Path, db: Database, sessions: SessionManager
) -> None:
    """C2: by the next write."""
    sessions.create("a")
    sessions.create("b")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink()
    sessions.append_message("b", "user", "x")
    assert [row[0] for row in select(path, "SELECT session_id FROM sessions")] == ["a", "b"]


def test_a_table_that_cannot_be_written_costs_no_message_and_is_mended(
    path: Path,
    sessions: SessionManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C2: the file is the truth; that the tables are behind is logged."""
    sessions.create("s")
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr("localsessions.adapters.codelab.tables._replace", fail)
        sessions.append_message("s", "user", "one")
    assert "behind the session files" in caplog.text
    assert [message["content"] for message in sessions.get_history("s")] == ["one"]
    sessions.create("t")
    ((messages,),) = select(path, "SELECT messages FROM sessions WHERE session_id = 's'")
    assert json.loads(messages) == [{"role": "user", "content": "one"}]


def test_a_locked_file_is_named_when_the_database_is_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: nothing of the former service may be passed over in silence."""
    fill(path)
    monkeypatch.setattr("localsessions.adapters.codelab.tables._PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match=r"agent_runtime\.db cannot be used: .* locked"):
            Database(f"sqlite:///{path}")


# sessions


def test_a_session_is_created_once(sessions: SessionManager) -> None:
    """C4: state, duplicate, get, exists, get_or_create; an empty prompt is none."""
    assert sessions.get("s") is None
    assert not sessions.exists("s")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    state = sessions.create("s", system_prompt="You help")
    assert (state.session_id, len(state.messages)) == ("s", 1)
    assert before <= state.last_activity <= datetime.now(UTC)
    assert state.created_at == state.last_activity
    with pytest.raises(ValueError, match="Session s already exists"):
        sessions.create("s")
    assert sessions.get_or_create("s", "another prompt").messages[0].content == "You help"
    assert sessions.create("empty", "").messages == []
    assert len(sessions.get_or_create("new", "prompt").messages) == 1
    assert sessions.exists("s")


def test_ids_that_no_file_can_have_are_unknown_and_refused(
    sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C4, C16: looking finds nothing, making is a ValueError."""
    for session_id in ("../x", "/etc/passwd", "", "a\0b", "x" * 201):
        assert sessions.get(session_id) is None
        assert not sessions.exists(session_id)
        assert not contexts.exists(session_id)
        assert sessions.get_history(session_id) == []
        sessions.delete(session_id)
        with pytest.raises(ValueError, match="not found"):
            sessions.append_message(session_id, "user", "x")
        with pytest.raises(ValueError, match="session_id"):
            sessions.create(session_id)
        with pytest.raises(ValueError, match="session_id"):
            contexts.get_or_create(session_id)
    sessions.create("Chat")
    with pytest.raises(ValueError, match="share one file"):
        sessions.create("chat")


def test_messages_are_kept_as_given_and_given_as_a_model_takes_them(
    sessions: SessionManager, db: Database
) -> None:
    """C5, D14: null content, tool calls, lists; a tool's result in its four keys."""
    sessions.create("s", "You help")
    sessions.append_message("s", "user", "Hello", name="ann")
    sessions.append_message("s", "assistant", None, tool_calls=ASSISTANT["tool_calls"])  # type: ignore[arg-type]  # JSON
    sessions.append_tool_result("s", "c1", "ls", "a.txt")
    parts: Any = [{"type": "text", "text": "look"}]
    sessions.append_message("s", "user", parts)
    assert sessions.get_history("s") == [
        {"role": "system", "content": "You help"},
        {"role": "user", "content": "Hello", "name": "ann"},
        ASSISTANT,
        {"role": "tool", "content": "a.txt", "tool_call_id": "c1", "name": "ls"},
        {"role": "user", "content": parts},
    ]
    assert db.store.load("s").messages[2]["content"] is None
    assert sessions.get_history("nobody") == []
    with pytest.raises(ValueError, match="Session nobody not found"):
        sessions.append_message("nobody", "user", "x")
    with pytest.raises(ValueError, match="Session nobody not found"):
        sessions.append_tool_result("nobody", "c", "t", "r")
    assert not sessions.exists("nobody")


def test_what_old_callers_do_to_the_list_is_stored_at_once(
    sessions: SessionManager, db: Database
) -> None:
    """C5, C8, C22: the list of a state is read from the file and written through."""
    state = sessions.create("s")
    state.messages.append(ASSISTANT)
    state.messages.extend([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    state.messages += [{"role": "user", "content": "c"}]
    state.messages.insert(0, {"role": "system", "content": "first"})
    state.messages[1]["note"] = {"at": datetime(2025, 12, 31, tzinfo=UTC)}
    state.messages[2].content = "A"
    del state.messages[3]
    assert state.messages.pop()["content"] == "c"
    with Database(db.db_url) as other:
        stored = SessionManager(other).get_history("s")
    assert stored == [
        {"role": "system", "content": "first"},
        {**ASSISTANT, "note": {"at": "2025-12-31T00:00:00.000Z"}},
        {"role": "user", "content": "A"},
    ]
    assert json.loads(json.dumps(state.messages)) == state.messages
    state.messages = state.messages[:1]
    assert sessions.get_history("s") == stored[:1]
    state.last_activity = datetime(2020, 1, 1, tzinfo=UTC)
    assert state.last_activity == datetime(2020, 1, 1, tzinfo=UTC)


def test_a_list_that_was_read_before_loses_nothing_of_others(sessions: SessionManager) -> None:
    """C5, C9: a change is done to what the file says now."""
    state = sessions.create("s")
    kept = state.messages
    sessions.append_message("s", "user", "other")
    kept.append({"role": "user", "content": "mine"})
    assert [message.content for message in kept] == ["other", "mine"]
    assert [message.content for message in state.messages] == ["other", "mine"]


def test_what_cannot_be_stored_is_refused_and_nothing_is_written(
    sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C5, C8: no error is swallowed."""
    state = sessions.create("s", "x")
    context = contexts.get_or_create("s")
    with pytest.raises(UnstorableValueError):
        state.messages.append({"role": "user", "content": {1, 2}})
    with pytest.raises(ValueError, match="role"):
        sessions.append_message("s", None, "x")  # type: ignore[arg-type]
    with pytest.raises(UnstorableValueError):
        context.add_metadata("k", object())
    assert len(state.messages) == 1
    assert context.metadata == {}


def test_messages_are_read_by_attribute_and_by_key(sessions: SessionManager) -> None:
    """C22: as the service's own unit tests do; what is not there is None as attribute."""
    sessions.create("s", "You help")
    sessions.append_tool_result("s", "c1", "ls", "out")
    state = sessions.get("s")
    assert state is not None
    system, tool = state.messages
    assert (system.role, system["role"], system.name) == ("system", "system", None)
    assert (tool.tool_call_id, tool["tool_call_id"], tool.content) == ("c1", "c1", "out")
    assert isinstance(tool, dict)
    with pytest.raises(KeyError):
        system["name"]
    with pytest.raises(AttributeError):
        system.__html__  # noqa: B018
    for made in (copy.copy(tool), copy.deepcopy(tool)):
        assert type(made) is dict
        assert made == tool


def test_all_sessions_the_last_active_first_and_delete(
    sessions: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    """C6, D4: deleting what is not there is no error; a deleted session's state says so."""
    for name in ("a", "b", "c"):
        sessions.create(name)
    sessions.append_message("b", "user", "x")
    assert [state.session_id for state in sessions.all_sessions()] == ["b", "c", "a"]
    state = sessions.get("a")
    assert state is not None
    sessions.delete("a")
    sessions.delete("a")
    assert "Cannot delete: session a not found" in caplog.text
    assert sessions.get("a") is None
    with pytest.raises(ValueError, match="Session a not found"):
        _ = state.messages
    with pytest.raises(ValueError, match="not found"):
        sessions.append_message("a", "user", "x")
    assert not sessions.exists("a")


# contexts


def test_a_context_records_each_switch(contexts: AgentContextManager) -> None:
    """C7: five agents, orchestrator first; switching to the same one is nothing."""
    assert [agent.value for agent in AgentType] == [
        *("orchestrator", "coder", "architect", "debug", "ask")
    ]
    context = contexts.get_or_create("s")
    assert context.current_agent is AgentType.ORCHESTRATOR
    assert (context.switch_count, context.last_switch_at, context.metadata) == (0, None, {})
    context.switch_agent(AgentType.CODER, "User requested coding task")
    context.switch_agent(AgentType.CODER, "again")
    context.switch_agent("debug", "a fault")
    history = context.get_agent_history()
    assert [(one["from"], one["to"], one["reason"]) for one in history] == [  # type: ignore[index, call-overload]  # JSON
        ("orchestrator", "coder", "User requested coding task"),
        ("coder", "debug", "a fault"),
    ]
    last = history[-1]["timestamp"]  # type: ignore[index, call-overload]  # JSON
    assert str(last).endswith("Z")
    assert context.last_switch_at == datetime.fromisoformat(str(last))
    assert (context.switch_count, context.current_agent.value) == (2, "debug")
    history.clear()
    assert context.switch_count == 2
    assert context.created_at <= datetime.now(UTC)
    with pytest.raises(ValueError, match="codr"):
        context.switch_agent("codr", "a typo")
    with pytest.raises(ValueError, match="codr"):
        contexts.get_or_create("t", "codr")
    assert not contexts.exists("t")


def test_metadata_is_noted_and_what_is_done_to_it_at_any_depth_is_stored(
    db: Database, contexts: AgentContextManager
) -> None:
    """C7, C8: as the service keeps calls that wait for a person."""
    context = contexts.get_or_create("s")
    context.add_metadata("project", "demo")
    if "pending" not in context.metadata:
        context.metadata["pending"] = {}
    pending = context.metadata["pending"]
    pending["c1"] = {"at": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "agent": AgentType.ASK}
    pending["c2"] = {}
    context.metadata.setdefault("log", []).append({"n": 1})
    del context.metadata["pending"]["c2"]
    with Database(db.db_url) as other:
        found = AgentContextManager(other).get("s")
        assert found is not None
        assert found.metadata == {
            "project": "demo",
            "pending": {"c1": {"at": "2025-01-02T03:04:05.000Z", "agent": "ask"}},
            "log": [{"n": 1}],
        }
        assert found.get_metadata("project") == "demo"
        assert found.get_metadata("nothing", 5) == 5
        with pytest.raises(KeyError):
            del found.metadata["nothing"]


def test_contexts_are_listed_counted_and_deleted(
    sessions: SessionManager, contexts: AgentContextManager, caplog: pytest.LogCaptureFixture
) -> None:
    """C7: the session stays when only its context is deleted."""
    sessions.create("s", "x")
    sessions.create("plain")
    assert contexts.get("s") is None
    first = contexts.get_or_create("s", AgentType.ASK)
    assert contexts.get_or_create("s", AgentType.CODER).current_agent is AgentType.ASK
    contexts.get_or_create("t")
    assert sorted(contexts.get_all_sessions()) == ["s", "t"]
    assert contexts.get_session_count() == 2
    metadata = first.metadata
    assert contexts.delete("s") is True
    assert contexts.delete("s") is False
    with pytest.raises(ValueError, match="Session s not found"):
        metadata["k"] = 1
    assert contexts.delete("t") is True
    assert "non-existent context for session s" in caplog.text
    assert sessions.exists("s")
    for look in (
        lambda: first.current_agent,
        lambda: first.switch_agent("coder", "r"),
        lambda: first.add_metadata("k", 1),
    ):
        with pytest.raises(ValueError, match="Session s not found"):
            look()
    assert contexts.get_session_count() == 0


def test_a_context_goes_with_its_session(
    sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C7, D12: no orphans."""
    sessions.create("s")
    contexts.get_or_create("s")
    sessions.delete("s")
    assert not contexts.exists("s")
    assert contexts.get_all_sessions() == []


def test_a_context_that_comes_first_is_no_session_yet_and_spoils_none(
    sessions: SessionManager, contexts: AgentContextManager, path: Path
) -> None:
    """C4, C7: the prompt of the session that follows is not lost."""
    contexts.get_or_create("s").switch_agent("coder", "r")
    assert not sessions.exists("s")
    assert sessions.all_sessions() == []
    assert select(path, "SELECT * FROM sessions") == []
    with pytest.raises(ValueError, match="not found"):
        sessions.append_message("s", "user", "x")
    sessions.delete("s")
    assert contexts.exists("s")
    assert [one.content for one in sessions.get_or_create("s", "prompt").messages] == ["prompt"]
    with pytest.raises(ValueError, match="already exists"):
        sessions.create("s")
    context = contexts.get("s")
    assert context is not None
    assert context.switch_count == 1


def test_a_context_moves_no_last_activity(
    db: Database, sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C7, C10: switching and noting put no cleanup off."""
    state = sessions.create("s")
    grow_old(db, "s", 5)
    before = state.last_activity
    context = contexts.get_or_create("s")
    context.switch_agent("coder", "r")
    context.add_metadata("k", 1)
    assert state.last_activity == before


def test_agents_of_other_frameworks_are_shown_as_they_are(
    db: Database, contexts: AgentContextManager
) -> None:
    """C7: session files are shared."""
    db.store.create("s")
    db.store.switch_agent("s", "reviewer")
    context = contexts.get("s")
    assert context is not None
    assert context.current_agent.value == "reviewer"
    assert context.current_agent == "reviewer"
    context.switch_agent(AgentType.CODER, "r")
    assert context.current_agent is AgentType.CODER


# persistence


def test_the_list_of_the_guides_test_script(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """C8, C21: created, filled, switched, restored, deleted; and "Loaded N sessions"."""
    caplog.set_level(logging.INFO, "localsessions")
    with Database(f"sqlite:///{path}") as db:
        sessions, contexts = SessionManager(db), AgentContextManager(db)
        sessions.create("test_session_123", system_prompt="You are a helpful assistant")
        sessions.append_message("test_session_123", "user", "Hello, how are you?")
        sessions.append_message("test_session_123", "assistant", "I'm doing great!")
        context = contexts.get_or_create("test_context_456")
        context.switch_agent(AgentType.CODER, "User requested coding task")
        context.add_metadata("test_key", "test_value")
    with Database(f"sqlite:///{path}") as db:
        caplog.clear()
        sessions, contexts = SessionManager(db), AgentContextManager(db)
        assert "Loaded 1 sessions from database" in caplog.messages
        assert "Loaded 1 agent contexts from database" in caplog.messages
        assert len(sessions.get_history("test_session_123")) == 3
        restored = contexts.get("test_context_456")
        assert restored is not None
        assert (restored.current_agent, restored.switch_count) == (AgentType.CODER, 1)
        assert restored.metadata == {"test_key": "test_value"}
        sessions.delete("test_session_123")
        assert contexts.delete("test_context_456")
    with Database(f"sqlite:///{path}") as db:
        assert not SessionManager(db).exists("test_session_123")
        assert not AgentContextManager(db).exists("test_context_456")


def test_a_killed_process_loses_nothing_that_it_reported(path: Path, start: Start) -> None:
    """C8: kill -9 at any time; the tables follow when the database is opened again."""
    child = start("codelab_append.py", path, "s", "w", 10_000)
    assert said(child) == "ready"
    tell(child)
    reported = [int(said(child)) for _ in range(25)]
    child.kill()
    child.wait()
    assert child.stdout is not None
    reported += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    with Database(f"sqlite:///{path}") as db:
        texts = [one["content"] for one in SessionManager(db).get_history("s")]
        context = AgentContextManager(db).get("s")
        assert context is not None
        assert texts[1 : len(reported) + 1] == [f"w {number}" for number in reported]
        assert len(texts) - 1 - len(reported) in (0, 1)
        assert context.switch_count - len(reported) in (0, 1)
        ((messages,),) = select(path, "SELECT messages FROM sessions")
        assert [one["content"] for one in json.loads(messages)] == texts


def test_processes_lose_nothing_and_each_keeps_its_order(path: Path, start: Start) -> None:
    """C9: three processes at one session: messages, metadata and switches; and the tables agree."""
    count = 20
    children = [start("codelab_append.py", path, "s", name, count) for name in ("a", "b", "c")]
    assert [said(child) for child in children] == ["ready"] * 3
    for child in children:
        tell(child)
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    with Database(f"sqlite:///{path}") as db:
        texts = [str(one["content"]) for one in SessionManager(db).get_history("s")]
        context = AgentContextManager(db).get("s")
        assert context is not None
        metadata, history = context.metadata, context.get_agent_history()
    assert texts[0] == "You help"
    assert texts.count("You help") == 1
    for name in ("a", "b", "c"):
        own = [text for text in texts if text.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(count)]
    assert len(metadata) == 3 * count
    steps = [(one["from"], one["to"]) for one in history]  # type: ignore[index, call-overload]  # JSON
    assert [step[0] for step in steps[1:]] == [step[1] for step in steps[:-1]]


def test_the_tables_hold_what_the_last_writer_wrote_without_being_opened_again(
    path: Path, db: Database, sessions: SessionManager
) -> None:
    """C2, C9: eight threads with managers and databases of their own; nothing is lost."""
    sessions.create("s")

    def write(name: str) -> None:
        with Database(db.db_url) as own:
            manager = SessionManager(own)
            for number in range(6):
                manager.append_message("s", "user", f"{name} {number}")
                sessions.append_message("s", "user", f"{name}' {number}")

    threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [str(one["content"]) for one in sessions.get_history("s")]
    assert len(texts) == 8 * 6 * 2
    for number in range(8):
        for name in (f"t{number}", f"t{number}'"):
            own = [text for text in texts if text.startswith(f"{name} ")]
            assert own == [f"{name} {at}" for at in range(6)]
    ((messages,),) = select(path, "SELECT messages FROM sessions")
    assert json.loads(messages) == sessions.get_history("s")


def test_switches_of_two_managers_are_both_kept(db: Database) -> None:
    """C9: neither knows of the other."""
    one = AgentContextManager(db).get_or_create("s")
    other = AgentContextManager(db).get_or_create("s")
    one.switch_agent("coder", "one")
    other.switch_agent("architect", "other")
    assert [item["reason"] for item in one.get_agent_history()] == ["one", "other"]  # type: ignore[index, call-overload]  # JSON
    assert one.current_agent is other.current_agent is AgentType.ARCHITECT


def test_many_threads_create_a_session_once(sessions: SessionManager) -> None:
    """C4, C9: get_or_create under a race."""
    threads = [
        threading.Thread(target=sessions.get_or_create, args=("s", f"p{number}"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions.get_history("s")) == 1


# cleaning up


def test_cleanup_goes_by_last_activity_and_open_managers_follow(
    path: Path, db: Database, sessions: SessionManager, contexts: AgentContextManager
) -> None:
    """C10: sessions are counted, contexts not; file and rows go; the trash has them."""
    for name in ("old", "young", "pinned"):
        sessions.create(name, "x")
        contexts.get_or_create(name)
    contexts.get_or_create("orphan")
    for name in ("old", "pinned", "orphan"):
        grow_old(db, name, 25)
    db.store.pin("pinned")
    state = sessions.get("old")
    assert state is not None
    assert db.cleanup_old_sessions(max_age_hours=24) == 1
    assert db.cleanup_old_sessions() == 0
    assert not sessions.exists("old")
    assert sorted(contexts.get_all_sessions()) == ["pinned", "young"]
    assert [row[0] for row in select(path, "SELECT session_id FROM sessions ORDER BY 1")] == [
        "pinned",
        "young",
    ]
    with pytest.raises(ValueError, match="not found"):
        state.messages.append({"role": "user", "content": "x"})
    assert not sessions.exists("old")
    assert {item.session_id for item in db.store.trash()} == {"old", "orphan"}
    with pytest.raises(ValueError, match="max_age"):
        db.cleanup_old_sessions(-1)


def test_cleaning_up_regularly_is_opt_in_and_survives_a_failure(
    db: Database,
    sessions: SessionManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C20: off unless switched on; hourly unless told; ends with the database."""
    assert not [one for one in threading.enumerate() if one.name == "localsessions-cleanup"]
    real = SessionStore.cleanup
    failures = [PermissionError("no")]

    def fail_once(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments, **named)

    monkeypatch.setattr(SessionStore, "cleanup", fail_once)
    sessions.create("old")
    grow_old(db, "old", 25)
    sessions.create("young")
    with db.cleanup_regularly(every=0.01):
        until(lambda: not sessions.exists("old"))
        sessions.create("later")
        grow_old(db, "later", 25)
        until(lambda: not sessions.exists("later"))
    assert sessions.exists("young")
    assert "a regular cleanup failed" in caplog.text
    db.cleanup_regularly()
    db.close()
    assert not [one for one in threading.enumerate() if one.name == "localsessions-cleanup"]
    for arguments in ({"max_age_hours": -1}, {"every": 0}):
        with pytest.raises(ValueError, match="every more than 0"):
            db.cleanup_regularly(**arguments)


# broken files and the former service's database


def test_one_broken_file_hides_no_other_and_is_not_touched(
    path: Path, db: Database, sessions: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    """C17: it is logged, told apart from a missing one, and its last good row stays."""
    sessions.create("good", "x")
    sessions.create("bad", "x")
    broken = Path(db.store.path("bad"))
    broken.write_text('{"messages": [', encoding="utf-8")
    assert [state.session_id for state in sessions.all_sessions()] == ["good"]
    assert "Session bad is left out" in caplog.text
    assert sessions.exists("bad")
    for look in (
        lambda: sessions.get("bad"),
        lambda: sessions.get_or_create("bad"),
        lambda: sessions.append_message("bad", "user", "x"),
        lambda: AgentContextManager(db).get_or_create("bad"),
    ):
        with pytest.raises(UnreadableSessionError):
            look()
    with Database(db.db_url):
        rows = select(path, "SELECT session_id FROM sessions ORDER BY 1")
    assert rows == [("bad",), ("good",)]
    assert broken.read_text(encoding="utf-8") == '{"messages": ['


# As SQLAlchemy made it for the former service.
FORMER_SCHEMA = """
CREATE TABLE sessions (session_id VARCHAR NOT NULL, messages TEXT NOT NULL,
  last_activity DATETIME NOT NULL, created_at DATETIME NOT NULL, PRIMARY KEY (session_id));
CREATE INDEX ix_sessions_last_activity ON sessions (last_activity);
CREATE TABLE agent_contexts (session_id VARCHAR NOT NULL, current_agent VARCHAR NOT NULL,
  agent_history TEXT NOT NULL, context_metadata TEXT NOT NULL, created_at DATETIME NOT NULL,
  last_switch_at DATETIME, switch_count INTEGER NOT NULL, PRIMARY KEY (session_id));
CREATE INDEX ix_agent_contexts_last_switch_at ON agent_contexts (last_switch_at);
"""
FORMER_MESSAGES = [
    {"role": "system", "content": "You help", "name": None},
    {"role": "user", "content": "Привет", "name": None},
    ASSISTANT,
    {"role": "tool", "content": "out", "tool_call_id": "c1", "name": "ls"},
]
ACTIVE = "2025-12-31 08:45:00.123456"


def former(path: Path, **messages: str) -> None:
    """Make an old database: sessions of these messages, as JSON texts."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(FORMER_SCHEMA)
        for session_id, text in messages.items():
            row = (session_id, text, ACTIVE, "2025-12-30 08:00:00.000000")
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", row)


def former_context(path: Path, session_id: str) -> None:
    switch = {"from": "orchestrator", "to": "coder", "reason": "r"}
    history = json.dumps([{**switch, "timestamp": "2025-12-31T08:44:00.5"}])
    row = (session_id, "coder", history, '{"k": 1}', "2025-12-30 08:00:00.000000", ACTIVE, 1)
    execute(path, "INSERT INTO agent_contexts VALUES (?, ?, ?, ?, ?, ?, ?)", *row)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_an_old_database_is_taken_over_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """C17, D13: messages, times and contexts; a second opening and a deletion change nothing."""
    caplog.set_level(logging.INFO, "localsessions")
    former(path, s=json.dumps(FORMER_MESSAGES), empty="[]")
    former_context(path, "s")
    former_context(path, "only-a-context")
    with Database(f"sqlite:///{path}") as db:
        assert "Took over 3 sessions of the former service" in caplog.text
        sessions, contexts = SessionManager(db), AgentContextManager(db)
        assert sorted(state.session_id for state in sessions.all_sessions()) == ["empty", "s"]
        stored = db.store.load("s")
        assert stored.messages == FORMER_MESSAGES
        assert sessions.get_history("s")[0] == {"role": "system", "content": "You help"}
        assert stored.last_activity == local(ACTIVE)
        assert stored.created_at == local("2025-12-30 08:00:00.000000")
        context = contexts.get("s")
        assert context is not None
        assert (context.current_agent, context.switch_count) == (AgentType.CODER, 1)
        assert context.metadata == {"k": 1}
        assert context.last_switch_at == local(ACTIVE)
        assert contexts.exists("only-a-context")
        assert not sessions.exists("only-a-context")
        assert len(select(path, "SELECT * FROM sessions")) == 2
        sessions.delete("empty")
        sessions.append_message("s", "user", "later")
        before = Path(db.store.path("s")).read_bytes()
    caplog.clear()
    with Database(f"sqlite:///{path}") as db:
        assert not SessionManager(db).exists("empty")
        assert Path(db.store.path("s")).read_bytes() == before
        assert db.store.count() == 2
    assert "Took over" not in caplog.text


def test_what_is_not_understood_stays_and_hides_no_other(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """C17: nothing of the old database is lost, not even what is broken there."""
    bad = {"torn": '[{"role": ', "object": "{}", "no role": '[{"content": "x"}]', "nan": "[NaN]"}
    deep = "[" * 100_000
    former(path, good="[]", deep=deep, **bad)
    execute(path, "INSERT INTO sessions VALUES ('time', '[]', 'yesterday', 'x')")
    for _ in range(2):
        with Database(f"sqlite:///{path}") as db:
            sessions = SessionManager(db)
            assert [state.session_id for state in sessions.all_sessions()] == ["good"]
            assert caplog.text.count("is not understood and stays") == 6
            caplog.clear()
    with Database(f"sqlite:///{path}") as db:
        SessionManager(db).create("torn", "new")
    rows = dict(select(path, "SELECT session_id, messages FROM sessions"))
    assert rows == {**bad, "good": "[]", "deep": deep, "time": "[]"}


def test_odd_switches_of_the_former_service_are_kept_as_they_are(path: Path) -> None:
    """C17, D13: records without a time, or with one that is none."""
    former(path, s="[]", bad="[]")
    odd = [{"to": "x"}, {"timestamp": "soon"}]
    former_context(path, "s")
    former_context(path, "bad")
    execute(path, "UPDATE agent_contexts SET agent_history = ?", json.dumps(odd))
    execute(path, "UPDATE agent_contexts SET agent_history = '{}' WHERE session_id = 'bad'")
    with Database(f"sqlite:///{path}") as db:
        assert db.store.load("s").agent_context["switches"] == odd
        assert [state.session_id for state in SessionManager(db).all_sessions()] == ["s"]
    assert select(path, "SELECT agent_history FROM agent_contexts WHERE session_id = 'bad'") == [
        ("{}",)
    ]


def test_a_context_that_a_person_wrote_reaches_the_tables(db: Database, path: Path) -> None:
    """C2: times that are none, or of the first day of all."""
    text = """{"created_at": "0001-01-01T00:00:00Z", "last_activity": "9999-12-31T23:59:59Z",
      "agent_context": {"current_agent": "ask", "created_at": 5, "last_switch_at": "soon"}}"""
    Path(db.store.save_dir, "s.json").write_text(text, encoding="utf-8")
    with Database(db.db_url):
        assert len(select(path, "SELECT * FROM sessions")) == 1
        ((agent, switched_at),) = select(
            path, "SELECT current_agent, last_switch_at FROM agent_contexts"
        )
    assert (agent, switched_at) == ("ask", None)


def test_names_that_no_file_can_have_are_kept_under_others(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """C17, D13: paths, and ids that differ by letter case only."""
    texts = {
        name: json.dumps([{"role": "user", "content": name}]) for name in ("a/b", "Chat", "chat")
    }
    former(path, **texts)
    for _ in range(2):
        with Database(f"sqlite:///{path}") as db:
            histories = [
                SessionManager(db).get_history(state.session_id)
                for state in SessionManager(db).all_sessions()
            ]
            assert sorted(str(history[0]["content"]) for history in histories) == sorted(texts)
            assert len(select(path, "SELECT * FROM sessions")) == 3
            ids = [one.session_id for one in db.summaries()]
            assert len([one for one in ids if one.startswith("a%2Fb.")]) == 1
            metadata = [db.store.load(one).metadata for one in ids]
            assert {"codelab_session_id": "a/b"} in metadata
    assert "could not have that name here" in caplog.text


def test_what_the_former_service_wrote_since_is_taken_over_too(path: Path) -> None:
    """C17, D13: going back to it for a while loses nothing on either side."""
    former(path, same="[]", ahead="[]", apart="[]", behind="[]")
    with Database(f"sqlite:///{path}") as db:
        for name in ("apart", "behind"):
            SessionManager(db).append_message(name, "user", "here")

    def written(name: str, *texts: str) -> None:
        messages = json.dumps([{"role": "user", "content": text, "name": None} for text in texts])
        execute(path, "UPDATE sessions SET messages = ? WHERE session_id = ?", messages, name)

    written("ahead", "there")
    written("apart", "there")
    written("behind")
    row = ("new", '[{"role": "user", "content": "new"}]', ACTIVE, ACTIVE)
    execute(path, "INSERT INTO sessions VALUES (?, ?, ?, ?)", *row)
    for _ in range(2):
        with Database(f"sqlite:///{path}") as db:
            sessions = SessionManager(db)
            found = {
                state.session_id: [message.content for message in state.messages]
                for state in sessions.all_sessions()
            }
        beside = [name for name in found if name.startswith("apart.")]
        assert len(beside) == 1
        assert found.pop(beside[0]) == ["there"]
        assert found == {
            "same": [],
            "ahead": ["there"],
            "apart": ["here"],
            "behind": ["here"],
            "new": ["new"],
        }


def test_processes_take_an_old_database_over_together(path: Path, start: Start) -> None:
    """C9, C17: each session once."""
    former(path, **{f"s{n}": json.dumps(FORMER_MESSAGES) for n in range(20)})
    children = [start("codelab_append.py", path, "s0", name, 1) for name in ("a", "b", "c")]
    for child in children:
        child.communicate("\n", timeout=120)
        assert child.returncode == 0
    with Database(f"sqlite:///{path}") as db:
        assert len(SessionManager(db).all_sessions()) == 20
        assert len(SessionManager(db).get_history("s0")) == len(FORMER_MESSAGES) + 3


# speed


def test_a_list_opens_no_session_file_and_an_append_reads_one(
    db: Database, sessions: SessionManager
) -> None:
    """C18: counts, not times: the work does not grow with the other sessions."""
    for number in range(50):
        sessions.create(f"s{number}", "x" * 1000)
    before = db.store.stats().counters["files_read"]
    assert len(sessions.all_sessions()) == 50
    assert db.store.stats().counters["files_read"] == before
    written = db.store.stats().counters["files_written"]
    sessions.append_message("s0", "user", "x")
    after = db.store.stats().counters
    assert after["files_written"] == written + 1
    assert after["files_read"] - before <= 4


@pytest.mark.needs("fork")
def test_a_forked_child_writes_too(path: Path, db: Database, sessions: SessionManager) -> None:
    """C9: a connection is no child's to use."""
    sessions.create("s")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sessions.append_message("s", "user", "child")
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    sessions.append_message("s", "user", "parent")
    ((messages,),) = select(path, "SELECT messages FROM sessions")
    assert [one["content"] for one in json.loads(messages)] == ["child", "parent"]


def test_the_face_is_sorted_and_each_name_is_there() -> None:
    assert codelab.__all__ == sorted(codelab.__all__)
    assert all(hasattr(codelab, name) for name in codelab.__all__)
