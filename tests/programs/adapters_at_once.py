"""Many processes write to one session through an adapter; some of them may be killed.

adapters_at_once.py FRAMEWORK PLACE PROCESSES BATCHES KILLS [WHO]

Each process adds batches of two items, a call and its result, and says each that it was told is
stored: "WHO NUMBER" on a line, where WHO begins as it is told, or with a p. With KILLS, so many
processes follow each other, and each is killed a moment after its first batch, wherever it is then.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

Add: TypeAlias = Callable[[str, int], Awaitable[None]]


def openai_agents(place: str) -> Add:
    from localsessions.adapters.openai_agents import LocalSession

    session = LocalSession(place, "shared")

    async def add(who: str, number: int) -> None:
        call_id = f"{who}-{number}"
        call: Any = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}
        output: Any = {"type": "function_call_output", "call_id": call_id, "output": call_id}
        await session.add_items([call, output])

    return add


def claude_agent(place: str) -> Add:
    from localsessions.adapters.claude_agent import LocalSessionStore

    store = LocalSessionStore(place)

    async def add(who: str, number: int) -> None:
        name = f"{who}-{number}"
        call = {"type": "tool_use", "id": name, "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": name, "content": name}
        entries: Any = [
            {"type": role, "uuid": str(uuid.uuid4()), "message": {"role": role, "content": [block]}}
            for role, block in (("assistant", call), ("user", result))
        ]
        await store.append({"project_key": "p", "session_id": "shared"}, entries)

    return add


def pydantic_ai(place: str) -> Add:
    from pydantic_ai.conversation import Conversation
    from pydantic_ai.conversation_store import ConversationConflict
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        ToolCallPart,
        ToolReturnPart,
    )

    from localsessions.adapters.pydantic_ai import LocalConversationStore

    store = LocalConversationStore(place)

    async def add(who: str, number: int) -> None:
        name = f"{who}-{number}"
        while True:
            loaded = await store.load("shared", limit=1)
            conversation = loaded or Conversation(conversation_id="shared")
            conversation.messages += [
                ModelResponse(parts=[ToolCallPart("f", {}, name)]),
                ModelRequest(parts=[ToolReturnPart("f", name, name)]),
            ]
            try:
                await store.save(conversation)
            except ConversationConflict:  # others said something meanwhile
                await asyncio.sleep(random.uniform(0, 0.2))
            else:
                return

    return add


def google_adk(place: str) -> Add:
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.events import Event
    from google.adk.sessions.base_session_service import GetSessionConfig

    from localsessions.adapters.google_adk import LocalSessionService
    from localsessions.adapters.google_adk.adk import StaleSessionError

    service = LocalSessionService(place)
    key: Any = {"app_name": "a", "user_id": "u", "session_id": "shared"}

    async def add(who: str, number: int) -> None:
        # Its batch is one event: what ADK appends.
        name = f"{who}-{number}"
        call = {"function_call": {"id": name, "name": "f", "args": {}}}
        result = {"function_response": {"id": name, "name": "f", "response": {}}}
        content = {"role": "model", "parts": [call, result]}
        event = Event.model_validate({"author": "bot", "id": name, "content": content})
        while True:  # as ADK's users do when it is stale
            only_state = GetSessionConfig(num_recent_events=0)
            session = await service.get_session(**key, config=only_state)
            try:
                if session is None:
                    session = await service.create_session(**key)
                await service.append_event(session, event)
                return
            except (AlreadyExistsError, StaleSessionError):
                await asyncio.sleep(random.uniform(0, 0.2))

    return add


def strands(place: str) -> Add:
    from strands.types.exceptions import SessionException
    from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

    from localsessions.adapters.strands import LocalSessionRepository

    repository = LocalSessionRepository(place)
    with suppress(SessionException):  # another process was quicker
        repository.create_session(Session("shared", SessionType.AGENT))
        repository.create_agent("shared", SessionAgent("a", {}, {}))
    listed = repository.list_messages("shared", "a") if repository.read_agent("shared", "a") else []
    numbers = itertools.count(listed[-1].message_id + 1 if listed else 0)

    async def add(who: str, number: int) -> None:
        name = f"{who}-{number}"
        call = {"toolUse": {"toolUseId": name, "name": "f", "input": {}}}
        told = {"toolUseId": name, "status": "success", "content": [{"text": name}]}
        # One message is one write: so the two are one here.
        message: Any = {"role": "assistant", "content": [call, {"toolResult": told}]}
        repository.create_message("shared", "a", SessionMessage(message, next(numbers)))

    return add


def langgraph(place: str) -> Add:
    from langchain_core.messages import AIMessage, ToolMessage
    from langgraph.graph import MessagesState, StateGraph

    from localsessions.adapters.langgraph import LocalSaver

    def work(state: MessagesState) -> Any:
        name = state["messages"][-1].content
        call: Any = {"name": "f", "args": {}, "id": name}
        return {
            "messages": [AIMessage("", tool_calls=[call]), ToolMessage(name, tool_call_id=name)]
        }

    graph: Any = StateGraph(MessagesState).add_node("work", work).set_entry_point("work")
    graph = graph.compile(checkpointer=LocalSaver(place))

    async def add(who: str, number: int) -> None:
        turn = {"messages": [("user", f"{who}-{number}")]}
        await graph.ainvoke(turn, {"configurable": {"thread_id": "shared"}})

    return add


def write(framework: str, place: str, who: str, batches: int) -> None:
    async def all_batches() -> None:
        add = MAKERS[framework](place)
        for number in range(batches):
            await add(who, number)
            os.write(1, f"{who} {number}\n".encode())

    asyncio.run(all_batches())


def child(framework: str, place: str, who: str, batches: int, out: int = 1) -> int:
    if pid := os.fork():
        return pid
    try:
        os.dup2(out, 1)
        write(framework, place, who, batches)
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{who}: {error!r}\n".encode())
        os._exit(1)


def killed(framework: str, place: str, who: str) -> None:
    """Kill a process a moment after its first batch, and pass on what it said."""
    reading, writing = os.pipe()
    pid = child(framework, place, who, 100_000, writing)
    os.close(writing)
    said = os.read(reading, 1)
    time.sleep(random.uniform(0, 0.03))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    while more := os.read(reading, 4096):
        said += more
    os.close(reading)
    os.write(1, said)


def main(framework: str, place: str, processes: int, batches: int, kills: int, who: str) -> int:
    MAKERS[framework]  # a word that is none of them
    for module in (f"localsessions.adapters.{framework}", *USED.get(framework, ())):
        importlib.import_module(module)  # once, for all
    for number in range(kills):
        killed(framework, place, f"k{number}")
    pids = [child(framework, place, f"{who}{number}", batches) for number in range(processes)]
    return max([os.waitpid(pid, 0)[1] for pid in pids], default=0)


USED = {"langgraph": ("langgraph.graph", "langgraph.pregel.main")}
MAKERS: dict[str, Callable[[str], Add]] = {
    "openai_agents": openai_agents,
    "claude_agent": claude_agent,
    "pydantic_ai": pydantic_ai,
    "google_adk": google_adk,
    "strands": strands,
    "langgraph": langgraph,
}

if __name__ == "__main__":
    framework, place, processes, batches, kills, *who = sys.argv[1:]
    numbers = int(processes), int(batches), int(kills)
    sys.exit(main(framework, place, *numbers, *(who or ["p"])) != 0)
