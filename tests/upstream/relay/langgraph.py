"""A turn of a graph of LangGraph."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from localsessions.adapters.langgraph import LocalSaver
from upstream.relay.step import SESSION, Seen, Step, play


async def run(step: Step) -> Seen:
    given: list[list[Any]] = []

    def model(state: MessagesState) -> dict[str, Any]:
        given.append(state["messages"])
        if given[1:]:
            return {"messages": [AIMessage(step.answer)]}
        call: Any = {"name": "weather", "args": {"city": step.city}, "id": step.call_id}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def tools(state: MessagesState) -> dict[str, Any]:
        asked: Any = state["messages"][-1]
        return {
            "messages": [
                ToolMessage(f"sunny in {one['args']['city']}", tool_call_id=one["id"])
                for one in asked.tool_calls
            ]
        }

    def after_model(_: MessagesState) -> str:
        return END if given[1:] else "tools"

    made = StateGraph(MessagesState).add_node("model", model).add_node("tools", tools)
    made.add_edge(START, "model").add_edge("tools", "model")
    made.add_conditional_edges("model", after_model, ["tools", END])
    with LocalSaver(step.place) as saver:
        graph: Any = made.compile(checkpointer=saver)
        turn = {"messages": [HumanMessage(step.asked)]}
        await graph.ainvoke(turn, {"configurable": {"thread_id": SESSION}})
    return [one for message in given[0][:-1] for one in seen(message)]


def seen(message: Any) -> Seen:
    if isinstance(message, ToolMessage):
        return [("result", message.text)]
    kind = "user" if isinstance(message, HumanMessage) else "assistant"
    said: Seen = [(kind, message.text)] if message.text else []
    calls = getattr(message, "tool_calls", ())
    return [*said, *(("call", f"{one['name']} {one['args']['city']}") for one in calls)]


if __name__ == "__main__":
    play(run)
