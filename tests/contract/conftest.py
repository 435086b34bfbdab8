"""Each test of the contract runs once with every engine, and knows none of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from contract.places import ENGINES, PLACES, Opener, Place
from localsessions import SessionStore

NewPlace: TypeAlias = Callable[[], Place]
NewThreads: TypeAlias = Callable[[], list[str]]


@pytest.fixture(scope="module", params=ENGINES)
def new_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewPlace:
    """Make a place without sessions, another one each time: of one engine and then of the next."""
    return lambda: PLACES[request.param](tmp_path_factory.mktemp("place") / "sessions")


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    """Where the sessions of this test are; whoever opens a store closes it."""
    return new_place()


@pytest.fixture
def make_store(place: Place) -> Iterator[Opener]:
    """Open a store of the same sessions, and another; they are closed when the test ends."""
    with ExitStack() as opened:

        def make(*, lock_timeout: float = 10.0) -> SessionStore:
            return opened.enter_context(place.open(lock_timeout=lock_timeout))

        yield make


@pytest.fixture
def store(make_store: Opener) -> SessionStore:
    """An open store."""
    return make_store()


@pytest.fixture
def other(make_store: Opener) -> SessionStore:
    """Another open store of the same sessions."""
    return make_store()


@pytest.fixture
def new_threads() -> NewThreads:
    """Name the threads that a test has made and that still run; asyncio's own are left out."""
    before = {*threading.enumerate()}

    def names() -> list[str]:
        made = [one.name for one in threading.enumerate() if one not in before]
        return [name for name in made if not name.startswith(("asyncio_", "localsessions-edit"))]

    return names


@pytest.fixture
def switching() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(former)
