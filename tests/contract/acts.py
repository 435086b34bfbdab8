"""What the contract's tests do again and again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from localsessions import AsyncSessionStore, Session, SessionChange, SessionStore

__all__ = ["Following", "edited", "said", "until", "user", "wait_until"]


def user(text: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"role": "user", "content": text, **more}


def said(session: Session) -> object:
    return session.model_dump(), session.extra


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@contextmanager
def edited(store: SessionStore, name: str) -> Iterator[threading.Event]:
    """Let another thread edit a session until the event is set, or the block ends."""
    begun, over = threading.Event(), threading.Event()

    def edit() -> None:
        with store.edit(name):
            begun.set()
            over.wait(120)

    thread = threading.Thread(target=edit)
    thread.start()
    begun.wait(120)
    try:
        yield over
    finally:
        over.set()
        thread.join()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  other threads set no event of this loop
            await asyncio.sleep(0.002)


class Following:
    """A task that iterates over the changes and writes down what it is told."""

    def __init__(self, store: AsyncSessionStore, since: int | None = None) -> None:
        self.told: list[SessionChange] = []
        self.changes = store.changes(since, follow=True)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async with contextlib.aclosing(self.changes):
            async for change in self.changes:
                self.told.append(change)

    def said(self) -> list[tuple[str, str, str]]:
        return [(one.session_id, one.kind, one.origin) for one in self.told]
