"""LocalSessionRepository and LocalStorage under Strands Agents, and beside its own stores."""

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
from document.values import JSON, KEYS, TEXTS, VALUES, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import Session as Stored
from localsessions import SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.document import session_id_for, speech_of

if lacking := needs.of_module("strands"):
    pytest.skip(lacking, allow_module_level=True)

from strands import Agent
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.session import SnapshotSessionManager
from strands.session.file_session_manager import FileSessionManager
from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.session_repository import SessionRepository
from strands.storage import LocalFileStorage, Storage
from strands.storage.search import Bm25SearchStrategy
from strands.types.exceptions import SessionException, StorageError
from strands.types.session import (
    Session,
    SessionAgent,
    SessionMessage,
    SessionType,
    encode_bytes_values,
)
from strands_chat import StandIn, weather

from localsessions.adapters.strands import LocalSessionRepository, LocalStorage, storage
from localsessions.adapters.strands.content import data_of, put_data
from localsessions.adapters.strands.shape import SHAPE, item_of, record_of

CALL: Any = {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}
RESULT: Any = {
    "toolResult": {"toolUseId": "c1", "status": "success", "content": [{"text": "sunny"}]}
}
PICTURE: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
CONTENTS: list[Any] = [
    [{"text": "How is the weather?"}],
    [],
    [{"text": ""}],
    [{"text": "Look"}, PICTURE],
    [{"text": "I will look."}, CALL],
    [CALL, {"toolUse": {**CALL["toolUse"], "toolUseId": "c2", "reasoningSignature": "sig"}}],
    [CALL, {"text": "said behind a call"}],
    [RESULT],
    [{"toolResult": {**RESULT["toolResult"], "status": "error"}}],
    [{"toolResult": {**RESULT["toolResult"], "content": [{"json": {"at": 21.5}}, PICTURE]}}],
    [RESULT, {"toolResult": {**RESULT["toolResult"], "toolUseId": "c2"}}, {"text": "and then"}],
    [{"reasoningContent": {"reasoningText": {"text": "I think.", "signature": "sig"}}}, CALL],
    [{"reasoningContent": {"redactedContent": b"\x00\x01"}}, {"text": "So."}],
    [{"cachePoint": {"type": "default"}}],
    [{"document": {"name": "a", "format": "pdf", "source": {"bytes": b"%PDF"}}}],
    [{"text": "typed", "type": "text"}, {"type": "tool_use", "id": 1, "name": "n", "input": {}}],
]
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS | VALUES,
        "type": st.sampled_from(["text", "tool_use", "tool_result", "thinking", "image"]),
        "toolUse": st.fixed_dictionaries(
            {}, optional={"toolUseId": TEXTS | VALUES, "name": TEXTS, "input": VALUES}
        )
        | VALUES,
        "toolResult": st.fixed_dictionaries(
            {},
            optional={
                "toolUseId": TEXTS | VALUES,
                "status": st.sampled_from(["success", "error"]) | VALUES,
                "content": st.lists(st.fixed_dictionaries({"text": TEXTS}), max_size=2) | VALUES,
            },
        )
        | VALUES,
        "image": VALUES,
    },
)
SPOKEN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        # The last is what another program's block looks like.
        "content": st.sampled_from([*CONTENTS, [{"type": "tool_result"}]])
        | st.lists(BLOCKS, max_size=3),
    },
    optional={"tracking_id": TEXTS, "metadata": VALUES},
)
INSTANTS = st.sampled_from(["2026-11-30T12:00:00.123456+00:00", "2026-11-30T12:00:00+00:00", "no"])


def said(text: str, number: int, role: Any = "user") -> SessionMessage:
    return SessionMessage({"role": role, "content": [{"text": text}]}, number)


def texts_of(listed: list[SessionMessage]) -> list[str]:
    return [one.to_message()["content"][0]["text"] for one in listed]


