"""A service in a process of its own, for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localsessions import SessionStore
from server.asking import Asking, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A service with a token."""
    with running(tmp_path_factory.mktemp("service") / "sessions") as asking:
        yield asking


@pytest.fixture
def store(service: Asking) -> Iterator[SessionStore]:
    """A store of the same folder, as another program has it."""
    with SessionStore(service.folder, durability="fast") as store:
        yield store


@pytest.fixture
def session_id(request: pytest.FixtureRequest, store: SessionStore, tmp_path: Path) -> str:
    """A session of this test alone, with two messages."""
    name = tmp_path.name
    store.get_or_create(
        name,
        title="a title",
        messages=[
            {"id": "m0", "role": "user", "content": "hello"},
            {"id": "m1", "role": "assistant", "content": "I am here"},
        ],
    )
    return name
