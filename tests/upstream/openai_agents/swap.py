"""pytest -p upstream.openai_agents.swap: LocalSession in the place of SQLiteSession.

The tests that look into SQLiteSession are deselected, also over the framework's own class.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest
from agents import SQLiteSession

from localsessions.adapters.openai_agents import LocalSession

# By what is in their names.
INTERNAL = (
    # connections, threads and locks of SQLite
    *("worker_thread_connections", "exited_worker_threads", "retired_connections"),
    *("live_worker_threads", "file_lock_is_shared", "rollback_failure", "quarantined_connection"),
    # rows that a test breaks or refuses by SQL, or a part of the class that it replaces
    *("corrupt", "failed_add_items", "failed_clear_session", "failed_pop_item", "post_commit"),
    *("rolls_back_failed_insert", "cancelled_suffix_transaction", "failed_encrypted_suffix"),
    *("settled_pop_failure", "settled_clear_failure"),
    # the words of an error; for what a closed session does ours have their own
    "closed_rejects",
    # EncryptedSession asks isinstance(session, SQLiteSession) before it verifies what it removes
    *("wrong_key_preserves", "rechecks_authentication", "authentication_is_atomic"),
    "waits_for_authentication_rollback",
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