def begun(place: Any, *texts: str) -> LocalSessionRepository:
    """A repository with a session of an agent that said texts."""
    repository = LocalSessionRepository(place)
    repository.create_session(Session("s", SessionType.AGENT))
    repository.create_agent("s", SessionAgent("a", {}, {}))
    for number, text in enumerate(texts):
        repository.create_message("s", "a", said(text, number))
    return repository


def chat(place: Any, *texts: str, **options: Any) -> Agent:
    """An agent as it is after a restart, which is then told texts."""
    repository = LocalSessionRepository(place)
    manager = RepositorySessionManager(session_id="s", session_repository=repository)
    agent = Agent(
        model=StandIn(), tools=[weather], session_manager=manager, callback_handler=None, **options
    )
    for text in texts:
        agent(text)
    return agent


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request.param, tmp_path)


# -- fidelity --------------------------------------------------------------------------------------


@given(SPOKEN, st.none() | SPOKEN, INSTANTS)
def test_every_record_comes_back_equal(message: Any, redacted: Any, at: str) -> None:
    given = SessionMessage(message, 3, redacted, created_at=at).to_dict()
    [item] = SHAPE.items_of(SHAPE.message_of(item_of(given)))
    assert exactly(record_of(item)) == exactly(given)


@pytest.mark.parametrize("content", CONTENTS, ids=str)
def test_no_text_of_a_message_stands_twice(content: Any) -> None:
    redacted: Any = {"role": "assistant", "content": content}
    record = SessionMessage(redacted, 0, redacted).to_dict()
    texts = [text for text in strings_in(record["message"]) if len(text) > 4]
    stored = json.dumps(SHAPE.message_of(item_of(record))).replace("\\", "")
    assert [one for one in texts if stored.count(f'"{one}"') > texts.count(one)] == []


def strings_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings_in(one)]
    return [value] if isinstance(value, str) else []


MESSAGES = st.tuples(st.sampled_from(["create", "update"]), st.integers(-1, 5), SPOKEN)
STATES = st.dictionaries(KEYS, JSON | st.floats(), max_size=3)
AGENTS = st.tuples(st.just("agent"), st.sampled_from(["a", "b"]), STATES)


def test_what_strands_own_store_gives_back_ours_gives_back_or_refuses(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "ours", durability="fast")
    numbers = iter(range(10_000))

    def check(acts: list[Any], agent_id: str) -> None:
        name = f"s{next(numbers)}"
        theirs = FileSessionManager("x", str(tmp_path / name))
        ours = LocalSessionRepository(store)
        made = Session(name, SessionType.AGENT)
        both = (theirs, ours)
        for one in both:
            one.create_session(made)
            one.create_agent(name, SessionAgent("a", {}, {}, created_at="t", updated_at="u"))
        for act in acts:
            outcomes = [outcome(one, name, agent_id, act) for one in both]
            assert outcomes[0] == outcomes[1]
        assert read(ours, name, agent_id) == read(theirs, name, agent_id)
        assert read(LocalSessionRepository(store), name, agent_id) == read(theirs, name, agent_id)

    @given(st.lists(MESSAGES | AGENTS, max_size=6), st.sampled_from(["a", "b"]))
    @settings(max_examples=40)
    def all_of_them(acts: list[Any], agent_id: str) -> None:
        check(acts, agent_id)

    with store:
        all_of_them()


def outcome(repository: SessionRepository, session_id: str, agent_id: str, act: Any) -> Any:
    kind, which, what = act
    try:
        if kind == "agent":
            agent = SessionAgent(which, what, {"n": 1}, created_at="v", updated_at="w")
            repository.update_agent(session_id, agent)
            return agent.created_at
        message = SessionMessage(what, which, created_at="v", updated_at="w")
        if kind == "create":
            repository.create_message(session_id, agent_id, message)
        else:
            repository.update_message(session_id, agent_id, message)
        return message.created_at
    except SessionException:
        return "refused"


