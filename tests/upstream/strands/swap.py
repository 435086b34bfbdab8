"""pytest -p upstream.strands.swap: ours in the place of FileSessionManager and the storages.

Tests of FileSessionManager look into its files, and one of a storage does: the class under test
writes, when it is asked for a path, what ours says into such files. Tests that look into the
framework's own class are deselected, also over it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import strands.storage
from strands.session.file_session_manager import FileSessionManager
from strands.session.repository_session_manager import RepositorySessionManager
from strands.storage import InMemoryStorage, LocalFileStorage
from tests.fixtures.mock_session_repository import (  # type: ignore[import-untyped]  # theirs
    MockedSessionRepository,
)

from localsessions.adapters.strands import LocalSessionRepository, LocalStorage

# By what is in their names.
INTERNAL = (
    # a sandbox in the place of the host's files, and what only the class in memory has
    *("sandbox", "test_clear", "namespace_clear"),
    # methods that a test replaces, or calls on the class
    *("test_sync_agent_retries_on_failure", "keys_where_read_returns_none"),
    # what only a storage that forgets has: a stash inside the snapshot
    *("ephemeral", "includes_stash", "includes_inline_stash", "omits_stash"),
    # folders and modes of the host's files, the name of the class
    *("error_raises_storage_error", "namespace_returns_local", "external_ref_for_durable"),
)


class Repository(LocalSessionRepository):
    """Ours in a folder of its own."""

    def __init__(self) -> None:
        super().__init__(tempfile.mkdtemp())


class Manager(RepositorySessionManager, LocalSessionRepository):
    """A manager that is its own repository, as FileSessionManager, and shows its files."""

    _get_session_path = FileSessionManager._get_session_path
    _get_agent_path = FileSessionManager._get_agent_path
    _get_multi_agent_path = FileSessionManager._get_multi_agent_path
    _read_file = FileSessionManager._read_file

    def __init__(self, session_id: str, storage_dir: str | None = None) -> None:
        LocalSessionRepository.__init__(self, f"{storage_dir or tempfile.mkdtemp()}.sessions")
        self.storage_dir = tempfile.mkdtemp()
        RepositorySessionManager.__init__(self, session_id=session_id, session_repository=self)

    def _write(self, path: str, told: Any) -> None:
        if told is not None:
            fields = told if isinstance(told, dict) else told.to_dict()
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(json.dumps(fields), encoding="utf-8")

    def _get_message_path(self, session_id: str, agent_id: str, message_id: Any) -> str:
        path: str = FileSessionManager._get_message_path(self, session_id, agent_id, message_id)
        self._write(path, self.read_message(session_id, agent_id, message_id))
        return path

    def create_session(self, session: Any, **kwargs: Any) -> Any:
        made = super().create_session(session, **kwargs)
        told, path = self.read_session(session.session_id), self._get_session_path(made.session_id)
        self._write(os.path.join(path, "session.json"), told)
        os.makedirs(os.path.join(path, "multi_agents"))
        return made

    def delete_session(self, session_id: str, **kwargs: Any) -> None:
        super().delete_session(session_id, **kwargs)
        shutil.rmtree(self._get_session_path(session_id))

    def create_agent(self, session_id: str, session_agent: Any, **kwargs: Any) -> None:
        super().create_agent(session_id, session_agent, **kwargs)
        path = self._get_agent_path(session_id, session_agent.agent_id)
        told = self.read_agent(session_id, session_agent.agent_id)
        self._write(os.path.join(path, "agent.json"), told)

    def create_multi_agent(self, session_id: str, multi_agent: Any, **kwargs: Any) -> None:
        super().create_multi_agent(session_id, multi_agent, **kwargs)
        path = self._get_multi_agent_path(session_id, multi_agent.id)
        told = self.read_multi_agent(session_id, multi_agent.id)
        self._write(os.path.join(path, "multi_agent.json"), told)


class Storage(LocalStorage):
    """Ours, called as theirs are: with a folder, or without; it shows what it keeps as files."""

    def __init__(self, base_dir: str | None = None, **kwargs: Any) -> None:
        self._shown = base_dir or tempfile.mkdtemp()
        super().__init__(self._shown, **kwargs)

    async def write(self, key: str, data: bytes) -> None:
        await super().write(key, data)
        if key == "a/b/c/file.txt":
            self._show(Path(self._shown, key), await self.read(key))

    def _show(self, path: Path, kept: bytes | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kept or b"")


SWAPPED: dict[Any, Any] = {
    FileSessionManager: Manager,
    MockedSessionRepository: Repository,
    LocalFileStorage: Storage,
    InMemoryStorage: Storage,
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    inner = [one for one in items if any(word in one.name for word in INTERNAL)]
    items[:] = [one for one in items if one not in inner]
    config.hook.pytest_deselected(items=inner)
    if "UPSTREAM_OWN" in os.environ:
        return
    # Some tests import the storages themselves.
    modules = {one.module for one in items if isinstance(one, pytest.Function)} | {strands.storage}
    for module in modules:
        for name, found in [*vars(module).items()]:
            if isinstance(found, type) and found in SWAPPED:
                setattr(module, name, SWAPPED[found])
