"""LocalSession under OpenAI's Agents SDK, and beside its own SQLiteSession."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import needs
import pytest
from document.places import PLACES, place_of
from document.values import HALVES, KEYS, TEXTS, VALUES, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.document import session_id_for, speech_of

if lacking := needs.of_module("openai agents"):
    pytest.skip(lacking, allow_module_level=True)

from agents import SQLiteSession
from agents.memory import OpenAIResponsesCompactionSession, Session

from localsessions.adapters.openai_agents import LocalSession
from localsessions.adapters.openai_agents.items import SHAPE

CALL: Any = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "weather",
    "arguments": '{"city": "Oslo"}',
    "status": "completed",
}
OUTPUT: Any = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
ANSWER: Any = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It is sunny.", "annotations": [], "logprobs": []}],
}
REASONING: Any = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "I ask the tool."}],
    "encrypted_content": "gAAA",
}
ITEMS: list[Any] = [
    {"role": "user", "content": "How is the weather?"},
    {"role": "user", "content": [{"type": "input_text", "text": "Look"}, {"type": "input_image"}]},
    {"role": "system", "content": "Be brief."},
    {"type": "message", "role": "user", "content": "typed"},
    REASONING,
    {**REASONING, "summary": []},
    CALL,
    OUTPUT,
    {**OUTPUT, "output": [{"type": "input_text", "text": "sunny"}]},
    ANSWER,
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin", "id": "x"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
    {"type": "computer_call", "call_id": "c3", "action": {"type": "click", "x": 1.5}, "id": "cu"},
    {"type": "computer_call_output", "call_id": "c3", "output": {"type": "computer_screenshot"}},
    {"type": "apply_patch_call", "call_id": "c4", "operation": {"type": "create_file"}},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "Oslo"}},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
]
ODD = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([one["type"] for one in ITEMS if "type" in one]) | VALUES,
        "role": st.sampled_from(["user", "assistant", "tool", "event"]) | VALUES,
        "content": VALUES,
        "call_id": TEXTS | VALUES,
        "name": TEXTS,
        "arguments": st.sampled_from(["{}", "", "no JSON"]) | VALUES,
        "input": VALUES,
        "action": VALUES,
        "output": VALUES,
        "summary": st.lists(st.fixed_dictionaries({}, optional={"text": VALUES, "type": TEXTS}))
        | VALUES,
    },
)


@given(st.sampled_from(ITEMS) | ODD | st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
@settings(max_examples=300)
def test_every_item_comes_back_equal(item: Any) -> None:
    assert exactly(SHAPE.items_of(SHAPE.message_of(item))) == exactly([item])


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.get("type", item.get("role"))))
def test_no_text_of_an_item_stands_twice(item: Any) -> None:
    texts = {text for text in strings_in(item) if len(text) > 4 and text != item.get("type")}
    stored = json.dumps(SHAPE.message_of(item))
    assert [text for text in texts if stored.count(json.dumps(text)[1:-1]) > 1] == []


def strings_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings_in(one)]
    return [value] if isinstance(value, str) else []


# What json.dumps makes of a key that is no text, and of a tuple, the SDK's own store has too.
LOOSE = st.recursive(
    VALUES | HALVES | st.tuples(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_what_the_sdks_own_store_gives_back_ours_gives_back_or_refuses(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, durability="fast")
    numbers = iter(range(10_000))

    async def check(items: list[Any]) -> None:
        name = f"s{next(numbers)}"
        theirs, ours = SQLiteSession(name), LocalSession(store, name)
        try:
            await theirs.add_items(items)
        except TypeError:
            with pytest.raises(TypeError):
                await ours.add_items(items)
            assert await ours.get_items() == []
            return
        try:
            await ours.add_items(items)
        except UnstorableValueError:
            assert await ours.get_items() == []
            return
        finally:
            expected = await theirs.get_items()
            theirs.close()
        assert exactly(await ours.get_items()) == exactly(expected)
        for limit in (0, 1, 2, -1):
            assert exactly(await ours.get_items(limit)) == exactly(
                expected[-limit:] if limit > 0 else [] if limit == 0 else expected
            )
        if items:
            assert exactly(await ours.pop_item()) == exactly(expected[-1])
            assert exactly(await ours.get_items()) == exactly(expected[:-1])

    @given(st.lists(st.sampled_from(ITEMS) | ODD | LOOSE, max_size=4))
    @settings(max_examples=60)
    def all_of_them(items: list[Any]) -> None:
        asyncio.run(check(items))

    with store:
        all_of_them()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request.param, tmp_path)


def test_a_conversation_is_there_after_a_restart_and_readable_for_everybody(place: str) -> None:
    asyncio.run(LocalSession(place, "s").add_items([ITEMS[0], REASONING, CALL, OUTPUT, ANSWER]))
    session = LocalSession(place, "s")
    assert asyncio.run(session.get_items()) == [ITEMS[0], REASONING, CALL, OUTPUT, ANSWER]
    said = [speech_of(one) for one in session.store.load("s").messages]
    assert [one.role for one in said] == ["user", "assistant", "assistant", "tool", "assistant"]
    assert (said[1].thoughts, said[4].text) == ("I ask the tool.", "It is sunny.")
    assert said[2].calls == [("c1", "weather", '{"city": "Oslo"}')]
    assert [(one.call_id, one.text) for one in said[3].results] == [("c1", "sunny")]


def test_it_is_a_session_of_the_sdk(tmp_path: Path) -> None:
    assert isinstance(LocalSession(tmp_path, "s"), Session)


def test_an_edited_message_reaches_the_model(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        session = LocalSession(store, "s")
        asyncio.run(session.add_items([ITEMS[0], CALL, OUTPUT, ANSWER]))
        with store.edit("s") as edited:
            edited.messages[0]["content"] = "Hello"
            edited.messages[1]["tool_calls"][0]["function"]["arguments"] = "{}"  # type: ignore[index, call-overload]
            edited.messages[2]["content"] = "rain"
            edited.messages[3]["content"] = "It rains."
        items: list[Any] = asyncio.run(session.get_items())
    assert items == [
        {"role": "user", "content": "Hello"},
        {**CALL, "arguments": "{}"},
        {**OUTPUT, "output": "rain"},
        {**ANSWER, "content": "It rains."},
    ]


def test_what_a_person_takes_out_or_adds_is_so_for_the_model(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        session = LocalSession(store, "s")
        asyncio.run(session.add_items([CALL, {**CALL, "call_id": "c2"}]))
        with store.edit("s") as edited:
            del edited.messages[0]["tool_calls"]
            edited.messages[1]["content"] = "Wait."
        items: list[Any] = asyncio.run(session.get_items())
    assert items == [{"role": "assistant", "content": "Wait."}, {**CALL, "call_id": "c2"}]


def test_a_chat_of_another_program_is_history(tmp_path: Path) -> None:
    calls: Any = [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    with SessionStore(tmp_path) as store:
        store.create("s")
        store.append(
            "s",
            {"role": "system", "content": "You are another's."},
            {"role": "user", "content": "Hi"},
            {"role": "event", "other": {"title": "x"}},
            {"role": "assistant", "content": "One moment.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "4"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
                ],
            },
        )
        session = LocalSession(store, "s")
        items: list[Any] = asyncio.run(session.get_items())
        assert items == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "One moment."},
            {"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "t1", "output": "4"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,QQ==",
                        "detail": "auto",
                    },
                ],
            },
        ]
        assert asyncio.run(session.get_items(limit=3)) == items[-3:]
        for left in range(len(items) - 1, -1, -1):  # a call goes, what was said beside it stays
            assert asyncio.run(session.pop_item()) == items[left]
            assert asyncio.run(session.get_items()) == items[:left]
        assert asyncio.run(session.pop_item()) is None
        assert store.load("s").messages[1]["other"] == {"title": "x"}


def test_a_failed_write_leaves_no_call_without_its_output(tmp_path: Path) -> None:
    session = LocalSession(tmp_path, "s")
    deep: Any = "x"
    for _ in range(250):
        deep = [deep]
    with pytest.raises(UnstorableValueError):
        asyncio.run(session.add_items([CALL, {**OUTPUT, "output": deep}]))
    assert asyncio.run(session.get_items()) == []
    asyncio.run(session.add_items([CALL, OUTPUT]))
    assert asyncio.run(session.get_items()) == [CALL, OUTPUT]


def test_clearing_takes_the_messages_and_leaves_the_rest(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("s", title="Weather", state={"city": "Oslo"})
        session = LocalSession(store, "s")
        asyncio.run(session.add_items(ITEMS[:1]))
        asyncio.run(session.clear_session())
        assert asyncio.run(session.get_items()) == []
        kept = store.load("s")
        assert (kept.title, kept.state, kept.messages) == ("Weather", {"city": "Oslo"}, [])


def test_what_is_not_there_is_empty_and_makes_no_file(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        session = LocalSession(store, "s")
        assert asyncio.run(session.get_items()) == []
        assert asyncio.run(session.get_items(limit=3)) == []
        assert asyncio.run(session.pop_item()) is None
        asyncio.run(session.clear_session())
        asyncio.run(session.add_items([]))
        assert store.count() == 0


def test_a_broken_file_raises_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"messages": [')
    session = LocalSession(tmp_path, "s")
    acts: list[Callable[[], Any]] = [
        session.get_items,
        session.pop_item,
        session.clear_session,
        lambda: session.add_items(ITEMS[:1]),
    ]
    for act in acts:
        with pytest.raises(UnreadableSessionError):
            asyncio.run(act())
    assert (tmp_path / "s.json").read_text() == '{"messages": ['


@pytest.mark.parametrize("name", ["tenant/user", "Chat", "x" * 400, "", "a\nb", "\ud83d"])
def test_any_text_names_a_conversation(tmp_path: Path, name: str) -> None:
    with SessionStore(tmp_path) as store:
        asyncio.run(LocalSession(store, name).add_items(ITEMS[:1]))
        assert asyncio.run(LocalSession(store, name).get_items()) == ITEMS[:1]
        kept = store.load(session_id_for(name))
        assert kept.extra["openai_agents"] == {"session_id": name}


def test_conversations_that_differ_by_letter_case_are_two(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        for name in ("chat", "Chat"):
            asyncio.run(LocalSession(store, name).add_items([{"role": "user", "content": name}]))
        for name in ("chat", "Chat"):
            assert asyncio.run(LocalSession(store, name).get_items()) == [
                {"role": "user", "content": name}
            ]


def test_a_cancelled_call_has_written_all_or_it_is_not_cancelled(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def cancelled() -> list[Any]:
        session = LocalSession(tmp_path, "s")
        append = session.store.append

        def slow(*arguments: Any, **options: Any) -> Any:
            began.set()
            go_on.wait()
            return append(*arguments, **options)

        session.store.append = slow  # type: ignore[method-assign]
        task = asyncio.create_task(session.add_items([CALL, OUTPUT]))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [*await session.get_items()]

    assert asyncio.run(cancelled()) == [CALL, OUTPUT]


def test_calls_that_nobody_waited_for_are_done_in_their_order(tmp_path: Path) -> None:
    async def all_at_once() -> list[Any]:
        session = LocalSession(tmp_path, "s")
        items: list[Any] = [{"role": "user", "content": str(number)} for number in range(20)]
        await asyncio.gather(*(session.add_items([item]) for item in items))
        return [item["content"] for item in await session.get_items()]

    assert asyncio.run(all_at_once()) == [str(number) for number in range(20)]


def test_a_compacted_conversation_is_compact_after_a_restart(tmp_path: Path) -> None:
    class Compacted:
        output = ({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},)
        usage = None

    class Client:
        class responses:  # noqa: N801
            @staticmethod
            async def compact(**_: Any) -> Any:
                return Compacted

    session = LocalSession(tmp_path, "s")
    compacting = OpenAIResponsesCompactionSession("s", session, client=Client())
    asyncio.run(compacting.add_items([ITEMS[0], CALL, OUTPUT, ANSWER]))
    asyncio.run(compacting.run_compaction({"force": True, "compaction_mode": "input"}))
    session.close()
    assert asyncio.run(LocalSession(tmp_path, "s").get_items()) == [*Compacted.output]


def test_without_the_sdk_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['agents'] = None\n"
        "try: import localsessions.adapters.openai_agents\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "localsessions[openai-agents]"' in done.stdout
