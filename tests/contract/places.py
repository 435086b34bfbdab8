"""The engines that the contract holds for: each has a place where the sessions of a test are.

Another engine is one more entry of ``PLACES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import cluster
import needs

from contract.dict_engine import DictEngine
from contract.shelf import Shelf
from localsessions import AsyncSessionStore, SessionStore
from localsessions.engine import Engine

__all__ = ["ENGINES", "PLACES", "AsyncOpener", "Opener", "Place"]


class Opener(Protocol):
    """Opens one more store of the same sessions; ``lock_timeout`` in seconds."""

    def __call__(self, *, lock_timeout: float = 10.0) -> SessionStore: ...


class AsyncOpener(Protocol):
    """Opens one more store of the same sessions, for code that awaits."""

    def __call__(self, *, lock_timeout: float = 10.0) -> AsyncSessionStore: ...


class Place:
    """Where some sessions are.

    Args:
        engine: What a store is opened with, given a ``lock_timeout``.
    """

    def __init__(self, engine: Callable[[float], str | Engine]) -> None:
        self._engine = engine

    def open(self, *, lock_timeout: float = 10.0) -> SessionStore:
        return SessionStore(self._engine(lock_timeout), lock_timeout=lock_timeout)

    def open_async(self, *, lock_timeout: float = 10.0) -> AsyncSessionStore:
        return AsyncSessionStore(self._engine(lock_timeout), lock_timeout=lock_timeout)


def in_a_folder(folder: Path) -> Place:
    return Place(lambda _: str(folder))


def in_a_dict(_: Path) -> Place:
    shelf = Shelf()
    return Place(lambda lock_timeout: DictEngine(shelf, lock_timeout=lock_timeout))


def on_a_server(_: Path) -> Place:
    address = cluster.shared().new_store()
    return Place(lambda _: address)


PLACES: Mapping[str, Callable[[Path], Place]] = {
    "folder": in_a_folder,
    "dict": in_a_dict,
    "postgres": on_a_server,
}
"""By name, what makes an empty place; a folder is for it alone and is not made yet."""

ENGINES = needs.marked(PLACES, {"postgres": "postgres"})
"""The names of the places as parameters, with what they need."""
