"""S27: agents and memories of agentscope itself, with a model that needs no network."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import needs
import pytest
from document.values import JSON, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionStore
from localsessions.adapters.agentscope import JSONSession, SessionBase, SqliteSession, StateModule
from localsessions.adapters.document import speech_of

if lacking := needs.of_module("agentscope"):
    pytest.skip(lacking, allow_module_level=True)

from agentscope.agent import AgentBase, ReActAgent
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg, TextBlock, ToolUseBlock
from agentscope.model import ChatModelBase, ChatResponse
from agentscope.session import JSONSession as TheirJSONSession
from agentscope.tool import Toolkit, ToolResponse

Make = Callable[[], SessionBase]


class StandIn(ChatModelBase):  # type: ignore[misc]
    """A model that answers in turn what it was given, and remembers what it was sent."""

    def __init__(self, *answers: list[Any]) -> None:
        super().__init__("stand-in", stream=False)
        self.answers = list(answers)
        self.sent: list[list[str]] = []
        self.got: list[list[dict[str, Any]]] = []

    async def __call__(self, messages: list[dict[str, Any]], **_: Any) -> Any:
        self.got.append(messages)
        self.sent.append([texts(message) for message in messages])
        said = TextBlock(type="text", text=f"answer to {len(messages)} messages")
        return ChatResponse(content=self.answers.pop(0) if self.answers else [said])


def texts(message: dict[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def friday(model: StandIn, **options: Any) -> Any:
    agent = ReActAgent(
        name="Friday",
        sys_prompt="You help.",
        model=model,
        formatter=OpenAIChatFormatter(),
        **options,
    )
    agent.set_console_output_enabled(False)
    return agent


def said(agent: Any) -> list[tuple[str, str]]:
    return [(msg.role, msg.get_text_content()) for msg in asyncio.run(agent.memory.get_memory())]


@pytest.fixture(params=["json", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "json":
        return lambda: JSONSession(save_dir=tmp_path)
    return lambda: SqliteSession(tmp_path / "sessions.db")


async def turn(session: SessionBase, session_id: str, agent: Any, text: str) -> None:
    await session.load_session_state(session_id, friday_of_user=agent)
    await agent(Msg("user", text, "user"))
    await session.save_session_state(session_id, friday_of_user=agent)


def test_a_react_agent_goes_on_where_another_one_stopped(make: Make) -> None:
    """S27, S12: the model is sent what was said before; two users do not mix."""
    asyncio.run(turn(make(), "alice", friday(StandIn()), "Покажи файлы"))
    asyncio.run(turn(make(), "bob", friday(StandIn()), "Hello"))
    model = StandIn()
    agent = friday(model)
    agent.name = "another name"
    asyncio.run(turn(make(), "alice", agent, "and now?"))
    assert "Покажи файлы" in model.sent[0][1]
    assert ["Hello" in one for one in model.sent[0]] == [False] * 4
    assert said(agent) == [
        ("user", "Покажи файлы"),
        ("assistant", "answer to 2 messages"),
        ("user", "and now?"),
        ("assistant", "answer to 4 messages"),
    ]
    assert agent.name == "Friday"


def test_a_tool_call_and_its_result_come_back_as_they_were(make: Make) -> None:
    """S27: blocks of every kind."""

    def list_files(folder: str) -> Any:
        return ToolResponse(content=[TextBlock(type="text", text=f"{folder}: a.txt, б.txt")])

    toolkit = Toolkit()
    toolkit.register_tool_function(list_files)
    call = ToolUseBlock(type="tool_use", id="call_1", name="list_files", input={"folder": "."})
    agent = friday(StandIn([call]), toolkit=toolkit)
    asyncio.run(turn(make(), "s", agent, "list"))
    again = friday(StandIn())
    asyncio.run(make().load_session_state("s", False, friday_of_user=again))
    before = [msg.to_dict() for msg in asyncio.run(agent.memory.get_memory())]
    after = [msg.to_dict() for msg in asyncio.run(again.memory.get_memory())]
    assert after == before
    assert "б.txt" in json.dumps(after, ensure_ascii=False)


def test_a_memory_alone_and_an_agent_of_ones_own_are_modules(make: Make) -> None:
    """S27: InMemoryMemory, AgentBase."""

    class Counter(AgentBase):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.count = 0
            self.register_state("count")
            self.memory = InMemoryMemory()

    memory, counter = InMemoryMemory(), Counter()
    asyncio.run(memory.add(Msg("user", "half \ud83d of a pair", "user")))
    asyncio.run(counter.memory.add(Msg("user", "in the agent", "user"), marks="hint"))
    counter.count = 2**70
    asyncio.run(make().save_session_state("s", memory=memory, counter=counter))
    again, other = InMemoryMemory(), Counter()
    asyncio.run(make().load_session_state("s", False, memory=again, counter=other))
    assert again.state_dict() == memory.state_dict()
    assert (other.count, other.state_dict()) == (2**70, counter.state_dict())


def test_a_module_of_ours_nests_one_of_agentscope(make: Make) -> None:
    """S25, S27: by assignment."""

    class Desk(StateModule):
        def __init__(self) -> None:
            super().__init__()
            self.memory = InMemoryMemory()

    desk, again = Desk(), Desk()
    asyncio.run(desk.memory.add(Msg("user", "on the desk", "user")))
    asyncio.run(make().save_session_state("s", desk=desk))
    asyncio.run(make().load_session_state("s", False, desk=again))
    assert [msg.content for msg in asyncio.run(again.memory.get_memory())] == ["on the desk"]


@pytest.mark.parametrize("name", ["friday_of_user", "memory", "messages", "state"])
def test_a_file_of_agentscopes_own_session_is_loaded_and_taken_over(
    tmp_path: Path, name: str
) -> None:
    """S18, D13: whatever the module is called, with half a surrogate pair in the text."""
    agent = friday(StandIn())
    asyncio.run(agent(Msg("user", "half \ud83d of a pair", "user")))
    theirs: Any = TheirJSONSession(save_dir=str(tmp_path))
    asyncio.run(theirs.save_session_state("s", **{name: agent}))
    ours, again = JSONSession(save_dir=tmp_path, strict=True), friday(StandIn())
    asyncio.run(ours.load_session_state("s", False, **{name: again}))
    assert said(again) == said(agent)
    asyncio.run(ours.save_session_state("s", other=InMemoryMemory()))
    after = friday(StandIn())
    asyncio.run(ours.load_session_state("s", False, **{name: after, "other": InMemoryMemory()}))
    ours.close()
    assert said(after) == said(agent)
    with SessionStore(tmp_path) as store:
        assert [(each.session_id, each.status) for each in store.list()] == [("s", "active")]


OTHER_PROCESS = """
import asyncio, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.."]  # the tests beside it, and what all share
from test_agentscope_real import JSONSession, StandIn, friday, turn
model = StandIn()
asyncio.run(turn(JSONSession(save_dir=sys.argv[2]), "alice", friday(model), "and now?"))
print(len(model.sent[0]))
"""


def test_the_flow_of_the_document_over_two_processes(tmp_path: Path) -> None:
    """S8, S12, S27: two users, several modules, one shared; then another process goes on."""
    session, shared = JSONSession(save_dir=tmp_path), InMemoryMemory()
    asyncio.run(shared.add(Msg("system", "known to all", "system")))
    for user in ("alice", "bob"):
        agent = friday(StandIn())
        asyncio.run(agent(Msg("user", f"I am {user}", "user")))
        asyncio.run(session.save_session_state(user, friday_of_user=agent, shared=shared))
    command = [sys.executable, "-c", OTHER_PROCESS, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    alice, bob, both = friday(StandIn()), friday(StandIn()), InMemoryMemory()
    asyncio.run(session.load_session_state("alice", False, friday_of_user=alice, shared=both))
    asyncio.run(session.load_session_state("bob", False, friday_of_user=bob))
    session.close()
    assert [text for role, text in said(alice) if role == "user"] == ["I am alice", "and now?"]
    assert [text for role, text in said(bob) if role == "user"] == ["I am bob"]
    assert [msg.content for msg in asyncio.run(both.get_memory())] == ["known to all"]


def test_an_agent_goes_on_with_what_others_said_and_they_read_what_it_said(tmp_path: Path) -> None:
    """S12, S27: in the types of its model's interface."""

    def list_files(folder: str) -> Any:
        return ToolResponse(content=[TextBlock(type="text", text=f"{folder}: a.txt")])

    toolkit = Toolkit()
    toolkit.register_tool_function(list_files)
    with SessionStore(tmp_path) as store:
        store.create("s")
        call = {"id": "c0", "type": "function"}
        function = {"name": "list_files", "arguments": '{"folder": "/"}'}
        store.append(
            "s",
            {"role": "user", "content": "asked of nobody"},
            {"role": "assistant", "tool_calls": [{**call, "function": function}]},
            {"role": "tool", "tool_call_id": "c0", "content": "/: b.txt"},
            {"role": "assistant", "content": "answered by nobody"},
        )
        block = {"id": "c1", "name": "list_files", "input": {"folder": "."}}
        model = StandIn([ToolUseBlock(type="tool_use", **block, raw_input='{"folder":"."}')])
        agent = friday(model, toolkit=toolkit)
        asyncio.run(turn(JSONSession(save_dir=tmp_path), "s", agent, "asked of Friday"))
        told = model.got[0]
        assert [one["role"] for one in told] == [
            *("system", "user", "assistant", "tool", "assistant", "user"),
        ]
        assert told[2]["tool_calls"] == [{**call, "function": function}]
        assert (told[3]["name"], told[3]["content"]) == ("list_files", "/: b.txt")
        read = [speech_of(one) for one in store.load("s").messages[4:]]
        assert [(one.role, one.text) for one in read if one.text] == [
            ("user", "asked of Friday"),
            ("assistant", "answer to 8 messages"),
        ]
        assert read[1].calls == [("c1", "list_files", '{"folder":"."}')]
        assert [(one.call_id, one.name, one.text) for one in read[2].results] == [
            ("c1", "list_files", ".: a.txt")
        ]
        written = store.raw("s").decode()
    for text in ("asked of nobody", "b.txt", "asked of Friday", ": a.txt", 'folder\\":\\".'):
        assert written.count(text) == 1, text
    agent = friday(StandIn())
    asyncio.run(JSONSession(save_dir=tmp_path).load_session_state("s", False, friday_of_user=agent))
    assert len(said(agent)) == 8


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BLOCKS: Any = st.one_of(
    st.builds(dict, type=st.just("text"), text=TEXTS),
    st.builds(dict, type=st.just("thinking"), thinking=TEXTS),
    st.builds(
        dict,
        type=st.just("tool_use"),
        id=TEXTS,
        name=TEXTS,
        input=st.dictionaries(TEXTS, JSON, max_size=2),
        raw_input=TEXTS | st.just("{}"),
    ),
    st.builds(
        dict,
        type=st.just("tool_result"),
        id=TEXTS,
        name=TEXTS,
        output=TEXTS | st.just([{"type": "text", "text": "told"}]),
    ),
)
MSGS = st.builds(
    Msg,
    TEXTS,
    TEXTS | st.lists(BLOCKS, max_size=4),
    st.sampled_from(["user", "assistant", "system"]),
    st.none() | st.dictionaries(TEXTS, JSON, max_size=2),
)