def read(repository: SessionRepository, session_id: str, agent_id: str) -> str:
    """What a repository gives back, as a text."""
    try:
        listed = [
            [one.to_dict() for one in repository.list_messages(session_id, agent_id, *window)]
            for window in ((), (2,), (2, 1), (None, 2), (0,))
        ]
    except SessionException:
        listed = []
    single = [repository.read_message(session_id, agent_id, number) for number in range(-2, 7)]
    agents = [repository.read_agent(session_id, one) for one in ("a", "b")]
    session = repository.read_session(session_id)
    told = [None if one is None else one.to_dict() for one in [*single, *agents, session]]
    return exactly([listed, told])


def test_what_the_store_would_change_is_refused_and_nothing_written(tmp_path: Path) -> None:
    repository = begun(tmp_path, "Hi")
    with pytest.raises(UnstorableValueError):
        repository.create_message("s", "a", said("\ud83d\ude00", 1))
    with pytest.raises(TypeError):
        repository.create_message(
            "s", "a", SessionMessage({"role": "user", "content": [{"text": {1}}]}, 1)
        )
    repository.create_message("s", "a", said("there", 1))
    assert texts_of(repository.list_messages("s", "a")) == ["Hi", "there"]


# -- a repository ----------------------------------------------------------------------------------


def test_an_agent_goes_on_after_a_restart_and_everybody_reads_it(place: str) -> None:
    chat(place, "asked first", state={"city": "Oslo"})
    agent = chat(place, "asked second")
    assert agent.state.get() == {"city": "Oslo"}
    assert [one["role"] for one in agent.messages] == ["user", "assistant"] * 4
    with SessionStore(place) as store:
        heard = [speech_of(one) for one in store.load("s").messages]
    assert [one.role for one in heard] == ["user", "assistant", "tool", "assistant"] * 2
    assert heard[1].calls == [("call_1", "weather", '{"city": "Oslo"}')]
    assert [(one.call_id, one.text) for one in heard[2].results] == [("call_1", "sunny in Oslo")]
    assert (heard[0].text, heard[7].text) == ("asked first", "It is sunny.")


def test_a_turn_reads_and_writes_none_of_the_earlier_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "one")

        def refused(*_: object, **__: object) -> None:
            raise AssertionError("it read the session")

        for verb in ("load", "edit", "save"):
            monkeypatch.setattr(store, verb, refused)
        repository.create_message("s", "a", said("two", 1))
        monkeypatch.undo()
        assert texts_of(repository.list_messages("s", "a")) == ["one", "two"]


def test_an_edited_message_reaches_the_model(tmp_path: Path) -> None:
    chat(tmp_path, "How?")
    with SessionStore(tmp_path) as store, store.edit("s") as edited:
        edited.messages[0]["content"] = "Hello"
        edited.messages[1]["tool_calls"][0]["function"]["arguments"] = "{}"  # type: ignore[index, call-overload]
        edited.messages[2]["content"] = "rain"
    messages = chat(tmp_path).messages
    assert messages[0]["content"] == [{"text": "Hello"}]
    assert messages[1]["content"][-1]["toolUse"]["input"] == {}
    assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": "rain"}]


OTHERS: list[Any] = [
    {"role": "system", "content": "You are another's."},
    {"role": "user", "content": "Hi"},
    {"role": "event", "other": {"title": "x"}},
    {"role": "assistant", "content": "One moment."},
    *(
        {
            "role": "assistant",
            "tool_calls": [{"id": one, "function": {"name": "f", "arguments": "{}"}}],
        }
        for one in ("t1", "t2")
    ),
    *({"role": "tool", "tool_call_id": one, "content": f"of {one}"} for one in ("t1", "t2")),
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
    },
]
HEARD: list[Any] = [
    {"role": "user", "content": [{"text": "Hi"}]},
    {
        "role": "assistant",
        "content": [
            {"text": "One moment."},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}},
            {"toolUse": {"toolUseId": "t2", "name": "f", "input": {}}},
        ],
    },
    {
        "role": "user",
        "content": [
            *(
                {
                    "toolResult": {
                        "toolUseId": one,
                        "status": "success",
                        "content": [{"text": f"of {one}"}],
                    }
                }
                for one in ("t1", "t2")
            ),
            {"text": "See"},
            {"image": {"format": "png", "source": {"bytes": b"A"}}},
            {"text": '{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}'},
        ],
    },
]


