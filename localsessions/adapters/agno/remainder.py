"""What a database class does with those methods of agno's that it does not implement.

It uses the methods of agno's base class, not a list: so a method that a new agno adds is refused
or passed on, and not forgotten.
"""

from __future__ import annotations

import abc
import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["elsewhere", "offloaded", "with_every_method_of"]

T = TypeVar("T")


def elsewhere(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls ``self.others`` or, without it, raises and says the remedy."""

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        if self.others is None:
            raise NotImplementedError(
                f"AgnoDb keeps agno's sessions and runs, and no {name}: name a database for the "
                "rest, as AgnoDb(folder, others=SqliteDb(db_file=...)), or give one of its own to "
                "what needs it, as MemoryManager(db=...)"
            )
        return getattr(self.others, name)(*arguments, **options)

    call.__isabstractmethod__ = False  # type: ignore[attr-defined]  # wraps() copied it
    return call


def offloaded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls the same method of ``self.db`` in a worker thread."""

    @functools.wraps(method)
    async def call(self: Any, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(getattr(self.db, name), *arguments, **options)

    call.__isabstractmethod__ = False  # type: ignore[attr-defined]  # wraps() copied it
    return call


def with_every_method_of(
    base: type, make: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Callable[[type[T]], type[T]]:
    """Add to a class a method for each method of ``base`` that the class lacks."""

    def complete(kind: type[T]) -> type[T]:
        for name, method in vars(base).items():
            if callable(method) and not name.startswith("_") and name not in vars(kind):
                setattr(kind, name, make(name, method))
        return abc.update_abstractmethods(kind)

    return complete
