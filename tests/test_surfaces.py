"""One session worked on through every surface at once, and what each of them makes it grow by."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from localsessions import SessionManager, SessionStore

Start = Callable[..., "subprocess.Popen[str]"]

# Sixteen processes; agno's are the core's own where agno is not installed.
WORKERS = [
    *[("core", f"core{number}") for number in range(2)],
    *[("agno", f"agno{number}") for number in range(2)],
    *[("agentscope", f"scope{number}") for number in range(4)],
    *[("manager", f"manager{number}") for number in range(4)],
    *[("codelab", f"lab{number}") for number in range(4)],
]
COUNT = 5


def names(surface: str) -> list[str]:
    return [f"{name} {n}" for kind, name in WORKERS if kind == surface for n in range(COUNT)]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder of CodeLab's database, which the others open as it is."""
    return tmp_path / "runtime.db.sessions"


@pytest.mark.needs("agno")
def test_sixteen_processes_work_on_one_session_through_all_surfaces(
    shared: Path, start: Start
) -> None:
    with SessionStore(shared) as store:
        begin = store.last_change()
        session_id = asyncio.run(SessionManager(store).create_session("alice", "coder")).session_id
    children = [
        start("work_through.py", surface, shared, session_id, name, COUNT)
        for surface, name in WORKERS
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0] * 16

    with SessionStore(shared) as store:
        session = store.load(session_id)
        checkpoints = [
            store.load_checkpoint(session_id, one).data for one in store.checkpoints(session_id)
        ]
        told = [change.kind for change in store.changes(begin)]
    texts = [message["content"] for message in session.messages]
    switches = session.agent_context["switches"]
    assert isinstance(switches, list)

    # Messages: each once, the writer's own order kept.
    said = [*names("core"), *names("agno"), *names("codelab")]
    assert sorted(str(text) for text in texts if text in said) == sorted(said)
    for _, name in WORKERS:
        own = [str(text) for text in texts if str(text).startswith(f"{name} ")]
        assert own == sorted(own)
    answers = [f"You said: {text}" for text in names("agno")]
    assert sorted(str(text) for text in texts if text in answers) == sorted(answers)
    calls = [one["tool_call_id"] for one in session.messages if one["role"] == "tool"]
    assert sorted(map(str, calls)) == sorted(f"call {text}" for text in names("codelab"))
    assert len(texts) == len(said) + len(answers) + len(calls)
    # Runs, switches, modules, metadata, checkpoints.
    run_ids = [run["run_id"] for run in session.runs]
    assert len(run_ids) == len(set(run_ids)) == len(names("core")) + len(names("agno"))
    assert set(names("core")) <= set(run_ids)
    assert sorted(str(one["to"]) for one in switches if isinstance(one, dict)) == sorted(
        names("core")
    )
    assert sorted(session.modules) == sorted(text.replace(" ", "_") for text in names("agentscope"))
    assert set(names("manager")) <= session.metadata.keys()
    context = session.agent_context["metadata"]
    assert isinstance(context, dict)
    assert set(names("codelab")) <= context.keys()
    assert sorted(str(one["text"]) for one in checkpoints if isinstance(one, dict)) == sorted(
        names("manager")
    )
    # And the log: one change for each write, none by anybody unknown.
    assert told[0] == "created"
    assert set(told[1:]) == {"modified"}
    assert len(told) == session.revision


def size(store: SessionStore, session_id: str) -> int:
    return Path(store.path(session_id)).stat().st_size


def test_a_session_grows_by_what_is_added_to_it(folder: Path) -> None:
    """A9, R20: 30 runs of 2 KB, 100 checkpoints, 5,000 switches: linear, and apart."""
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        sizes = [size(store, "s")]
        for number in range(30):
            text = "x" * 2048
            run = {"run_id": f"run{number:02}", "status": "COMPLETED"}
            store.upsert_run("s", run, {"role": "user", "content": text})
            sizes.append(size(store, "s"))
        steps = [later - earlier for earlier, later in pairwise(sizes[1:])]
        assert max(steps) - min(steps) <= 8
        assert max(steps) < 2048 + 400

        before = size(store, "s")
        for number in range(100):
            store.save_checkpoint("s", {"number": number, "history": "y" * 1000})
        assert size(store, "s") == before

        with store.edit("s") as session:
            session.agent_context["switches"] = [
                {"from": "a", "to": "b", "reason": "its turn", "timestamp": "2026-01-01T00:00:00Z"}
                for _ in range(4998)
            ]
        almost = size(store, "s")
        store.switch_agent("s", "c", "its turn")
        store.switch_agent("s", "d", "its turn")
        assert size(store, "s") - almost < 2 * (almost - before) / 4998 + 250
        assert len(store.load("s").agent_context["switches"]) == 5000  # type: ignore[arg-type]
