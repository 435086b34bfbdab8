"""The store that an adapter was given: open, a folder, or an address. Who opens it closes it."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from localsessions import AsyncSessionStore, SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Given", "held_store", "hold"]

Given: TypeAlias = "SessionStore | AsyncSessionStore | str | os.PathLike[str]"
"""What an adapter takes as its store: a folder, an open store, or the address of a database."""


def held_store(given: Given) -> SessionStore:
    """Return the store that was given, or open the folder or the address.

    Raises:
        ImportError: An address is given, and the extra ``postgres`` is not installed.
        OSError, StoreUnavailableError, ValueError: As ``SessionStore``.
        TypeError: It is none of them.
    """
    if isinstance(given, AsyncSessionStore):
        return given.store
    return given if isinstance(given, SessionStore) else SessionStore(given)


def hold(owner: object, given: Given) -> tuple[SessionStore, Callable[[], Any]]:
    """Return the store of an adapter, and what closes it.

    A store that was given open stays open: its owner closes it. A store that is opened here is
    closed by the call, or when ``owner`` is collected: frameworks have no place to close what they
    keep sessions in. Closing is idempotent.

    Args:
        owner: The adapter.
        given: As in ``held_store``, which raises.
    """
    store = held_store(given)
    is_own = isinstance(given, str | os.PathLike)
    return store, weakref.finalize(owner, store.close if is_own else _nothing)


def _nothing() -> None:
    """Close nothing: the caller owns the store."""