def test_an_agent_goes_on_with_a_chat_of_another_program(place: str) -> None:
    with SessionStore(place) as store:
        store.create("s", messages=OTHERS)
        managed = SummarizingConversationManager()  # its state has a name that others refuse
        assert chat(store, conversation_manager=managed).messages == HEARD
        chat(store, "And now?")
        assert chat(store).messages[: len(HEARD)] == HEARD
        assert store.load("s").messages[2]["other"] == {"title": "x"}
        assert [one["role"] for one in store.tail("s", 4)] == [
            *("user", "assistant", "tool", "assistant")
        ]
        # What others say later is history, too.
        store.append("s", {"role": "user", "content": "by the way"})
        assert chat(store).messages[-1]["content"] == [{"text": "by the way"}]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"city": "Oslo"}', {"city": "Oslo"}),
        ("5", {"input": 5}),
        ("[1]", {"input": [1]}),
        ("null", {"input": None}),
        ("Oslo", {"input": "Oslo"}),
    ],
)
def test_what_another_program_gave_a_tool_is_an_object_for_the_model(
    arguments: str, given: Any
) -> None:
    function: Any = {"name": "f", "arguments": arguments}
    [item] = SHAPE.items_of(
        {"role": "assistant", "tool_calls": [{"id": "t", "function": function}]}
    )
    told: Any = item["message"]
    assert told["content"] == [{"toolUse": {"toolUseId": "t", "name": "f", "input": given}}]


def test_another_agent_of_a_session_has_messages_of_its_own(place: str) -> None:
    repository = begun(place, "of the first")
    repository.create_agent("s", SessionAgent("b/c", {"x": 1}, {}))
    assert repository.list_messages("s", "b/c") == []
    repository.create_message("s", "b/c", said("of the second", 0))
    again = LocalSessionRepository(place)
    assert texts_of(again.list_messages("s", "a")) == ["of the first"]
    assert texts_of(again.list_messages("s", "b/c")) == ["of the second"]
    found = again.read_agent("s", "b/c")
    assert found is not None
    assert found.state == {"x": 1}
    [below] = again.store.list(parent="s")
    assert (below.session_id, below.agent_id) == (session_id_for("b/c", "s"), "b/c")
    again.delete_session("s")
    assert again.store.count() == 0
    assert {one.session_id for one in again.store.trash()} == {"s", below.session_id}


def test_two_writers_of_one_number_both_stay_and_a_redaction_finds_its_own(place: str) -> None:
    with SessionStore(place) as store:
        one = begun(store, "first")
        other = LocalSessionRepository(store)
        assert texts_of(other.list_messages("s", "a")) == ["first"]
        one.create_message("s", "a", said("of one", 1))
        mine = said("of the other", 1)
        other.create_message("s", "a", mine)
        store.append("s", {"role": "user", "content": "of nobody"})
        listed = one.list_messages("s", "a")
        assert texts_of(listed) == ["first", "of one", "of the other", "of nobody"]
        assert [it.message_id for it in listed] == [0, 1, 2, 3]
        mine.redact_message = {"role": "user", "content": [{"text": "[gone]"}]}
        other.update_message("s", "a", mine)
        assert texts_of(one.list_messages("s", "a"))[1:3] == ["of one", "[gone]"]
        last = listed[3]
        last.redact_message = {"role": "user", "content": [{"text": "[gone, too]"}]}
        one.update_message("s", "a", last)
        assert store.tail("s", 1)[0]["content"] == "[gone, too]"
        found = one.read_message("s", "a", 3)
        assert found is not None
        assert (found.to_message(), found.created_at) == (last.redact_message, last.created_at)


