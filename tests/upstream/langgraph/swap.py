"""pytest -p upstream.langgraph.swap: LocalSaver and LocalBaseStore in the place of theirs.

Of the graph tests, those with a checkpointer run, each over SQLite's place; the others know no
store. Of the store's, those without an index of embeddings.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.memory import InMemoryStore

from localsessions import SessionStore
from localsessions.adapters.langgraph import LocalBaseStore, LocalSaver

os.environ["NO_DOCKER"] = "true"  # their conftest then asks for no server of PostgreSQL or Redis

KEPT = {"sync_checkpointer": "sqlite", "async_checkpointer": "sqlite_aio"}
EMBEDDING = ("vector", "embed", "index")


class Store(LocalBaseStore):
    """Ours, called as theirs is: in memory, and with an index that ours has no use for."""

    __slots__ = ("_folder",)

    def __init__(self, *, index: Any = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(self._folder.name)


@contextlib.contextmanager
def saver() -> Iterator[Any]:
    if "UPSTREAM_OWN" in os.environ:
        with SqliteSaver.from_conn_string(":memory:") as theirs:
            yield theirs
        return
    with tempfile.TemporaryDirectory() as folder, SessionStore(folder, durability="fast") as store:
        yield LocalSaver(store)


@contextlib.asynccontextmanager
async def async_saver() -> AsyncIterator[Any]:
    if "UPSTREAM_OWN" in os.environ:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as theirs:
            yield theirs
        return
    with saver() as ours:
        yield ours


@contextlib.contextmanager
def memory() -> Iterator[Any]:
    yield (InMemoryStore if "UPSTREAM_OWN" in os.environ else Store)()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [one for one in items if _is_kept(one)]
    config.hook.pytest_deselected(items=[one for one in items if one not in kept])
    items[:] = kept
    if (conftest := sys.modules.get("tests.conftest")) and hasattr(conftest, "_store_memory"):
        conftest._checkpointer_sqlite = saver  # type: ignore[attr-defined]
        conftest._checkpointer_sqlite_aio = async_saver  # type: ignore[attr-defined]
        conftest._store_memory = memory  # type: ignore[attr-defined]
    if "UPSTREAM_OWN" in os.environ:
        return
    for module in {one.module for one in kept if isinstance(one, pytest.Function)}:
        if module.__name__.endswith("test_store"):
            module.InMemoryStore = Store


def _is_kept(item: pytest.Item) -> bool:
    """Tell whether a test is one of a store, or of a graph that keeps its threads in SQLite."""
    if "langgraph_checkpoint" in str(item.path):
        return not any(word in item.name for word in EMBEDDING)
    if "suites" not in str(item.path):
        return True  # ours
    asked = getattr(getattr(item, "callspec", None), "params", {})
    named = [name for name in KEPT if name in asked]
    return bool(named) and all(asked[name] == KEPT[name] for name in named)
