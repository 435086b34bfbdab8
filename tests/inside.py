"""What is beneath a store: for tests of the engine that keeps sessions in a folder."""

from __future__ import annotations

from localsessions import AsyncSessionStore, SessionStore
from localsessions._local.engine import LocalEngine

__all__ = ["local"]


def local(store: SessionStore | AsyncSessionStore) -> LocalEngine:
    """Return the engine of a store, closed or open."""
    engine = (store.store if isinstance(store, AsyncSessionStore) else store)._engine
    assert isinstance(engine, LocalEngine)
    return engine
