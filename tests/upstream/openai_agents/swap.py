"""pytest -p upstream.openai_agents.swap: LocalSession in the place of SQLiteSession.

Tests of SQLite's inner life (connections, locks, corrupt rows, cancellation inside a thread of its
own) are deselected by a word in their name, also over the framework's own class.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest
from agents import SQLiteSession

from localsessions.adapters.openai_agents import LocalSession

INTERNAL = (
    *("connection", "corrupt", "file_lock", "rollback", "rolls_back", "write_lock", "retired"),
    *("exited_worker", "quarantin", "post_commit", "allocation", "await_mutation", "table"),
    *("closed_rejects", "sqlite_"),
    # These reach into SQLiteSession, its lock and its tables, or ask whether a session is one.
    *("cancelled_suffix_transaction", "failed_encrypted_suffix", "settled_pop_failure"),
    *("settled_clear_failure", "wrong_key_preserves", "rechecks_authentication"),
    *("authentication_is_atomic", "preserves_sqlalchemy"),
)


class Session(LocalSession):
    """Ours, called as theirs is: with a file for the database, or with a database in memory."""

    def __init__(
        self,
        session_id: str,
        db_path: Any = ":memory:",
        sessions_table: str = "",
        messages_table: str = "",
        session_settings: Any = None,
    ) -> None:
        if str(db_path) == ":memory:":
            self._folder = tempfile.TemporaryDirectory()
            db_path = self._folder.name
        super().__init__(f"{db_path}.sessions", session_id, session_settings)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    inner = [one for one in items if any(word in one.name for word in INTERNAL)]
    items[:] = [one for one in items if one not in inner]
    config.hook.pytest_deselected(items=inner)
    session: Any = SQLiteSession if "UPSTREAM_OWN" in os.environ else Session
    for module in {one.module for one in items if isinstance(one, pytest.Function)}:
        if hasattr(module, "SQLiteSession"):
            module.SQLiteSession = session
