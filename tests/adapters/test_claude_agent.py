"""LocalSessionStore under Claude's Agent SDK, and beside its own InMemorySessionStore."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import needs
import pytest
from document.places import PLACES, place_of
from document.values import HALVES, JSON, KEYS, TEXTS, VALUES, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import Session, SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.document import session_id_for, speech_of

if lacking := needs.of_module("claude agent"):
    pytest.skip(lacking, allow_module_level=True)

import trio
from claude_agent_sdk import (
    InMemorySessionStore,
    fold_session_summary,
    get_session_messages_from_store,
    project_key_for_directory,
)
from claude_agent_sdk.testing import run_session_store_conformance

from localsessions.adapters.claude_agent import LocalSessionStore
from localsessions.adapters.claude_agent.entries import SHAPE

KEY: Any = {"project_key": "-home-user-project", "session_id": "s1"}
SUB: Any = {**KEY, "subpath": "subagents/agent-1"}
MAIN_ID = "s1@-home-user-project"


def entry(kind: str, content: Any, number: int = 1, **more: Any) -> Any:
    own = str(uuid.UUID(int=number))
    stamps = {"uuid": own, "timestamp": "2026-11-30T12:00:00.000Z", "sessionId": "s1"}
    return {"type": kind, **stamps, "message": {"role": kind, "content": content}, **more}


CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls", "n": 1.0}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "a.txt", "is_error": False}
ENTRIES: list[Any] = [
    entry("user", "Show the files", 1, parentUuid=None, cwd="/home/user"),
    entry("assistant", [{"type": "thinking", "thinking": "I list.", "signature": "EqQ"}], 2),
    entry("assistant", [{"type": "text", "text": "Here."}, CALL], 3),
    entry("user", [RESULT], 4, toolUseResult={"stdout": "a.txt"}),
    entry("user", [RESULT, {**RESULT, "tool_use_id": "t2"}], 5),
    entry("user", [{**RESULT, "content": [{"type": "text", "text": "x"}]}], 6),
    entry("assistant", [CALL, {"type": "text", "text": "After."}], 7),
    entry("assistant", [{"type": "text", "text": "Done."}], 8, isSidechain=True),
    {"type": "custom-title", "customTitle": "Files", "sessionId": "s1"},
    {"type": "summary", "summary": "Files", "leafUuid": "x"},
    {"type": "system", "subtype": "info", "content": "hi", "uuid": "y", "timestamp": "no time"},
    {"type": "file-history-snapshot", "snapshot": {"files": {}}, "isSnapshotUpdate": False},
]
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]) | VALUES,
        "content": VALUES | st.lists(st.sampled_from([CALL, RESULT, {"type": "text"}]) | VALUES),
        "model": TEXTS,
        "usage": VALUES,
    },
)
ODD = st.fixed_dictionaries(
    {"type": st.sampled_from(["user", "assistant", "system", "tag"]) | TEXTS},
    optional={
        "uuid": st.uuids().map(str) | st.sampled_from(["msg_1", ""]) | VALUES,
        "timestamp": st.just("2026-11-30T12:00:00Z") | VALUES,
        "message": MESSAGES | VALUES,
        "parentUuid": VALUES,
        "content": VALUES | HALVES | st.tuples(VALUES),
    },
)


@given(st.sampled_from(ENTRIES) | ODD | st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
@settings(max_examples=300)
def test_every_entry_comes_back_equal(item: Any) -> None:
    assert exactly(SHAPE.items_of(SHAPE.message_of(item))) == exactly([item])


@pytest.mark.parametrize("item", ENTRIES[:3] + ENTRIES[4:], ids=lambda item: str(item["type"]))
def test_no_text_of_an_entry_stands_twice(item: Any) -> None:
    stored = json.dumps(SHAPE.message_of(item))
    for text in ("Show the files", "I list.", "Here.", "ls", "After.", "Done.", "EqQ", "Files"):
        assert stored.count(f'"{text}"') + stored.count(f'\\"{text}\\"') <= 1


def texts_of(entries: list[Any]) -> set[str]:
    """The uuids of entries."""
    return {own for one in entries if isinstance(own := one.get("uuid"), str) and own}


def test_what_the_sdks_own_store_gives_back_ours_gives_back_or_refuses(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, durability="fast")
    numbers = iter(range(10_000))

    async def check(batches: list[list[Any]]) -> None:
        theirs, ours = InMemorySessionStore(), LocalSessionStore(store)
        key: Any = {"project_key": "p", "session_id": f"s{next(numbers)}"}
        for batch in batches:
            # Ours adds each uuid once, as the SDK asks for.
            known = texts_of(await ours.load(key) or [])
            new = []
            for one in batch:
                if not texts_of([one]) & known:
                    new.append(one)
                known |= texts_of([one])
            try:
                await ours.append(key, batch)
            except UnstorableValueError:
                continue
            if new:
                await theirs.append(key, new)
        assert exactly(await ours.load(key)) == exactly(await theirs.load(key))
        summaries = [one["data"] for one in await ours.list_session_summaries("p")]
        assert all(
            exactly(one["data"]) in map(exactly, summaries) for one in theirs._summaries.values()
        )

    @given(st.lists(st.lists(st.sampled_from(ENTRIES) | ODD, max_size=3), max_size=3))
    @settings(max_examples=40)
    def all_of_them(batches: list[list[Any]]) -> None:
        asyncio.run(check(batches))

    with store:
        all_of_them()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request.param, tmp_path)


@pytest.mark.parametrize("kind", PLACES)
def test_it_keeps_the_contract_of_the_sdk(kind: str, tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in range(100))
    asyncio.run(
        run_session_store_conformance(lambda: LocalSessionStore(place_of(kind, next(folders))))
    )


def test_a_transcript_is_there_after_a_restart_and_readable_for_everybody(place: str) -> None:
    asyncio.run(LocalSessionStore(place).append(KEY, ENTRIES))
    store = LocalSessionStore(place)
    assert asyncio.run(store.load(KEY)) == ENTRIES
    said = [speech_of(one) for one in store.store.load(MAIN_ID).messages]
    assert [one.role for one in said[:5]] == ["user", "assistant", "assistant", "tool", "user"]
    assert (said[0].text, said[1].thoughts, said[2].text) == ("Show the files", "I list.", "Here.")
    assert said[2].calls == [("t1", "Bash", '{"command": "ls", "n": 1.0}')]
    assert [(one.call_id, one.text) for one in said[3].results] == [("t1", "a.txt")]
    assert [one.role for one in said[8:]] == ["", "", "", ""]


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_it_runs_in_asyncio_and_in_trio(run: Callable[[Any], Any], tmp_path: Path) -> None:
    store = LocalSessionStore(tmp_path)
    run(store.append(KEY, ENTRIES[:2]))
    assert run(store.load(KEY)) == ENTRIES[:2]
    assert [one["session_id"] for one in run(store.list_sessions(KEY["project_key"]))] == ["s1"]


def test_a_batch_that_is_tried_again_is_there_once(place: str) -> None:
    async def twice() -> Any:
        store = LocalSessionStore(place)
        await store.append(KEY, ENTRIES[:2])
        await store.append(KEY, ENTRIES[1:3])
        await LocalSessionStore(place).append(KEY, [*ENTRIES[:4], ENTRIES[3]])
        await store.append(KEY, [ENTRIES[8]])
        await store.append(KEY, [ENTRIES[8]])  # a title has no uuid, and may be set again
        return store, await store.load(KEY)

    store, loaded = asyncio.run(twice())
    assert loaded == [*ENTRIES[:4], ENTRIES[8], ENTRIES[8]]
    assert len(store.store.load(MAIN_ID).messages) == 6


def test_a_batch_that_was_written_and_not_confirmed_is_there_once(tmp_path: Path) -> None:
    store = LocalSessionStore(tmp_path)
    append = store.store.append

    def unconfirmed(*arguments: Any, **options: Any) -> Any:
        append(*arguments, **options)
        store.store.append = append  # type: ignore[method-assign]
        raise OSError("the disk says nothing")

    asyncio.run(store.append(KEY, ENTRIES[:1]))
    store.store.append = unconfirmed  # type: ignore[method-assign]
    with pytest.raises(OSError, match="says nothing"):
        asyncio.run(store.append(KEY, ENTRIES[1:3]))
    asyncio.run(store.append(KEY, ENTRIES[1:3]))
    assert [one["id"] for one in store.store.load(MAIN_ID).messages] == [
        one["uuid"] for one in ENTRIES[:3]
    ]


def test_an_entry_that_two_processes_added_is_returned_once(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create(MAIN_ID)
        store.append(MAIN_ID, *[SHAPE.message_of(ENTRIES[0])] * 2)
        assert asyncio.run(LocalSessionStore(store).load(KEY)) == ENTRIES[:1]


def test_times_grow_with_every_write(tmp_path: Path) -> None:
    async def written() -> list[int]:
        store = LocalSessionStore(SessionStore(tmp_path, durability="fast"))
        for number in range(30):
            await store.append({**KEY, "session_id": f"s{number}"}, ENTRIES[:1])
        listed = {
            one["session_id"]: one["mtime"] for one in await store.list_sessions(KEY["project_key"])
        }
        summaries = await store.list_session_summaries(KEY["project_key"])
        assert {one["session_id"]: one["mtime"] for one in summaries} == listed
        store.store.close()
        return [listed[f"s{number}"] for number in range(30)]

    times = asyncio.run(written())
    assert times == sorted(set(times))


def test_a_summary_is_made_again_only_of_what_changed(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as opened:
        store = LocalSessionStore(opened)
        asyncio.run(store.append(KEY, ENTRIES[:1]))
        asyncio.run(store.append({**KEY, "session_id": "s2"}, ENTRIES[:1]))
        read: list[str] = []
        load = opened.load

        def counted(session_id: str, **more: Any) -> Session:
            read.append(session_id)
            return load(session_id, **more)

        opened.load = counted  # type: ignore[method-assign]
        first = asyncio.run(store.list_session_summaries(KEY["project_key"]))
        again = asyncio.run(store.list_session_summaries(KEY["project_key"]))
        assert (len(read), again) == (2, first)
        asyncio.run(LocalSessionStore(opened).append(KEY, [ENTRIES[8]]))
        read.clear()
        third = {
            one["session_id"]: one["data"]
            for one in asyncio.run(store.list_session_summaries(KEY["project_key"]))
        }
        assert read == [MAIN_ID]
    expected = fold_session_summary(None, KEY, [ENTRIES[0], ENTRIES[8]])["data"]
    assert third["s1"] == expected
    assert third["s1"]["custom_title"] == "Files"


def test_sub_agents_are_folded_and_go_with_their_transcript(place: str) -> None:
    async def one_of_two() -> Any:
        store = LocalSessionStore(place)
        for sub in ("subagents/agent-1", "subagents/Agent-1", "subagents/workflows/a"):
            await store.append({**KEY, "subpath": sub}, ENTRIES[:1])
        await store.append(KEY, ENTRIES[:2])
        return store, sorted(await store.list_subkeys(KEY))

    store, subkeys = asyncio.run(one_of_two())
    assert subkeys == ["subagents/Agent-1", "subagents/agent-1", "subagents/workflows/a"]
    assert [one.session_id for one in store.store.list(folded=True)] == [MAIN_ID]
    asyncio.run(store.delete(SUB))
    assert asyncio.run(store.load(SUB)) is None
    assert len(asyncio.run(store.list_subkeys(KEY))) == 2
    asyncio.run(store.delete(KEY))
    assert store.store.count() == 0
    assert len(store.store.trash()) == 4
    asyncio.run(store.append(KEY, ENTRIES[:1]))
    assert asyncio.run(store.load(KEY)) == ENTRIES[:1]


@pytest.mark.parametrize(
    ("project", "session"),
    [("a/b", "S1"), ("p", "s@x"), ("p@x", "s"), ("", ""), ("P", "x" * 300), ("C:\\p", "s")],
)
def test_any_key_names_a_transcript_and_is_listed(
    tmp_path: Path, project: str, session: str
) -> None:
    async def kept() -> None:
        store = LocalSessionStore(tmp_path)
        key: Any = {"project_key": project, "session_id": session}
        await store.append(key, ENTRIES[:1])
        assert await LocalSessionStore(tmp_path).load(key) == ENTRIES[:1]
        assert [one["session_id"] for one in await store.list_sessions(project)] == [session]
        assert await store.list_sessions("other") == []

    asyncio.run(kept())


def test_an_edited_message_reaches_the_model(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as opened:
        store = LocalSessionStore(opened)
        asyncio.run(store.append(KEY, ENTRIES[:4]))
        with opened.edit(MAIN_ID) as edited:
            edited.messages[0]["content"] = "Show all"
            edited.messages[2]["tool_calls"][0]["function"]["arguments"] = '{"command": "ls -a"}'  # type: ignore[index, call-overload]
            edited.messages[3]["content"] = "b.txt"
        loaded: Any = asyncio.run(store.load(KEY))
    assert loaded[0] == {**ENTRIES[0], "message": {"role": "user", "content": "Show all"}}
    assert loaded[2]["message"]["content"][1] == {**CALL, "input": {"command": "ls -a"}}
    assert loaded[3]["message"]["content"][0]["content"] == "b.txt"


def test_a_chat_of_another_program_is_a_transcript(tmp_path: Path) -> None:
    calls: Any = [
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    ]
    project = project_key_for_directory(str(tmp_path))
    own = str(uuid.UUID(int=7))
    with SessionStore(tmp_path / "store") as opened:
        opened.create(own)
        opened.append(
            own,
            {"role": "system", "content": "You are another's."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "One moment.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "t1", "content": "4"},
            {"role": "event", "other": {}},
        )
        store = LocalSessionStore(opened)
        key: Any = {"project_key": project, "session_id": own}
        asyncio.run(store.append(key, [entry("assistant", [{"type": "text", "text": "Four."}], 9)]))
        loaded: Any = asyncio.run(store.load(key))
        said = asyncio.run(get_session_messages_from_store(store, own, directory=str(tmp_path)))
        assert opened.count() == 1
    assert [one["message"] for one in loaded] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "One moment."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "4"}],
                }
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Four."}]},
    ]
    assert [one["parentUuid"] for one in loaded[:3]] == [None, loaded[0]["uuid"], loaded[1]["uuid"]]
    assert said


def test_a_cancelled_append_is_finished_first(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()
    store = LocalSessionStore(tmp_path)
    save = store.store.save

    def slow(*arguments: Any, **options: Any) -> Any:
        began.set()
        go_on.wait()
        return save(*arguments, **options)

    store.store.save = slow  # type: ignore[method-assign]

    async def cancelled() -> None:
        task = asyncio.create_task(store.append(KEY, ENTRIES[:2]))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert asyncio.run(store.load(KEY)) == ENTRIES[:2]


def test_in_trio_too_a_cancelled_append_is_finished_first(tmp_path: Path) -> None:
    store = LocalSessionStore(tmp_path)

    async def cancelled() -> None:
        with trio.move_on_after(3600) as scope:
            save = store.store.save

            def slow(*arguments: Any, **options: Any) -> Any:
                trio.from_thread.run_sync(scope.cancel)
                return save(*arguments, **options)

            store.store.save = slow  # type: ignore[method-assign]
            await store.append(KEY, ENTRIES[:2])
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught

    trio.run(cancelled)
    assert asyncio.run(store.load(KEY)) == ENTRIES[:2]


def test_a_broken_file_raises_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / f"{MAIN_ID}.json").write_text('{"messages": [')
    store = LocalSessionStore(tmp_path)
    acts: list[Callable[[], Awaitable[Any]]] = [
        lambda: store.load(KEY),
        lambda: store.append(KEY, ENTRIES[:1]),
    ]
    for act in acts:
        with pytest.raises(UnreadableSessionError):
            asyncio.run(act())  # type: ignore[arg-type]
    assert (tmp_path / f"{MAIN_ID}.json").read_text() == '{"messages": ['


def test_adding_to_a_long_transcript_reads_none_of_it(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as opened:
        store = LocalSessionStore(opened)
        asyncio.run(store.append(KEY, ENTRIES[:1]))
        opened.load = opened.edit = None  # type: ignore[method-assign, assignment]
        asyncio.run(store.append(KEY, ENTRIES[1:3]))
        assert len(opened.tail(MAIN_ID, 5)) == 3


@given(JSON, JSON)
def test_nothing_that_a_person_wrote_raises(rest: Any, content: Any) -> None:
    for role in ("user", "assistant", "tool", "event", "x"):
        SHAPE.items_of({"role": role, "content": content, "claude_agent": rest})
        SHAPE.items_of({"role": role, "content": content, "tool_calls": rest, "claude_agent": {}})


def test_without_the_sdk_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['claude_agent_sdk'] = None\n"
        "try: import localsessions.adapters.claude_agent\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "localsessions[claude-agent]"' in done.stdout


def test_ids_are_those_of_the_shared_helper() -> None:
    assert session_id_for("s1", "-home-user-project") == MAIN_ID