def test_two_agents_of_one_repository_lose_nothing_of_each_other(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "first")
        for text in ("of one", "of the other"):
            repository.create_message("s", "a", said(text, 1))
        repository.create_message("s", "a", said("of one, again", 2))
        assert texts_of(repository.list_messages("s", "a")) == [
            *("first", "of one", "of the other", "of one, again")
        ]


def test_a_redacted_message_is_gone_from_the_session(tmp_path: Path) -> None:
    agent = chat(tmp_path)
    manager: Any = agent._session_manager
    message: Any = {"role": "user", "content": [{"text": "my secret"}]}
    manager.append_message(message, agent)
    message["content"] = [{"text": "[redacted]"}]  # as Agent does
    manager.redact_latest_message(message, agent)
    assert chat(tmp_path).messages[-1]["content"] == [{"text": "[redacted]"}]
    stored = (tmp_path / "s.json").read_text()
    assert (stored.count("secret"), stored.count("[redacted]")) == (0, 1)


def test_a_message_that_was_written_and_not_confirmed_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "one")
        append = store.append

        def interrupted(*arguments: Any, **options: Any) -> Any:
            append(*arguments, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(store, "append", interrupted)
        two = said("two", 1)
        with pytest.raises(KeyboardInterrupt):
            repository.create_message("s", "a", two)
        monkeypatch.undo()
        repository.create_message("s", "a", two)
        assert texts_of(repository.list_messages("s", "a")) == ["one", "two"]


class Group:
    """As much of a group of agents as a repository asks for."""

    id = "group/1"

    def __init__(self, state: Any) -> None:
        self.state = state

    def serialize_state(self) -> Any:
        return self.state


def test_a_group_of_agents_has_a_state(place: str) -> None:
    repository: Any = begun(place, "Hi")
    assert repository.read_multi_agent("s", Group.id) is None
    with pytest.raises(SessionException, match="create_multi_agent"):
        repository.update_multi_agent("s", Group({}))
    repository.create_multi_agent("s", Group({"type": "graph", "nodes": ("a", "b")}))
    repository.update_multi_agent("s", Group({"type": "graph", "next": float("inf")}))
    again = LocalSessionRepository(place)
    assert again.read_multi_agent("s", Group.id) == {"type": "graph", "next": float("inf")}
    assert again.read_multi_agent("none", Group.id) is None
    assert texts_of(again.list_messages("s", "a")) == ["Hi"]


def test_the_module_of_another_framework_is_no_agent_and_stays(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store)
        with store.edit("s") as session:
            session.modules = {**session.modules, "planner": {"memory": [1]}}
        assert repository.read_agent("s", "planner") is None
        repository.create_agent("s", SessionAgent("planner", {"x": 1}, {}))
        assert store.load("s").modules["planner"]["memory"] == [1]  # type: ignore[index, call-overload]


def test_what_is_not_there_is_none_or_refused_and_makes_no_file(tmp_path: Path) -> None:
    repository = LocalSessionRepository(tmp_path)
    assert repository.read_session("s") is None
    assert repository.read_agent("s", "a") is None
    assert repository.read_message("s", "a", 0) is None
    refused: list[Callable[[], Any]] = [
        lambda: repository.create_agent("s", SessionAgent("a", {}, {})),
        lambda: repository.update_agent("s", SessionAgent("a", {}, {})),
        lambda: repository.create_message("s", "a", said("Hi", 0)),
        lambda: repository.update_message("s", "a", said("Hi", 0)),
        lambda: repository.list_messages("s", "a"),
        lambda: repository.delete_session("s"),
        lambda: repository.create_multi_agent("s", Group({})),
    ]
    for act in refused:
        with pytest.raises(SessionException, match="does not exist"):
            act()
    assert repository.store.count() == 0
    begun(repository.store)
    for act in (
        lambda: repository.update_agent("s", SessionAgent("b", {}, {})),
        lambda: repository.update_message("s", "a", said("Hi", 0)),
        lambda: repository.list_messages("s", "b"),
    ):
        with pytest.raises(SessionException, match="does not exist"):
            act()
    with pytest.raises(SessionException, match="already exists"):
        repository.create_session(Session("s", SessionType.AGENT))
    with pytest.raises(ValueError, match="must be an integer"):
        repository.create_message("s", "a", said("Hi", "0"))  # type: ignore[arg-type]


def test_a_session_that_another_process_deleted_is_refused(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "Hi")
        repository.create_agent("s", SessionAgent("b", {}, {}))
        LocalSessionRepository(store).delete_session("s")
        for agent_id in ("a", "b"):
            with pytest.raises(SessionException, match="does not exist"):
                repository.create_message("s", agent_id, said("there", 1))
        assert store.count() == 0


def test_a_message_of_a_known_number_is_refused_in_a_deleted_session(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "Hi")
        repository.create_agent("s", SessionAgent("b", {}, {}))
        repository.create_message("s", "b", said("of b", 0))
        store.delete(session_id_for("b", "s"))
        with pytest.raises(SessionException, match=r"agent b in session s were deleted"):
            repository.create_message("s", "b", said("of b", 0))
        repository.create_message("s", "b", said("of b", 0))
        LocalSessionRepository(store).delete_session("s")
        for agent_id in ("a", "b"):
            with pytest.raises(SessionException, match="Session s does not exist"):
                repository.create_message("s", agent_id, said("there", 0))
        assert store.count() == 0


def test_a_session_that_is_deleted_while_a_message_is_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(tmp_path) as store:
        repository = begun(store, "Hi")
        edit = store.edit

        def too_late(session_id: str) -> Any:
            store.delete(session_id)
            return edit(session_id)

        writes: list[Callable[..., Any]] = [repository.create_message, repository.update_message]
        for write in writes:
            monkeypatch.setattr(store, "edit", too_late)
            with pytest.raises(SessionException, match="Session s does not exist"):
                write("s", "a", said("there", 0))
            monkeypatch.undo()
            begun(store, "Hi")


def test_a_session_that_is_made_anew_with_another_main_agent_has_that_ones_chat(place: str) -> None:
    with SessionStore(place) as store:
        repository = begun(store, "Hi")
        repository.create_agent("s", SessionAgent("b", {}, {}))
        elsewhere = LocalSessionRepository(store)
        elsewhere.delete_session("s")
        elsewhere.create_session(Session("s", SessionType.AGENT))
        elsewhere.create_agent("s", SessionAgent("b", {}, {}))
        for agent_id in ("a", "b"):
            repository.create_message("s", agent_id, said(f"of {agent_id}", 1))
        assert [one["content"] for one in store.load("s").messages] == ["of b"]
        again = LocalSessionRepository(store)
        assert [texts_of(again.list_messages("s", one)) for one in "ab"] == [["of a"], ["of b"]]


def test_a_broken_file_raises_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"messages": [')
    repository = LocalSessionRepository(tmp_path)
    acts: list[Callable[[], Any]] = [
        lambda: repository.read_session("s"),
        lambda: repository.read_agent("s", "a"),
        lambda: repository.create_message("s", "a", said("Hi", 0)),
        lambda: repository.list_messages("s", "a"),
    ]
    for act in acts:
        with pytest.raises(UnreadableSessionError):
            act()
    assert (tmp_path / "s.json").read_text() == '{"messages": ['


@pytest.mark.parametrize("name", ["a:b", "..", "CON", "", "Chat", "x" * 400, "tenant/user"])
def test_any_text_names_a_session_and_an_agent(tmp_path: Path, name: str) -> None:
    repository = LocalSessionRepository(tmp_path)
    repository.create_session(Session(name, SessionType.AGENT))
    for agent_id in ("a", name):
        repository.create_agent(name, SessionAgent(agent_id, {}, {}))
        repository.create_message(name, agent_id, said(agent_id, 0))
    again = LocalSessionRepository(tmp_path)
    found = again.read_session(name)
    assert found is not None
    assert found.session_id == name
    assert [texts_of(again.list_messages(name, one)) for one in ("a", name)] == [["a"], [name]]


# -- a storage -------------------------------------------------------------------------------------


def test_it_is_a_storage_and_a_repository_of_strands(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        assert isinstance(LocalStorage(store), Storage)
        assert isinstance(LocalSessionRepository(store), SessionRepository)
        assert repr(LocalStorage(store).namespace("x")) == f"LocalStorage({store.save_dir!r}, 'x/')"


def test_a_search_strategy_has_a_folder_for_each_namespace_and_none_on_a_server(
    place: str,
) -> None:
    storage = LocalStorage(place, search_strategy=Bm25SearchStrategy())
    if place.startswith("postgresql:"):
        with pytest.raises(StorageError, match="has no folder"):
            asyncio.run(storage.write("a", b"dark"))
        return
    for name in ("a", "b"):
        asyncio.run(storage.namespace(name).write("k", f"dark {name}".encode()))
    found = asyncio.run(storage.namespace("a").search("dark"))
    assert [one.key for one in found] == ["k"]
    assert asyncio.run(storage.namespace("b").search("a")) == []


NAMES = st.sampled_from(["a", "a/b", "A", "a@b", "b//a", "/a/", "é", "x" * 200, "", "..", "a\\b"])
SNAPSHOTS = st.fixed_dictionaries(
    {"data": st.fixed_dictionaries({"messages": st.lists(SPOKEN, max_size=2), "state": JSON})}
)
DATA = (
    st.binary(max_size=8)
    | TEXTS.map(str.encode)
    | (JSON | SNAPSHOTS.map(encode_bytes_values)).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode()
    )
)


def test_a_storage_gives_back_what_strands_own_gives_back(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "ours", durability="fast")
    numbers = iter(range(10_000))

    async def check(acts: list[Any]) -> None:
        name = f"n{next(numbers)}"
        theirs: Any = LocalFileStorage(str(tmp_path / "theirs")).namespace(name)
        ours: Any = LocalStorage(store).namespace(name)
        for kind, key, data in acts:
            told = [
                await told_of(one.write(key, data) if kind == "write" else one.delete(key))
                for one in (theirs, ours)
            ]
            if told[0] != told[1]:  # a file system has no file in the place of a folder
                assert told == ["refused", "done"]
                return
        keys = await theirs.list("")
        assert await ours.list("") == keys
        assert await ours.list("a") == await theirs.list("a")
        for key in keys:
            assert await ours.read(key) == await theirs.read(key)
        assert await ours.search("a") == await theirs.search("a")

    @given(st.lists(st.tuples(st.sampled_from(["write", "delete"]), NAMES, DATA), max_size=4))
    @settings(max_examples=20)
    def all_of_them(acts: list[Any]) -> None:
        asyncio.run(check(acts))

    with store:
        all_of_them()


async def told_of(act: Any) -> str:
    try:
        await act
    except StorageError:
        return "refused"
    return "done"


@given(DATA)
def test_data_comes_back_to_the_byte(data: bytes) -> None:
    stored = Stored(session_id="s")
    put_data(stored, "key", data)
    assert data_of(stored) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1e5}',
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a":1}',
        b'"\\ud83d"',
        b"[" * 500 + b"]" * 500,
        b"\xff\x00",
        b'{"data": {"messages": [{"role": "user"}, 5]}}',
        b'{"data": {"messages": [{"content": [{"text": "other order"}], "role": "user"}]}}',
        b'{"data": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "b": 1}, "a": 2}',
        b'{"data": {"messages": []}}',
        "é\r\n".encode(),
        b"",
    ],
)
def test_odd_data_comes_back_to_the_byte(tmp_path: Path, data: bytes) -> None:
    storage = LocalStorage(tmp_path)
    asyncio.run(storage.write("k", data))
    storage.close()
    assert asyncio.run(LocalStorage(tmp_path).read("k")) == data


