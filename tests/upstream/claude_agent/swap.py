"""pytest -p upstream.claude_agent.swap: LocalSessionStore in the place of InMemorySessionStore.

The tests look into theirs with ``get_entries``, ``size``, ``clear`` and ``_mtimes``. Some give the
event loop a few turns, and expect that a store has answered by then: ours reads in a thread, so a
turn lasts a moment here.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
import threading
from typing import Any

import anyio
import pytest
from claude_agent_sdk import InMemorySessionStore

from localsessions.adapters.claude_agent import LocalSessionStore

TURNS = ("concurrency_is_bounded", "bounded_concurrency", "cancelled_after_mkdtemp")
_TURN = 0.05
_sleep = anyio.sleep
# Removed at the end: some tests watch who removes a folder.
_FOLDERS = tempfile.mkdtemp(prefix="claude-agent-")
atexit.register(shutil.rmtree, _FOLDERS, ignore_errors=True)


class Store(LocalSessionStore):
    """Ours in a folder of its own, with what the tests look into."""

    def __init__(self) -> None:
        self._mtimes: dict[str, int] = {}
        super().__init__(tempfile.mkdtemp(dir=_FOLDERS))

    def get_entries(self, key: Any) -> list[Any]:
        found: list[Any] = []
        # There is a loop in this thread, of asyncio or of trio.
        reader = threading.Thread(target=lambda: found.append(asyncio.run(self.load(key))))
        reader.start()
        reader.join()
        return found[0] or []

    @property
    def size(self) -> int:
        return sum(one.parent is None for one in self.store.list(limit=10_000))

    def clear(self) -> None:
        self.store.delete_many([one.session_id for one in self.store.list(limit=10_000)])

    async def list_sessions(self, project_key: str) -> list[Any]:
        listed: list[Any] = await super().list_sessions(project_key)
        for one in listed:
            one["mtime"] = self._mtimes.get(f"{project_key}/{one['session_id']}", one["mtime"])
        return listed


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    store: Any = InMemorySessionStore if "UPSTREAM_OWN" in os.environ else Store
    for module in {one.module for one in items if isinstance(one, pytest.Function)}:
        if hasattr(module, "InMemorySessionStore"):
            module.InMemorySessionStore = store


@pytest.fixture(autouse=True)
def _turns_that_last(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(word in request.node.name for word in TURNS):
        monkeypatch.setattr(anyio, "sleep", lambda delay: _sleep(max(delay, _TURN)))
