"""LangGraph over this project's store: ``LocalSaver`` below a graph of messages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.contestants.langgraph_threads import GraphStore
from localsessions.adapters.langgraph import LocalSaver


class Store(GraphStore):
    """A file a thread; checkpoints beside it hold what is new in each."""

    def saver(self, resources: ExitStack) -> Any:
        return resources.enter_context(LocalSaver(self.folder))
