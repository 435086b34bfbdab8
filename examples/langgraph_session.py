"""A graph of LangGraph whose chat goes on when the program is started again.

    pip install "localsessions[langgraph]"
    python langgraph_session.py FOLDER "What is the weather in Oslo?"

No network is needed: a stand-in answers, and calls a tool first. For a real model, put it in the
place of `stand_in`.
"""

from __future__ import annotations

import sys
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from localsessions import SessionStore, message_text
from localsessions.adapters.langgraph import LocalBaseStore, LocalSaver


def stand_in(messages: list[Any]) -> AIMessage:
    """A model that calls the tool, and then tells how much it was told before."""
    if messages[-1].type == "human":
        call = {"name": "weather", "args": {"city": "Oslo"}, "id": f"call_{len(messages)}"}
        return AIMessage("", tool_calls=[call])
    asked = [one.content for one in messages if one.type == "human"]
    before = f" Before it you asked: {asked[-2]}" if asked[1:] else ""
    return AIMessage(f"You asked: {asked[-1]}{before}")


def model(state: MessagesState) -> dict[str, Any]:
    return {"messages": [stand_in(state["messages"])]}


def tools(state: MessagesState) -> dict[str, Any]:
    calls = state["messages"][-1].tool_calls
    return {
        "messages": [
            ToolMessage(f"sunny in {one['args']['city']}", tool_call_id=one["id"]) for one in calls
        ]
    }


def after_model(state: MessagesState) -> str:
    return "tools" if state["messages"][-1].tool_calls else END


def main(folder: str, text: str) -> None:
    builder = StateGraph(MessagesState).add_node("model", model).add_node("tools", tools)
    builder.add_edge(START, "model").add_edge("tools", "model")
    builder.add_conditional_edges("model", after_model, ["tools", END])
    with SessionStore(folder) as store:
        memory = LocalBaseStore(store)
        graph = builder.compile(checkpointer=LocalSaver(store), store=memory)
        config: Any = {"configurable": {"thread_id": "weather"}}
        result = graph.invoke({"messages": [("user", text)]}, config)
        memory.put(("users", "ann"), "last question", {"text": text})
        print(result["messages"][-1].content)
        for message in store.load("weather").messages:
            print(f"  {message['role']}: {message_text(message) or 'calls a tool'}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
