"""What callers build and get has types that checkers follow: mypy reads this file, pyright too.

Each call is also made. A checker that refuses one, or finds another type, is a failure.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, assert_type

import pytest
from pydantic import JsonValue

from localsessions import (
    AsyncSessionStore,
    AsyncStreamedMessage,
    Checkpoint,
    Message,
    Session,
    SessionRun,
    SessionStore,
    StreamedMessage,
    Unfinished,
)

# -- what a caller builds ------------------------------------------------------------------------


class Call(TypedDict):
    """A type of a caller's own, as those of the SDKs are."""

    id: str
    function: dict[str, str]


class Answer(TypedDict, total=False):
    """A message of that kind."""

    role: str
    content: str | None
    tool_calls: list[Call]


def test_messages_that_were_built_in_variables_are_taken(store: SessionStore) -> None:
    question = {"role": "user", "content": "weather?"}
    function = {"name": "weather", "arguments": "{}"}
    call = {"id": "c", "type": "function", "function": function}
    calling = {"role": "assistant", "content": None, "tool_calls": [call]}
    block = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Oslo"}}
    blocks = {"role": "assistant", "content": [block]}
    part = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
    parts = {"role": "model", "parts": [part]}
    item = {"type": "function_call", "call_id": "i", "name": "weather", "arguments": "{}"}
    typed: Answer = {"role": "assistant", "tool_calls": [{"id": "d", "function": function}]}
    many: list[Mapping[str, object]] = [question, calling]
    metadata = {"tier": "free", "limits": [1, 2]}
    run = {"run_id": "r", "status": "RUNNING", "usage": {"tokens": 3}}

    store.create("a", messages=many, metadata=metadata, state=metadata)
    assert_type(store.get_or_create("a", messages=[question], state=metadata), Session)
    stored = store.append("a", question, calling, blocks, parts, item, typed, *many)
    assert_type(stored, tuple[Message, ...])
    store.upsert_run("a", run, question, typed)
    with store.streaming("a", blocks) as draft:
        draft.update({"usage": {"tokens": 3}, "tool_calls": [call]})
    assert_type(store.save_checkpoint("a", metadata), Checkpoint)
    store.context("a", typed)
    assert len(store.load("a").messages) == 2 + 8 + 2 + 1


# -- what a caller gets --------------------------------------------------------------------------


def test_what_the_verbs_return_has_these_types(store: SessionStore) -> None:
    store.create("a")
    with store.streaming("a", {"role": "assistant"}) as draft:
        assert_type(draft, StreamedMessage)
        assert_type(draft.write("hi"), None)
        assert_type(draft.run_id, str)
        assert_type(draft.message, dict[str, JsonValue])
        assert_type(draft.delayed_by, Exception | None)
    rule: Unfinished = "answer"
    assert_type(store.history("a", 3, unfinished=rule), list[Message])
    told = store.context("a", "so?", max_tokens=100, count_tokens=lambda one: len(str(one)))
    assert_type(told, list[dict[str, JsonValue]])
    runs = store.runs(status="COMPLETED")
    assert_type(runs, Sequence[SessionRun])
    assert_type(runs[0].record, Mapping[str, JsonValue])
    assert_type(runs[0].status, str | None)
    assert_type(store.tail("a", 1), tuple[Message, ...])


def test_the_awaited_verbs_return_the_same(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder) as store:
            question = {"role": "user", "content": ["hi", 1]}
            assert_type(await store.create("a"), Session)
            assert_type(await store.append("a", question), tuple[Message, ...])
            async with store.streaming("a") as draft:
                assert_type(draft, AsyncStreamedMessage)
                assert_type(await draft.write("hi"), None)
            assert_type(await store.history("a", last_runs=1), list[Message])
            assert_type(await store.context("a", "so?"), list[Message])
            assert_type(await store.runs("a"), Sequence[SessionRun])

    asyncio.run(run())


# -- the other checker ---------------------------------------------------------------------------


@pytest.mark.needs("pyright")
def test_pyright_finds_nothing_here(tmp_path: Path) -> None:
    """Strictly, as an author's editor may; the package itself is checked by mypy."""
    settings = {
        "include": [__file__],
        "typeCheckingMode": "strict",
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), "utf-8")
    checker = shutil.which("basedpyright", path=str(Path(sys.executable).parent))
    assert checker is not None
    done = subprocess.run(
        [checker, "--project", str(config), "--outputjson"], capture_output=True, encoding="utf-8"
    )
    found = json.loads(done.stdout)
    said = [(one["range"]["start"]["line"], one["message"]) for one in found["generalDiagnostics"]]
    assert said == []
    assert found["summary"]["filesAnalyzed"] == 1
