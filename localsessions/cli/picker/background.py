"""Work in threads, so that the thread that draws never waits."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from localsessions.engine import IsWanted

__all__ = ["given_up_at_will"]

T = TypeVar("T")


async def given_up_at_will(work: Callable[[IsWanted], T]) -> T:
    """Run work in a thread; when this is cancelled, the work is told that it is not wanted."""
    is_over = threading.Event()
    try:
        return await asyncio.to_thread(work, lambda: not is_over.is_set())
    finally:
        is_over.set()
