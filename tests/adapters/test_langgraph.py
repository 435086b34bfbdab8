"""LocalSaver and LocalBaseStore under LangGraph, and beside its own savers and stores."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import decimal
import json
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import (
    LockTimeoutError,
    SessionExistsError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
    message_text,
)

if lacking := needs.of_module("langgraph"):
    pytest.skip(lacking, allow_module_level=True)

import ormsgpack
from document.values import JSON, KEYS, TEXTS, exactly
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Send
from proof.nursery import unmeasured

from conftest import PROGRAMS
from localsessions.adapters.langgraph import LocalBaseStore, LocalSaver, base_store, threads
from localsessions.adapters.langgraph.values import Values

CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
CALL = {"name": "weather", "args": {"city": "Oslo", "n": 1.0}, "id": "c1", "type": "tool_call"}

MESSAGES: list[BaseMessage] = [
    HumanMessage("Hello", id="h1"),
    HumanMessage(
        [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "x"}}]
    ),
    AIMessage(
        "", tool_calls=[CALL], id="a1", usage_metadata=None, response_metadata={"model": "m"}
    ),
    AIMessage(
        [
            {"type": "text", "text": "I call"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
        ]
    ),
    AIMessage(
        "Bad",
        invalid_tool_calls=[
            {"name": "x", "args": "{", "id": "c2", "error": "e", "type": "invalid_tool_call"}
        ],
    ),
    ToolMessage("sunny", tool_call_id="c1", name="weather", id="t1"),
    ToolMessage(
        [{"type": "text", "text": "x"}],
        tool_call_id="c1",
        artifact=decimal.Decimal("1.5"),
        status="error",
    ),
    SystemMessage("Be kind", id=""),
    ChatMessage("x", role="reviewer", id="r1"),
    RemoveMessage(id="h1"),
    HumanMessage("extra", example=True, name="Ann"),
]
ODD: list[Any] = [
    *(
        {"a", "b"},
        (1, (2, 3)),
        {1: "one", (2, 3): "two"},
        uuid.UUID(int=7),
        decimal.Decimal("1.10"),
    ),
    *(dt.datetime(2026, 11, 30, tzinfo=dt.UTC), b"\x00\xff", bytearray(b"x"), [bytearray(b"x")]),
    *(float("nan"), float("inf"), -0.0, 2**63, 2**64, -(2**64), "\ud83d", Path("a/b")),
    *(ValueError("no"), Send("node", {"x": HumanMessage("hi")}), {"$message": {"type": "ai"}}),
    *({"$message": {"type": "ai", "content": "x"}}, {"$$message": 1}, {"$bytes": "QQ=="}),
    *({"$typed": "x", "base64": "eA=="}, {"type": "human", "content": "x"}),
    *(lambda: None, object(), {"": None}, {"messages": MESSAGES}, None),
]
VALUES = st.recursive(
    JSON | st.sampled_from(ODD) | st.sampled_from(MESSAGES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def packed(value: Any) -> Any:
    """A value by its bytes and types, so that NaN is itself and 1 is not 1.0."""
    return (exactly(value), JsonPlusSerializer().dumps_typed(value))


@given(VALUES)
@settings(max_examples=150)
def test_a_value_comes_back_as_from_langgraph_or_is_refused(value: Any) -> None:
    serde = JsonPlusSerializer()
    try:
        theirs = serde.loads_typed(serde.dumps_typed(value))
    except Exception as error:
        with pytest.raises(type(error)):
            Values(serde).stored(value)
        return
    values = Values(serde)
    assert packed(values.value(values.stored(value))) == packed(theirs)


@pytest.mark.parametrize("value", ODD, ids=[type(one).__name__ for one in ODD])
def test_odd_values_come_back_too(value: Any) -> None:
    test_a_value_comes_back_as_from_langgraph_or_is_refused.hypothesis.inner_test(value)  # type: ignore[attr-defined]


def test_plain_values_and_messages_are_readable() -> None:
    values = Values(JsonPlusSerializer())
    plain = {"a": [1, 1.5, None, True, "x"]}
    assert values.stored(plain) == plain
    assert values.stored([HumanMessage("Hi", id="1")]) == [
        {"$message": {"content": "Hi", "type": "human", "id": "1"}}
    ]
    with pytest.raises(TypeError, match="pickle"):
        Values(JsonPlusSerializer(pickle_fallback=True)).stored(object())


# -- histories -------------------------------------------------------------------------------------


def shown(tuples: Any) -> list[Any]:
    return [
        (
            one.config["configurable"]["checkpoint_id"],
            one.parent_config and one.parent_config["configurable"]["checkpoint_id"],
            {
                name: packed(value)
                for name, value in sorted(one.checkpoint["channel_values"].items())
            },
            {**one.checkpoint, "channel_values": None, "versions_seen": seen_by_nodes(one)},
            one.metadata,
            [(task, channel, packed(value)) for task, channel, value in one.pending_writes or ()],
        )
        for one in tuples
    ]


def seen_by_nodes(one: Any) -> Any:
    """What nodes have seen, without what the saver tells itself."""
    seen = one.checkpoint["versions_seen"]
    return {node: told for node, told in seen.items() if node != "__localsessions__"}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),  # after which checkpoint, from the end
        st.sampled_from(["add", "replace", "remove", "clear", "other", "reorder", "odd", "none"]),
        st.sampled_from(MESSAGES),
        st.lists(
            st.tuples(st.sampled_from(["messages", "x", "__interrupt__"]), VALUES), max_size=2
        ),
        st.sampled_from(["", "sub:1|deep:2"]),
    ),
    max_size=9,
)


@given(STEPS)
@settings(max_examples=60)
def test_a_history_is_that_of_langgraphs_own_saver(steps: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, SessionStore(folder, durability="fast") as store:
        ours, theirs = LocalSaver(store), InMemorySaver()
        made: dict[str, list[Any]] = {}
        for at, (back, how, message, writes, ns) in enumerate(steps):
            parents = made.setdefault(ns, [])
            parent = parents[-1 - back % len(parents)] if parents else None
            was: Any = parent or (None, {**empty_checkpoint(), "channel_versions": {}}, {})
            checkpoint, new = following(theirs, was[1], how, message, at)
            named = {"thread_id": "t", "checkpoint_ns": ns}
            if parent:
                named["checkpoint_id"] = parent[1]["id"]
            config: Any = {"configurable": named}
            metadata: Any = {"source": "loop", "step": at, "run_id": f"r{at % 2}"}
            if parent:
                ours.get_tuple(config)  # as LangGraph does before it goes on from a checkpoint
            ours.put(config, checkpoint, metadata, new)
            stored = theirs.put(config, checkpoint, metadata, new)
            parents.append((stored, checkpoint))
            for saver in (ours, theirs):
                try:
                    saver.put_writes(stored, writes, f"task{at % 3}", f"path{at % 2}")
                except TypeError:
                    break
        for ns, parents in made.items():
            config = {"configurable": {"thread_id": "t", "checkpoint_ns": ns}}
            wanted = shown(theirs.list(config))
            assert shown(LocalSaver(store).list(config)) == wanted
            assert shown([ours.get_tuple(config)]) == wanted[:1]
            for stored, _ in parents:
                assert shown([ours.get_tuple(stored)]) == shown([theirs.get_tuple(stored)])


def following(saver: Any, was: Any, how: str, message: BaseMessage, at: int) -> Any:
    """The next checkpoint of a graph, and the versions that are new in it."""
    values, versions = {**was["channel_values"]}, {**was["channel_versions"]}
    messages = values.get("messages", [])
    chat = [*messages] if isinstance(messages, list) else []
    if how == "add":
        one = message.model_copy(update={"id": message.id and f"{message.id}-{at}"})
        chat = [*chat, one]
    elif how == "replace" and chat:
        chat[0] = HumanMessage(f"replaced {at}", id=chat[0].id if hasattr(chat[0], "id") else None)
    elif how == "remove":
        chat = chat[1:]
    elif how == "clear":
        chat = []
    elif how == "reorder":
        chat = chat[::-1]
    new = {}
    if how in ("other", "odd", "none"):
        values["x"] = {"n": at} if how == "other" else ODD[1]
        new["x"] = versions["x"] = saver.get_next_version(versions.get("x"), None)
    if how == "odd":
        chat = ["a text", {"role": "user"}]
    if how not in ("other", "none"):
        values["messages"] = chat
        new["messages"] = versions["messages"] = saver.get_next_version(
            versions.get("messages"), None
        )
    made = {**was, "channel_values": values, "channel_versions": versions, "versions_seen": {}}
    return {**made, "id": f"1f0{at:05}-0000-6000-8000-{'0' * 12}"}, new


# -- a chat that others speak in -------------------------------------------------------------------


def graph(saver: Any, answer: Any = None) -> Any:
    """A graph that tells all that it sees."""

    def bot(state: Any) -> Any:
        told = " | ".join(str(one.content) for one in state["messages"])
        return {"messages": answer(state) if answer else [AIMessage(f"saw: {told}")]}

    made = StateGraph(MessagesState).add_node("bot", bot)
    return made.add_edge(START, "bot").add_edge("bot", END).compile(checkpointer=saver)


def texts(store: SessionStore, session_id: str = "t") -> list[str]:
    return [message_text(one) for one in store.load(session_id).messages]


def test_a_graph_sees_what_others_said_in_its_place(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("t", messages=[{"role": "user", "content": "A"}])
        said = graph(LocalSaver(store)).invoke({"messages": [("user", "B")]}, CONFIG)
        assert said["messages"][-1].content == "saw: A | B"
        function = {"name": "f", "arguments": '{"x": 1}'}
        calls: Any = [{"id": "c9", "type": "function", "function": function}]
        store.append("t", {"role": "assistant", "content": "C", "tool_calls": calls})
        store.append("t", {"role": "tool", "tool_call_id": "c9", "content": "42"})
        said = graph(LocalSaver(store)).invoke({"messages": [("user", "D")]}, CONFIG)
        assert said["messages"][-1].content == "saw: A | B | saw: A | B | C | 42 | D"
        assert said["messages"][3].tool_calls == [
            {"name": "f", "args": {"x": 1}, "id": "c9", "type": "tool_call"}
        ]
        assert texts(store)[:2] == ["A", "B"]
        assert len(store.load("t").messages) == 7
        assert [one.session.session_id for one in store.search("saw")] == ["t"]


def test_what_a_graph_removes_leaves_the_chat_and_stays_in_the_history(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("t", messages=[{"role": "user", "content": "A"}])
        made = graph(LocalSaver(store))
        made.invoke({"messages": [("user", "B")]}, CONFIG)
        before = made.get_state(CONFIG)
        gone = [RemoveMessage(id=one.id) for one in before.values["messages"][:2]]
        made.update_state(CONFIG, {"messages": gone})
        assert texts(store) == ["saw: A | B"]
        assert [one.content for one in made.get_state(CONFIG).values["messages"]] == ["saw: A | B"]
        old = made.get_state(before.config)
        assert [one.content for one in old.values["messages"]] == ["A", "B", "saw: A | B"]
        made.update_state(old.config, {"messages": [("user", "fork")]})
        assert texts(store) == ["A", "B", "saw: A | B", "fork"]


def test_what_others_say_during_a_turn_stays(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:

        def while_it_thinks(state: Any) -> Any:
            store.append("t", {"role": "user", "content": "meanwhile"})
            return [AIMessage("done")]

        store.create("t")
        made = graph(LocalSaver(store), while_it_thinks)
        made.invoke({"messages": [("user", "go")]}, CONFIG, durability="sync")
        assert texts(store) == ["go", "meanwhile", "done"]
        seen = made.get_state(CONFIG).values["messages"]
        assert [one.content for one in seen] == ["go", "meanwhile", "done"]


@pytest.mark.parametrize("forgets", [False, True])
def test_two_runs_at_once_both_stay_and_the_next_turn_sees_both(
    tmp_path: Path, forgets: bool
) -> None:
    with SessionStore(tmp_path) as store:
        store.create("t")

        def while_another_runs(state: Any) -> Any:
            last = state["messages"][-1]
            graph(LocalSaver(store)).invoke({"messages": [("user", "second")]}, CONFIG)
            gone = [RemoveMessage(id=last.id)] if forgets else []
            return [AIMessage(f"answer to {last.content}"), *gone]

        made = graph(LocalSaver(store), while_another_runs)
        made.invoke({"messages": [("user", "first")]}, CONFIG, durability="sync")
        wanted = ["answer to first", "first", "saw: first | second", "second"]
        wanted = [one for one in wanted if not (forgets and one == "first")]
        assert sorted(texts(store)) == wanted
        said = graph(LocalSaver(store)).invoke({"messages": [("user", "next")]}, CONFIG)
        assert len(said["messages"]) == len(wanted) + 2
        assert len(texts(store)) == len(set(texts(store))) == len(wanted) + 2


def test_two_runs_that_begin_at_a_checkpoint_without_messages_both_stay(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        first: Any = {**empty_checkpoint(), "id": "1", "channel_versions": {"x": "1"}}
        LocalSaver(store).put(CONFIG, first, {}, {"x": "1"})
        runs = [LocalSaver(store), LocalSaver(store)]
        found = [run.get_tuple(CONFIG) for run in runs]
        for at, (run, one) in enumerate(zip(runs, found, strict=True)):
            assert one is not None
            said: Any = {"x": 1, "messages": [HumanMessage(f"of {at}", id=f"h{at}")]}
            new: Any = {"messages": f"1.{at}"}
            made: Any = {**one.checkpoint, "id": f"2{at}", "channel_values": said}
            made["channel_versions"] = {"x": "1", **new}
            run.put(one.config, made, {}, new)
        assert texts(store) == ["of 0", "of 1"]
        seen = runs[0].get_tuple(CONFIG)
        assert seen is not None
        assert len(seen.checkpoint["channel_values"]["messages"]) == 2


def test_a_message_that_a_graph_changes_in_place_is_changed_in_the_session(tmp_path: Path) -> None:
    def change(state: Any) -> Any:
        one, two = state["messages"][:2]
        one.content = f"{one.content}!"
        two.additional_kwargs["seen"] = len(state["messages"])
        return [AIMessage("done")]

    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        turn = {"messages": [("user", "A"), ("user", "B")]}
        graph(saver, change).invoke(turn, CONFIG, durability="sync")
        for found in (saver.get_tuple(CONFIG), LocalSaver(store).get_tuple(CONFIG)):
            assert found is not None
            one, two, three = found.checkpoint["channel_values"]["messages"]
            assert (one.content, two.additional_kwargs, three.content) == (
                "A!",
                {"seen": 2},
                "done",
            )
        assert texts(store) == ["A!", "B", "done"]


def test_what_two_runs_bring_back_at_once_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        graph(LocalSaver(store)).invoke({"messages": [("user", "A")]}, CONFIG)
        runs = [LocalSaver(store), LocalSaver(store)]
        found: Any = [run.get_tuple(CONFIG) for run in runs]
        with store.edit("t") as session:
            session.messages = []

        def bring_back(at: int) -> None:
            one = found[at]
            new: Any = {"messages": f"9.{at}"}
            made: Any = {**one.checkpoint, "id": f"2{at}"}
            made["channel_versions"] = {**made["channel_versions"], **new}
            own = HumanMessage(f"of {at}", id=f"h{at}")
            values = made["channel_values"]
            made["channel_values"] = {**values, "messages": [*values["messages"], own]}
            runs[at].put(one.config, made, {}, new)

        def after_the_other(write: Any) -> Any:
            def writing(*args: Any) -> Any:
                monkeypatch.undo()
                bring_back(1)
                return write(*args)

            return writing

        for name in ("append", "edit"):
            monkeypatch.setattr(store, name, after_the_other(getattr(store, name)))
        bring_back(0)
        assert sorted(texts(store)) == ["A", "of 0", "of 1", "saw: A"]


def test_what_is_said_while_a_run_goes_back_is_in_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store))
        made.invoke({"messages": [("user", "A")]}, CONFIG)
        old = made.get_state(CONFIG).config
        made.invoke({"messages": [("user", "B")]}, CONFIG)
        edit = store.edit

        def after_another_run(*args: Any, **options: Any) -> Any:
            monkeypatch.undo()
            graph(LocalSaver(store)).invoke({"messages": [("user", "late")]}, CONFIG)
            return edit(*args, **options)

        answer = "saw: A | saw: A | B | saw: A | saw: A | B | late"
        monkeypatch.setattr(store, "edit", after_another_run)
        graph(LocalSaver(store)).invoke({"messages": [("user", "again")]}, old)
        assert texts(store)[:3] == ["A", "saw: A", "again"]
        kept = [
            [one.content for one in found.checkpoint["channel_values"].get("messages", ())]
            for found in LocalSaver(store).list(CONFIG)
        ]
        assert any(chat[-2:] == ["late", answer] for chat in kept)


def test_what_another_saver_removed_and_put_is_known(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        saver, other = LocalSaver(store), LocalSaver(store)
        for turn in range(2):
            graph(saver).invoke({"messages": [("user", f"turn {turn}")]}, CONFIG)
        other.prune(["t"])
        for turn in range(3):
            graph(other).invoke({"messages": [("user", f"later {turn}")]}, CONFIG)
        assert shown(saver.list(CONFIG)) == shown(LocalSaver(store).list(CONFIG))
        assert len([*saver.list(CONFIG)]) == 10


def test_an_edited_message_reaches_the_graph(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store))
        made.invoke({"messages": [("user", "helo")]}, CONFIG)
        with store.edit("t") as session:
            session.messages[0]["content"] = "hello"
        assert made.get_state(CONFIG).values["messages"][0].content == "hello"


def test_checkpoints_hold_no_chat_and_what_is_new_only(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store), lambda _: [AIMessage("y" * 5000)])
        for turn in range(20):
            made.invoke({"messages": [("user", f"turn {turn}")]}, CONFIG)
        chat = (tmp_path / "t.json").stat().st_size
        puts = [one for one in (tmp_path / "t.checkpoints").iterdir() if ".put." in one.name]
        assert chat < 20 * 5000 * 1.3
        assert len(puts) == 60
        assert all("y" * 50 not in one.read_text(encoding="utf-8") for one in puts)
        assert max(one.stat().st_size for one in puts) < 8000
        assert len(made.get_state(CONFIG).values["messages"]) == 40


def test_nothing_that_stands_in_a_session_is_called(tmp_path: Path) -> None:
    """LangGraph's serializer calls what a packed value names; a session may be a stranger's."""
    packed = ormsgpack.packb(("os", "mkdir", str(tmp_path / "made")))
    data = ormsgpack.packb(ormsgpack.Ext(0, packed))
    hostile: Any = {"$typed": "msgpack", "base64": base64.b64encode(data).decode()}
    call = {"id": "c", "name": "f", "arguments": json.dumps({"x": hostile})}
    said: list[Any] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "odd", "odd": hostile}]},
        {"role": "user", "content": "own", "langgraph": {"additional_kwargs": {"x": hostile}}},
    ]
    with SessionStore(tmp_path / "s") as store:
        store.create("t", messages=said)
        told = graph(LocalSaver(store)).get_state(CONFIG).values["messages"]
        assert told[1].tool_calls[0]["args"] == {"x": hostile}
        memory = LocalBaseStore(store)
        memory.put(("n",), "k", {"a": 1})
        [session_id] = [one.session_id for one in store.list() if one.session_id != "t"]
        with store.edit(session_id) as session:
            state: Any = session.state
            state["k"]["value"] = {"a": hostile}
        found = memory.get(("n",), "k")
        assert found is not None
        assert found.value == {"a": str(tmp_path / "made")}
    assert not (tmp_path / "made").exists()


def test_memory_refuses_what_would_come_back_as_something_else(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        memory = LocalBaseStore(store)
        memory.put(("n",), "k", {"at": dt.date(2026, 11, 30), "id": uuid.UUID(int=1)})
        with pytest.raises(TypeError, match=r"something else.*give its fields as JSON"):
            memory.put(("n",), "k", {"x": Odd(1)})
        found = memory.get(("n",), "k")
        assert found is not None
        assert found.value == {"at": dt.date(2026, 11, 30), "id": uuid.UUID(int=1)}


@dataclass
class Odd:
    """A class of a program."""

    x: int


def test_an_encrypted_thread_shows_nothing(tmp_path: Path) -> None:
    pytest.importorskip("Crypto")
    from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"0123456789abcdef")
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store, serde=serde))
        made.invoke({"messages": [("user", "a secret")]}, CONFIG)
        assert store.load("t").messages == []
        again = graph(LocalSaver(store, serde=serde)).get_state(CONFIG)
        assert again.values["messages"][0].content == "a secret"
    written = [one for one in tmp_path.rglob("*.json") if b"secret" in one.read_bytes()]
    assert written == []


@pytest.mark.parametrize("thread_id", ["Tenant/User:1|2", "a" * 300, "..", "CON", "ünï"])
def test_any_thread_and_namespace(tmp_path: Path, thread_id: str) -> None:
    with SessionStore(tmp_path) as store:
        config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        graph(LocalSaver(store)).invoke({"messages": [("user", "x")]}, config)
        found = [*LocalSaver(store).list(None)]
        assert {one.config["configurable"]["thread_id"] for one in found} == {thread_id}


# -- removing --------------------------------------------------------------------------------------


def test_pruning_keeps_the_state_and_its_writes(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        made = graph(saver)
        for turn in range(3):
            made.invoke({"messages": [("user", f"turn {turn}")]}, CONFIG)
        before = shown([saver.get_tuple(CONFIG)])
        saver.prune(["t"])
        assert shown([LocalSaver(store).get_tuple(CONFIG)]) == before
        assert len([*saver.list(CONFIG)]) == 1
        assert len(store.checkpoints("t")) == 1
        with pytest.raises(ValueError, match="strategy"):
            saver.prune(["t"], strategy="some")
        made.invoke({"messages": [("user", "on")]}, CONFIG)
        assert len(made.get_state(CONFIG).values["messages"]) == 8


def test_pruning_keeps_what_a_delta_channel_is_made_of(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        config: Any = CONFIG
        for at in range(6):
            checkpoint: Any = {
                **empty_checkpoint(),
                "id": f"{at}",
                "channel_versions": {"d": f"{at}"},
            }
            if at == 2:
                checkpoint["channel_values"] = {"d": ["snapshot"]}
            told: Any = {} if at == 2 else {"counters_since_delta_snapshot": {"d": (at, at)}}
            config = saver.put(config, checkpoint, told, {"d": f"{at}"})
            saver.put_writes(config, [("d", at)], "task")
        before = saver.get_delta_channel_history(config=config, channels=["d"])
        assert before["d"] == {
            "seed": ["snapshot"],
            "writes": [("task", "d", one) for one in (2, 3, 4)],
        }
        saver.prune(["t"])
        assert sorted(one.checkpoint["id"] for one in saver.list(CONFIG)) == ["2", "3", "4", "5"]
        assert saver.get_delta_channel_history(config=config, channels=["d"]) == before


def test_what_stays_after_a_run_was_deleted_is_whole(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        made = graph(saver)
        for run in ("r1", "r2"):
            made.invoke({"messages": [("user", run)]}, {**CONFIG, "metadata": {"run_id": run}})
        before = shown(saver.list(CONFIG, filter={"run_id": "r2"}))
        saver.delete_for_runs(["r1"])
        assert shown(LocalSaver(store).list(CONFIG)) == before
        assert len(before) == 3


def test_a_copied_thread_goes_its_own_way_and_a_deleted_one_can_be_restored(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        made = graph(saver)
        made.invoke({"messages": [("user", "A")]}, CONFIG)
        saver.copy_thread("t", "u")
        other: Any = {"configurable": {"thread_id": "u"}}
        made.invoke({"messages": [("user", "B")]}, other)
        assert texts(store) == ["A", "saw: A"]
        assert texts(store, "u") == ["A", "saw: A", "B", "saw: A | saw: A | B"]
        saver.delete_thread("t")
        assert saver.get_tuple(CONFIG) is None
        store.restore("t")
        assert len(made.get_state(CONFIG).values["messages"]) == 2


# -- a chat whose checkpoints are gone -------------------------------------------------------------


def forked(store: SessionStore, saver: LocalSaver, folder: Path) -> None:
    store.fork("t", new_id="u")
    store.delete("t")


def cleared(store: SessionStore, saver: LocalSaver, folder: Path) -> None:
    store.clear_checkpoints("t")


def brought(store: SessionStore, saver: LocalSaver, folder: Path) -> None:
    shutil.rmtree(folder / "t.checkpoints")


def pruned(store: SessionStore, saver: LocalSaver, folder: Path) -> None:
    saver.prune(["t"], strategy="delete")


def without_runs(store: SessionStore, saver: LocalSaver, folder: Path) -> None:
    saver.delete_for_runs(["r1"])


def aged(store: SessionStore) -> None:
    """Let messages be older than what may still be on its way to a checkpoint."""
    with store.edit("t") as session:
        long_ago = "2026-01-01T00:00:00Z"
        session.messages = [{**one, "created_at": long_ago} for one in session.messages]


@pytest.mark.parametrize("lose", [forked, cleared, brought, pruned, without_runs])
def test_a_chat_whose_checkpoints_are_gone_goes_on(tmp_path: Path, lose: Any) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        graph(saver).invoke({"messages": [("user", "A")]}, {**CONFIG, "metadata": {"run_id": "r1"}})
        aged(store)
        lose(store, saver, tmp_path)
        [session_id] = [one.session_id for one in store.list()]
        config: Any = {"configurable": {"thread_id": session_id}}
        graph(LocalSaver(store)).invoke({"messages": [("user", "B")]}, config)
        said = graph(LocalSaver(store)).invoke({"messages": [("user", "C")]}, config)
        wanted = ["A", "saw: A", "B", "saw: A | saw: A | B"]
        assert [one.content for one in said["messages"][:4]] == wanted
        assert texts(store, session_id)[:4] == wanted
        assert len(texts(store, session_id)) == 6


def test_a_run_from_a_checkpoint_that_is_gone_takes_nothing_out(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store))
        made.invoke({"messages": [("user", "A")]}, CONFIG)
        gone = made.get_state(CONFIG).config
        aged(store)
        store.clear_checkpoints("t")
        graph(LocalSaver(store)).invoke({"messages": [("user", "B")]}, gone)
        assert texts(store)[:2] == ["A", "saw: A"]


def test_a_run_that_was_deleted_is_undone_and_the_runs_before_it_stay(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store))
        for run in ("r1", "r2"):
            made.invoke({"messages": [("user", run)]}, {**CONFIG, "metadata": {"run_id": run}})
        aged(store)
        LocalSaver(store).delete_for_runs(["r2"])
        assert texts(store) == ["r1", "saw: r1", "r2", "saw: r1 | saw: r1 | r2"]
        said = graph(LocalSaver(store)).invoke({"messages": [("user", "r3")]}, CONFIG)
        assert said["messages"][-1].content == "saw: r1 | saw: r1 | r3"
        assert texts(store)[:3] == ["r1", "saw: r1", "r3"]


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.needs("fork")
def test_a_thread_is_at_its_last_acknowledged_checkpoint_after_a_kill(tmp_path: Path) -> None:
    ended = killed_in_turn(tmp_path)
    assert [one["code"] for one in ended] == [9] * (len(ended) - 1) + [0]
    assert len(ended) > 15
    for one in ended:
        puts: list[str] = one["puts"]
        with SessionStore(one["folder"]) as store:
            found = LocalSaver(store).get_tuple(CONFIG)
            # Killed after the last step of a call, it may be done though nobody was told.
            # Killed in the first one, the chat may be there alone, and that is no step.
            step = -1 if found is None else max(-1, found.metadata["step"])
            assert len(puts) - 1 <= step <= len(puts), one
            if found is None or step < 0:
                continue
            assert found.checkpoint["channel_values"]["x"] == step
            writes = [(channel, value) for _, channel, value in found.pending_writes or ()]
            assert writes in ([], [("x", step), ("y", step)])
            assert writes or step not in one["writes"]
            for old in LocalSaver(store).list(CONFIG):
                chat = [said.content for said in old.checkpoint["channel_values"]["messages"]]
                if old.metadata["step"] < len(puts):
                    assert ",".join(chat) == puts[old.metadata["step"]], (one, old.metadata)


def killed_in_turn(folder: Path) -> list[Any]:
    """What processes were told before each ended one step of the store later than the last."""
    program = [sys.executable, "-W", "error", PROGRAMS / "langgraph_dying.py", folder]
    done = subprocess.run(
        [*map(str, program)], capture_output=True, text=True, env=unmeasured(), timeout=240
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_value_that_cannot_be_stored_leaves_nothing(tmp_path: Path) -> None:
    deep = nested(250)
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        for value, error in ((lambda: None, TypeError), (deep, UnstorableValueError)):
            checkpoint: Any = {**empty_checkpoint(), "channel_versions": {"x": "1"}}
            checkpoint["channel_values"] = {"x": value}
            with pytest.raises(error):
                saver.put(CONFIG, checkpoint, {}, {"x": "1"})
            assert saver.get_tuple(CONFIG) is None


def grown(found: Any, **values: Any) -> Any:
    """What a run puts that says one thing more, and other values: a checkpoint, its versions."""
    new = {"messages": "9", **dict.fromkeys(values, "9")}
    said = [*found.checkpoint["channel_values"]["messages"], HumanMessage("more", id="more")]
    made = {**found.checkpoint, "id": "9", "channel_values": {**values, "messages": said}}
    return {**made, "channel_versions": {**made["channel_versions"], **new}}, new


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("where", ["metadata", "channel"])
def test_a_checkpoint_that_is_refused_leaves_the_chat_as_it_was(tmp_path: Path, where: str) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        graph(saver).invoke({"messages": [("user", "A")]}, CONFIG)
        found: Any = saver.get_tuple(CONFIG)
        values = {"x": nested(250)} if where == "channel" else {}
        metadata: Any = {"x": nested(250)} if where == "metadata" else {}
        checkpoint, new = grown(found, **values)
        with pytest.raises(UnstorableValueError, match="nothing was written"):
            saver.put(found.config, checkpoint, metadata, new)
        assert texts(store) == ["A", "saw: A"]


def test_a_put_that_failed_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise LockTimeoutError(1.0)

    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        graph(saver).invoke({"messages": [("user", "A")]}, CONFIG)
        found: Any = saver.get_tuple(CONFIG)
        checkpoint, new = grown(found)
        with monkeypatch.context() as patched:
            patched.setattr(store, "save_checkpoint", refuse)
            with pytest.raises(LockTimeoutError):
                saver.put(found.config, checkpoint, {}, new)
        saver.put(found.config, checkpoint, {}, new)
        assert texts(store) == ["A", "saw: A", "more"]
        seen: Any = saver.get_tuple(CONFIG)
        assert [one.id for one in seen.checkpoint["channel_values"]["messages"]][2:] == ["more"]


async def awaited(store: SessionStore) -> Any:
    made = graph(LocalSaver(store))
    await made.ainvoke({"messages": [("user", "A")]}, CONFIG)
    return [one async for one in made.aget_state_history(CONFIG)]


def test_the_same_awaited(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        assert len(asyncio.run(awaited(store))) == 3
        assert texts(store) == ["A", "saw: A"]


def test_a_broken_file_is_left_out_of_the_threads_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionStore(tmp_path) as store:
        saver = LocalSaver(store)
        for thread_id in ("good", "plain", "Odd/one"):
            config: Any = {"configurable": {"thread_id": thread_id}, "metadata": {"run_id": "r"}}
            graph(saver).invoke({"messages": [("user", "A")]}, config)
        for one in store.list():
            if one.session_id != "good":
                (tmp_path / f"{one.session_id}.json").write_bytes(b'{"messages": [')
        found = [one.config["configurable"]["thread_id"] for one in saver.list(None)]
        assert set(found) == {"good"}
        assert caplog.text.count("left out of the list") == 2
        saver.delete_for_runs(["r"])
        assert store.checkpoints("good") == []
        assert store.checkpoints("plain") != []
        with pytest.raises(UnreadableSessionError):
            saver.get_tuple({"configurable": {"thread_id": "plain"}})


def test_a_thread_that_differs_by_letter_case_from_a_session_says_so(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("T")
        with pytest.raises(SessionExistsError, match="letter case"):
            LocalSaver(store).put_writes(
                {"configurable": {"thread_id": "t", "checkpoint_id": "1"}}, [("x", 1)], "task"
            )


@pytest.mark.parametrize(
    "edit",
    [
        {"content": 5},
        {"langgraph": {"$item": {"type": "none"}}},
        {"role": "tool", "langgraph": {}},
        {"langgraph": {"additional_kwargs": 5}},
    ],
)
def test_a_message_that_an_edit_broke_is_named_with_the_remedy(tmp_path: Path, edit: Any) -> None:
    with SessionStore(tmp_path) as store:
        made = graph(LocalSaver(store))
        made.invoke({"messages": [HumanMessage("A", id="h1")]}, CONFIG)
        old = made.get_state(CONFIG).config
        with store.edit("t") as session:
            session.messages = [{**session.messages[0], **edit}, *session.messages[1:]]
        for config in (CONFIG, old):
            with pytest.raises(
                ValueError, match=r"(?s)message 'h1' of session 't'.*key 'langgraph' out"
            ):
                made.get_state(config)
        with store.edit("t") as session:
            first = {name: one for name, one in session.messages[0].items() if name != "langgraph"}
            session.messages = [{**first, "role": "user", "content": "B"}, *session.messages[1:]]
        assert made.get_state(CONFIG).values["messages"][0].content == "B"


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_IDS", "_RUNS", "_CHATS"):
        monkeypatch.setattr(threads, name, 2)
    monkeypatch.setattr(base_store, "_REMEMBERED", 2)
    with SessionStore(tmp_path, durability="fast") as store:
        saver, memory = LocalSaver(store), LocalBaseStore(store)
        for at in range(4):
            config: Any = {"configurable": {"thread_id": f"t{at}"}}
            graph(saver).invoke({"messages": [("user", "A")]}, config)
            memory.put((f"n{at}",), "k", {"x": at})
        for at in range(4):
            saver.get_tuple({"configurable": {"thread_id": f"t{at}"}})
        assert len(memory.search((), limit=9)) == 4
        kept = saver._threads
        memories: list[Any] = [kept._ids, kept._begun, kept._last, memory._namespaces]
        assert [len(one) for one in memories] == [2] * 4


# -- long-term memory ------------------------------------------------------------------------------

SPACES = st.sampled_from([("a",), ("a", "b"), ("A", "b"), ("a@b",), ("users", "ünï/1")])
PUTS = st.lists(
    st.tuples(SPACES, TEXTS, st.none() | st.dictionaries(KEYS, VALUES, max_size=3)), max_size=8
)


@given(PUTS)
@settings(max_examples=40)
def test_what_langgraphs_own_store_remembers_ours_does_or_refuses(puts: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, SessionStore(folder, durability="fast") as store:
        ours, theirs = LocalBaseStore(store), InMemoryStore()
        for namespace, key, value in puts:
            try:
                ours.put(namespace, key, value)
            except (TypeError, UnstorableValueError):
                continue
            theirs.put(namespace, key, value)
        for namespace, key, _ in puts:
            one, other = ours.get(namespace, key), theirs.get(namespace, key)
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                serde = JsonPlusSerializer()
                packed_other = serde.dumps_typed(serde.loads_typed(serde.dumps_typed(other.value)))
                assert serde.dumps_typed(one.value) == packed_other
        assert {(one.namespace, one.key) for one in ours.search((), limit=99)} == {
            (one.namespace, one.key) for one in theirs.search((), limit=99)
        }


def test_memory_is_found_by_words_and_filters_and_keeps_when_it_began(tmp_path: Path) -> None:
    with LocalBaseStore(tmp_path) as store:
        for number in range(3):
            store.put(("users", "ann"), f"k{number}", {"n": number, "text": f"likes tea {number}"})
        began = store.get(("users", "ann"), "k2")
        store.put(("users", "ann"), "k2", {"n": 2, "text": "likes coffee"})
        again = store.get(("users", "ann"), "k2")
        assert began is not None
        assert again is not None
        assert again.created_at == began.created_at
        assert next(one.key for one in store.search(("users",), query="coffee")) == "k2"
        assert [one.key for one in store.search(("users",), filter={"n": {"$gt": 1}})] == ["k2"]
        assert store.list_namespaces() == [("users", "ann")]


def test_a_namespace_that_is_broken_or_gone_is_left_out_of_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionStore(tmp_path) as store:
        known = LocalBaseStore(store)
        for name in ("good", "bad", "gone"):
            known.put((name,), "k", {"x": 1})
        assert len(known.search(())) == 3
        listed = store.list()
        monkeypatch.setattr(store, "list", lambda **_: listed)  # both after the list
        (tmp_path / "bad@langgraph-store.json").write_bytes(b'{"state": {')
        store.delete("gone@langgraph-store")
        for memory in (known, LocalBaseStore(store)):
            assert [one.namespace for one in memory.search(())] == [("good",)]
            assert memory.list_namespaces() == [("good",)]
        assert caplog.text.count("session 'bad@langgraph-store' cannot be read") == 4
        with pytest.raises(UnreadableSessionError):
            known.get(("bad",), "k")


@pytest.mark.parametrize("lacking", ["value", "created_at"])
def test_an_item_that_an_edit_broke_is_named_with_the_remedy(tmp_path: Path, lacking: str) -> None:
    with SessionStore(tmp_path) as store:
        memory = LocalBaseStore(store)
        memory.put(("a",), "k", {"x": 1})
        with store.edit("a@langgraph-store") as session:
            told: Any = session.state["k"]
            session.state = {"k": {key: one for key, one in told.items() if key != lacking}}
        with pytest.raises(
            ValueError, match=r"item 'k' .* session 'a@langgraph-store'.*take it out"
        ):
            memory.get(("a",), "k")
