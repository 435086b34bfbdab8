"""What the tests of the engine of a server share."""

from __future__ import annotations

from collections.abc import Iterator

import cluster
import pytest

from localsessions import SessionStore


@pytest.fixture
def address() -> str:
    """Return the address of a store that nobody has used."""
    return cluster.shared().new_store()


@pytest.fixture
def store(address: str) -> Iterator[SessionStore]:
    """Open it."""
    with SessionStore(address) as opened:
        yield opened


@pytest.fixture
def lone() -> Iterator[cluster.Cluster]:
    """Make a server for one test, which may stop it."""
    made = cluster.Cluster()
    yield made
    made.remove()
