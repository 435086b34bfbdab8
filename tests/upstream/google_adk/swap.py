"""pytest -p upstream.google_adk.swap: LocalSessionService in the place of ADK's own services.

The tests of what every service does run for each class; they stay for SQLITE alone. Those of
DatabaseSessionService stay if they are about versions of a session; all others look into it.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest

from localsessions.adapters.google_adk import LocalSessionService

# By what is in their names.
OF_VERSIONS = ("stale", "timestamp_drift", "markerless", "sequential_same_app_name")


class Service(LocalSessionService):
    """Ours in a folder of its own, called as each of theirs is."""

    def __init__(self, *_given: Any, **_more: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(self._folder.name)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    others = [one for one in items if not _is_kept(one)]
    items[:] = [one for one in items if one not in others]
    config.hook.pytest_deselected(items=others)
    if "UPSTREAM_OWN" in os.environ:
        return
    for module in {one.module for one in items if isinstance(one, pytest.Function)}:
        module.get_session_service = module.DatabaseSessionService = Service


def _is_kept(item: pytest.Item) -> bool:
    chosen = getattr(getattr(item, "callspec", None), "params", {}).get("session_service")
    if chosen is not None:
        return str(chosen.name) == "SQLITE"
    return any(word in item.name for word in OF_VERSIONS)