def snapshot_chat(place: Any, *texts: str) -> Agent:
    manager = SnapshotSessionManager("s", storage=LocalStorage(place))
    agent = Agent(model=StandIn(), tools=[weather], session_manager=manager, callback_handler=None)
    for text in texts:
        agent(text)
    return agent


def test_the_chat_of_a_snapshot_is_readable_once_and_an_edit_reaches_the_agent(place: str) -> None:
    snapshot_chat(place, "asked first")
    with SessionStore(place) as store:
        [before] = store.list()
        ids = [one["id"] for one in store.load(before.session_id).messages]
    snapshot_chat(place, "asked second")
    with SessionStore(place) as store:
        [found] = store.list()
        session = store.load(found.session_id)
        assert [one["id"] for one in session.messages[:4]] == ids
        assert [one["role"] for one in session.messages] == [
            *("user", "assistant", "tool", "assistant") * 2
        ]
        assert store.raw(found.session_id).count(b"asked first") == 1
        assert [hit.session.session_id for hit in store.search("asked first")] == [found.session_id]
        store.append(found.session_id, {"role": "user", "content": "a note"})
        with store.edit(found.session_id) as edited:
            edited.messages[0]["content"] = "asked otherwise"
    agent = snapshot_chat(place, "asked third")
    assert len(agent.messages) == 12
    assert agent.messages[0]["content"] == [{"text": "asked otherwise"}]
    with SessionStore(place) as store:
        assert store.tail(found.session_id, 1)[0]["content"] == "a note"


