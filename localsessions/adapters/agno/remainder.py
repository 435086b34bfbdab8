"""What a database class does with the methods of agno's that it has no place for.

Goes by what agno's base class has, not by a list: a method of the next agno is refused or handed
on, and not forgotten.
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
    """Return a method that asks ``self.others`` or, where there are none, says the remedy."""

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
    """Return a method that calls the one of ``self.db`` in a worker thread."""

    @functools.wraps(method)
    async def call(self: Any, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(getattr(self.db, name), *arguments, **options)

    call.__isabstractmethod__ = False  # type: ignore[attr-defined]  # wraps() copied it
    return call


def with_every_method_of(
    base: type, make: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Callable[[type[T]], type[T]]:
    """Give a class a method for each that ``base`` has and it has not."""

    def complete(kind: type[T]) -> type[T]:
        for name, method in vars(base).items():
            if callable(method) and not name.startswith("_") and name not in vars(kind):
                setattr(kind, name, make(name, method))
        return abc.update_abstractmethods(kind)

    return complete
