"""One session, turn by turn through several frameworks: each sees all that was said before."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import needs
import pytest
from document.places import PLACES, place_of

from localsessions import SessionStore

if lacking := needs.of_module("openai agents", "claude agent", "langgraph"):
    pytest.skip(lacking, allow_module_level=True)

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import MessagesState, StateGraph

from localsessions.adapters.claude_agent import LocalSessionStore
from localsessions.adapters.langgraph import LocalSaver
from localsessions.adapters.openai_agents import LocalSession

OPENAI: list[Any] = [
    {"role": "user", "content": "asked of OpenAI"},
    {
        "type": "function_call",
        "id": "f",
        "call_id": "c1",
        "name": "w",
        "arguments": '{"at": "Oslo"}',
    },
    {"type": "function_call_output", "call_id": "c1", "output": "sunny in Oslo"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "answered by OpenAI", "annotations": []}],
    },
]
CLAUDE: list[Any] = [
    {
        "type": kind,
        "uuid": f"00000000-0000-0000-0000-00000000000{number}",
        "timestamp": "2026-11-30T12:00:00.000Z",
        "message": {"role": kind, "content": content},
    }
    for number, (kind, content) in enumerate(
        [
            ("user", "asked of Claude"),
            ("assistant", [{"type": "tool_use", "id": "c2", "name": "w", "input": {"at": "Rome"}}]),
            ("user", [{"type": "tool_result", "tool_use_id": "c2", "content": "rain in Rome"}]),
            ("assistant", [{"type": "text", "text": "answered by Claude"}]),
        ]
    )
]
KEY: Any = {"project_key": "-home", "session_id": "relay"}


def said_by_a_graph() -> list[Any]:
    call: Any = {"name": "w", "args": {"at": "Bonn"}, "id": "c3"}
    result = ToolMessage("snow in Bonn", tool_call_id="c3")
    return [AIMessage("", tool_calls=[call]), result, AIMessage("answered by LangGraph")]


def turn_of_langgraph(place: str) -> list[Any]:
    """A turn of a graph: all that it was told of before, as fields, and what it says now."""
    made: Any = StateGraph(MessagesState).add_node("say", lambda _: {"messages": said_by_a_graph()})
    with LocalSaver(place) as saver:
        graph = made.set_entry_point("say").compile(checkpointer=saver)
        turn = {"messages": [HumanMessage("asked of LangGraph")]}
        said = graph.invoke(turn, {"configurable": {"thread_id": "relay"}})
    return [told(one) for one in said["messages"]]


def told(message: Any) -> Any:
    calls = [(one["id"], one["name"], one["args"]) for one in getattr(message, "tool_calls", ())]
    return message.type, message.content, calls or getattr(message, "tool_call_id", None)


@pytest.mark.parametrize("kind", PLACES)
def test_each_sees_what_was_said_in_the_others_in_its_own_types(kind: str, tmp_path: Path) -> None:
    place = place_of(kind, tmp_path)
    asyncio.run(LocalSession(place, "relay").add_items(OPENAI))
    claude: Any = asyncio.run(LocalSessionStore(place).load(KEY))
    assert [one["message"]["content"] for one in claude] == [
        [{"type": "text", "text": "asked of OpenAI"}],
        [{"type": "tool_use", "id": "c1", "name": "w", "input": {"at": "Oslo"}}],
        [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "sunny in Oslo"}],
            }
        ],
        [{"type": "text", "text": "answered by OpenAI"}],
    ]
    asyncio.run(LocalSessionStore(place).append(KEY, CLAUDE))
    items: list[Any] = asyncio.run(LocalSession(place, "relay").get_items())
    assert items == [
        *OPENAI,
        {"role": "user", "content": "asked of Claude"},
        {"type": "function_call", "call_id": "c2", "name": "w", "arguments": '{"at": "Rome"}'},
        {"type": "function_call_output", "call_id": "c2", "output": "rain in Rome"},
        {"role": "assistant", "content": "answered by Claude"},
    ]
    before = [
        ("human", "asked of OpenAI", None),
        ("ai", "", [("c1", "w", {"at": "Oslo"})]),
        ("tool", "sunny in Oslo", "c1"),
        ("ai", "answered by OpenAI", None),
        ("human", "asked of Claude", None),
        ("ai", "", [("c2", "w", {"at": "Rome"})]),
        ("tool", "rain in Rome", "c2"),
        ("ai", "answered by Claude", None),
    ]
    own = [("human", "asked of LangGraph", None), *map(told, said_by_a_graph())]
    assert turn_of_langgraph(place) == [*before, *own]
    items = asyncio.run(LocalSession(place, "relay").get_items())
    assert items[8:] == [
        {"role": "user", "content": "asked of LangGraph"},
        {"type": "function_call", "call_id": "c3", "name": "w", "arguments": '{"at": "Bonn"}'},
        {"type": "function_call_output", "call_id": "c3", "output": "snow in Bonn"},
        {"role": "assistant", "content": "answered by LangGraph"},
    ]
    with SessionStore(place) as store:
        store.append("relay", {"role": "user", "content": "asked of nobody"})
        assert store.count() == 1
        messages = store.load("relay").messages
    last: Any = asyncio.run(LocalSessionStore(place).load(KEY))
    assert last[4:8] == CLAUDE
    assert last[12]["message"]["content"] == [{"type": "text", "text": "asked of nobody"}]
    again = turn_of_langgraph(place)
    assert again == [*before, *own, ("human", "asked of nobody", None), *own]
    for said in ("asked of OpenAI", "sunny in Oslo", "answered by OpenAI", "rain in Rome"):
        assert json.dumps(messages).count(said) == 1


@pytest.mark.needs("pydantic ai")
@pytest.mark.parametrize("kind", PLACES)
def test_pydantic_ai_goes_on_with_what_others_said_and_they_with_what_it_said(
    kind: str, tmp_path: Path
) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, UserPromptPart
    from pydantic_ai.models.function import FunctionModel

    from localsessions.adapters.pydantic_ai import LocalConversationStore

    def answers(messages: list[Any], _: Any) -> ModelResponse:
        if isinstance(messages[-1].parts[-1], UserPromptPart):
            return ModelResponse([ToolCallPart("w", {"at": "Bonn"}, "c3")])
        return ModelResponse([TextPart("answered by pydantic-ai")])

    agent = Agent(FunctionModel(answers))
    agent.tool_plain(name="w")(lambda at: f"snow in {at}")

    async def turn(store: LocalConversationStore) -> list[Any]:
        conversation: Any = await store.load("relay")
        result = await agent.run("asked of pydantic-ai", conversation=conversation)
        await store.save(result)
        return [part for one in conversation.messages for part in one.parts]

    place = place_of(kind, tmp_path)
    asyncio.run(LocalSession(place, "relay").add_items(OPENAI))
    asyncio.run(LocalSessionStore(place).append(KEY, CLAUDE))
    with SessionStore(place) as store:
        store.append("relay", {"role": "user", "content": "asked of nobody"})
    parts = asyncio.run(turn(LocalConversationStore(place)))
    assert [(part.part_kind, getattr(part, "content", None)) for part in parts] == [
        ("user-prompt", "asked of OpenAI"),
        ("tool-call", None),
        ("tool-return", "sunny in Oslo"),
        ("text", "answered by OpenAI"),
        ("user-prompt", "asked of Claude"),
        ("tool-call", None),
        ("tool-return", "rain in Rome"),
        ("text", "answered by Claude"),
        ("user-prompt", "asked of nobody"),
    ]
    assert [(parts[at].tool_name, parts[at].tool_call_id) for at in (1, 2, 5, 6)] == [
        *(("w", "c1"), ("w", "c1"), ("w", "c2"), ("w", "c2"))
    ]
    assert [parts[at].args_as_dict() for at in (1, 5)] == [{"at": "Oslo"}, {"at": "Rome"}]
    items: list[Any] = asyncio.run(LocalSession(place, "relay").get_items())
    assert items[-4:] == [
        {"role": "user", "content": "asked of pydantic-ai"},
        {"type": "function_call", "call_id": "c3", "name": "w", "arguments": '{"at": "Bonn"}'},
        {"type": "function_call_output", "call_id": "c3", "output": "snow in Bonn"},
        {"role": "assistant", "content": "answered by pydantic-ai"},
    ]
    claude: Any = asyncio.run(LocalSessionStore(place).load(KEY))
    assert [one["message"]["content"][0]["type"] for one in claude[-4:]] == [
        *("text", "tool_use", "tool_result", "text")
    ]
    with SessionStore(place) as store:
        assert store.count() == 1
        stored = json.dumps(store.load("relay").messages)
    for said in ("asked of OpenAI", "rain in Rome", "asked of pydantic-ai", "snow in Bonn"):
        assert stored.count(said) == 1


ADK: list[Any] = [
    ("user", "user", {"text": "asked of ADK"}),
    ("bot", "model", {"function_call": {"id": "c3", "name": "w", "args": {"at": "Bern"}}}),
    (
        "bot",
        "user",
        {"function_response": {"id": "c3", "name": "w", "response": {"result": "snow in Bern"}}},
    ),
    ("bot", "model", {"text": "answered by ADK"}),
]


@pytest.mark.needs("google adk")
@pytest.mark.parametrize("kind", PLACES)
def test_adk_sees_and_is_seen(kind: str, tmp_path: Path) -> None:
    from google.adk.events import Event

    from localsessions.adapters.google_adk import LocalSessionService

    place = place_of(kind, tmp_path)
    key: Any = {"app_name": "app", "user_id": "u", "session_id": "relay"}
    asyncio.run(LocalSession(place, "relay").add_items(OPENAI))
    asyncio.run(LocalSessionStore(place).append(KEY, CLAUDE))

    async def turn() -> Any:
        service = LocalSessionService(place, agent_name="bot")
        session: Any = await service.get_session(**key)
        for number, (author, role, part) in enumerate(ADK):
            fields = {"author": author, "invocation_id": "i", "id": f"e{number}"}
            content = {"role": role, "parts": [part]}
            await service.append_event(
                session, Event.model_validate({**fields, "content": content})
            )
        assert await service.get_session(**key) == session
        return session

    told = [one.model_dump(mode="json", exclude_none=True) for one in asyncio.run(turn()).events]
    assert [(one["author"], one["content"]["role"], *one["content"]["parts"]) for one in told] == [
        ("user", "user", {"text": "asked of OpenAI"}),
        ("bot", "model", {"function_call": {"id": "c1", "name": "w", "args": {"at": "Oslo"}}}),
        (
            "bot",
            "user",
            {
                "function_response": {
                    "id": "c1",
                    "name": "w",
                    "response": {"result": "sunny in Oslo"},
                }
            },
        ),
        ("bot", "model", {"text": "answered by OpenAI"}),
        ("user", "user", {"text": "asked of Claude"}),
        ("bot", "model", {"function_call": {"id": "c2", "name": "w", "args": {"at": "Rome"}}}),
        (
            "bot",
            "user",
            {
                "function_response": {
                    "id": "c2",
                    "name": "w",
                    "response": {"result": "rain in Rome"},
                }
            },
        ),
        ("bot", "model", {"text": "answered by Claude"}),
        *ADK,
    ]
    items: list[Any] = asyncio.run(LocalSession(place, "relay").get_items())
    assert items[:4] == OPENAI
    assert items[8:] == [
        {"role": "user", "content": "asked of ADK"},
        {"type": "function_call", "call_id": "c3", "name": "w", "arguments": '{"at": "Bern"}'},
        {"type": "function_call_output", "call_id": "c3", "output": "snow in Bern"},
        {"role": "assistant", "content": "answered by ADK"},
    ]
    entries: Any = asyncio.run(LocalSessionStore(place).load(KEY))
    assert entries[4:8] == CLAUDE
    assert [one["message"]["content"][0]["type"] for one in entries[8:]] == [
        *("text", "tool_use", "tool_result", "text")
    ]
    with SessionStore(place) as store:
        stored = json.dumps(store.load("relay").messages)
    for said in (
        "sunny in Oslo",
        "rain in Rome",
        "asked of ADK",
        "snow in Bern",
        "answered by ADK",
    ):
        assert stored.count(said) == 1


STRANDS: list[Any] = [
    {"role": "user", "content": [{"text": "asked of Strands"}]},
    {
        "role": "assistant",
        "content": [
            {"toolUse": {"toolUseId": "c3", "name": "w", "input": {"at": "Bern"}}},
            {"toolUse": {"toolUseId": "c4", "name": "w", "input": {"at": "Kyiv"}}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": one, "status": "success", "content": [{"text": text}]}}
            for one, text in (("c3", "snow in Bern"), ("c4", "wind in Kyiv"))
        ],
    },
    {"role": "assistant", "content": [{"text": "answered by Strands"}]},
]


@pytest.mark.needs("strands")
@pytest.mark.parametrize("kind", PLACES)
def test_strands_is_told_what_the_others_said_and_they_what_it_said(
    kind: str, tmp_path: Path
) -> None:
    from strands.types.session import SessionMessage

    from localsessions.adapters.strands import LocalSessionRepository

    place = place_of(kind, tmp_path)
    asyncio.run(LocalSession(place, "relay").add_items(OPENAI))
    asyncio.run(LocalSessionStore(place).append(KEY, CLAUDE))
    repository = LocalSessionRepository(place)
    assert repository.read_session("relay") is not None
    assert repository.read_agent("relay", "default") is not None
    heard = [one.to_message() for one in repository.list_messages("relay", "default")]
    assert [[*block] for one in heard for block in one["content"]] == [
        *(["text"], ["toolUse"], ["toolResult"], ["text"]) * 2
    ]
    assert heard[2]["content"][0]["toolResult"]["content"] == [{"text": "sunny in Oslo"}]
    for number, message in enumerate(STRANDS, len(heard)):
        repository.create_message("relay", "default", SessionMessage(message, number))
    items: list[Any] = asyncio.run(LocalSession(place, "relay").get_items())
    assert items[8:] == [
        {"role": "user", "content": "asked of Strands"},
        {"type": "function_call", "call_id": "c3", "name": "w", "arguments": '{"at": "Bern"}'},
        {"type": "function_call", "call_id": "c4", "name": "w", "arguments": '{"at": "Kyiv"}'},
        {"type": "function_call_output", "call_id": "c3", "output": "snow in Bern"},
        {"type": "function_call_output", "call_id": "c4", "output": "wind in Kyiv"},
        {"role": "assistant", "content": "answered by Strands"},
    ]
    entries: Any = asyncio.run(LocalSessionStore(place).load(KEY))
    assert entries[-1]["message"]["content"] == [{"type": "text", "text": "answered by Strands"}]
    again = LocalSessionRepository(place).list_messages("relay", "default")
    assert [one.to_message() for one in again] == [*heard, *STRANDS]
    with SessionStore(place) as store:
        assert store.count() == 1
        assert store.raw("relay").count(b"snow in Bern") == 1