def test_what_agentscopes_own_session_gives_back_ours_gives_back(tmp_path: Path) -> None:
    """S18, S27: any Msgs, with marks, in two memories that share some."""
    theirs: Any = TheirJSONSession(save_dir=str(tmp_path / "theirs"))
    ours = JSONSession(save_dir=tmp_path / "ours", durability="fast")
    numbers = iter(range(10_000))

    async def check(msgs: list[Any], marks: list[str], shared: int) -> None:
        name = f"s{next(numbers)}"
        one, two = InMemoryMemory(), InMemoryMemory()
        for part in (slice(0, 2), slice(2, None)):
            await one.add(msgs[part], marks=marks)
            await two.add(msgs[shared:])
            await two.delete([msg.id for msg in msgs[:1]])
            for session in (theirs, ours):
                await session.save_session_state(name, one=one, two=two)
        states = []
        for session in (theirs, ours):
            memories = {"one": InMemoryMemory(), "two": InMemoryMemory()}
            await session.load_session_state(name, **memories)
            states.append(exactly({key: memory.state_dict() for key, memory in memories.items()}))
        assert states[1] == states[0]

    @given(st.lists(MSGS, max_size=4), st.lists(TEXTS, max_size=2), st.integers(0, 3))
    @settings(max_examples=25)
    def all_of_them(msgs: list[Any], marks: list[str], shared: int) -> None:
        asyncio.run(check(msgs, marks, shared))

    all_of_them()
    ours.close()
