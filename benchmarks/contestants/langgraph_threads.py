"""LangGraph: a graph of messages above a checkpointer; subclasses say which.

https://docs.langchain.com/oss/python/langgraph/persistence : a graph is compiled with a
checkpointer; ``update_state(config, values)`` writes one checkpoint and ``get_state(config)`` reads
the last. ``invoke`` would write a checkpoint for each step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from benchmarks.contestants.contract import Said, Saves


class GraphStore(Saves):
    """Messages of a thread are the state of a graph."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resources = ExitStack()
        graph = StateGraph(MessagesState)
        graph.add_node("model", lambda _: {"messages": []})
        graph.add_edge(START, "model")
        self.graph: Any = graph.compile(checkpointer=self.saver(self.resources))

    @abstractmethod
    def saver(self, resources: ExitStack) -> Any:
        """Open the checkpointer; ``resources`` closes it."""

    def close(self) -> None:
        self.resources.close()

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.turn(session, self.made(messages))

    def made(self, messages: Sequence[Said]) -> list[Any]:
        return [
            (HumanMessage if role == "user" else AIMessage)(content=text, id=f"msg_{number:08}")
            for number, role, text in messages
        ]

    def turn(self, session: str, made: list[Any]) -> None:
        self.graph.update_state(_config(session), {"messages": made}, as_node="model")

    def save(self, session: str) -> None:
        self.turn(session, [])

    def load(self, session: str) -> Any:
        return self.graph.get_state(_config(session)).values["messages"]

    def texts(self, loaded: list[Any]) -> list[str]:
        return [message.content for message in loaded]


def _config(session: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": session}}
