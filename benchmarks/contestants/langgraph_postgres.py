"""LangGraph: ``PostgresSaver`` below a graph of messages; ``setup`` is called at the first use."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from langgraph.checkpoint.postgres import PostgresSaver

from benchmarks.contestants.langgraph_threads import GraphStore
from benchmarks.contestants.on_a_server import OnAServer


class Store(OnAServer, GraphStore):
    """A row for each checkpoint, and one for each version of the messages."""

    def saver(self, resources: ExitStack) -> Any:
        saver = resources.enter_context(PostgresSaver.from_conn_string(self.address()))
        saver.setup()
        return saver