def test_a_deleted_value_is_in_the_trash_and_a_broken_one_an_error(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    asyncio.run(storage.write("a/b", b"1"))
    for _ in range(2):
        asyncio.run(storage.delete("a/b"))
    assert (asyncio.run(storage.read("a/b")), asyncio.run(storage.list(""))) == (None, [])
    assert len(storage.store.trash()) == 1
    asyncio.run(storage.write("a/b", b"2"))
    [path] = tmp_path.glob("*.json")
    path.write_text("{")
    for act in (storage.read("a/b"), storage.write("a/b", b"3")):
        with pytest.raises(StorageError, match="'a/b'"):
            asyncio.run(act)
    assert path.read_text() == "{"


def test_of_odd_keys_only_so_many_are_remembered_and_all_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_REMEMBERED", 2)

    async def check() -> None:
        ours = LocalStorage(tmp_path)
        keys = ["x" * 200 + letter for letter in "abcd"]
        for key in keys:
            await ours.write(key, b"1")
        for _ in range(2):
            assert await ours.list("") == keys
        assert len(ours._keys) == 2

    asyncio.run(check())


def test_a_view_keeps_the_store_open_that_its_storage_opened(tmp_path: Path) -> None:
    view = LocalStorage(tmp_path).namespace("x")
    asyncio.run(view.write("k", b"1"))
    assert asyncio.run(view.read("k")) == b"1"


def test_writes_on_one_key_are_in_the_order_of_the_calls_and_a_cancelled_one_is_done(
    tmp_path: Path,
) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def acts() -> None:
        storage = LocalStorage(tmp_path)
        edit = storage.store.edit

        def slow(*arguments: Any) -> Any:
            began.set()
            go_on.wait()
            return edit(*arguments)

        storage.store.edit = slow  # type: ignore[method-assign, assignment]
        first = asyncio.create_task(storage.write("k", b"1"))
        await asyncio.to_thread(began.wait)
        later = [asyncio.create_task(storage.write("k", b"%d" % one)) for one in range(2, 6)]
        first.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.gather(*later)
        assert await storage.read("k") == b"5"

    asyncio.run(acts())


# -- all -------------------------------------------------------------------------------------------


def test_without_strands_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['strands'] = None\n"
        "try: import localsessions.adapters.strands\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "localsessions[strands]"' in done.stdout
