"""LangGraph: ``SqliteSaver`` below a graph of messages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver

from benchmarks.contestants.langgraph_threads import GraphStore


class Store(GraphStore):
    """One database for all threads; each checkpoint holds all messages."""

    def saver(self, resources: ExitStack) -> Any:
        path = str(self.folder / "checkpoints.sqlite")
        return resources.enter_context(SqliteSaver.from_conn_string(path))
