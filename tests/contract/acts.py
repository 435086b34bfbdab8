"""What the contract's tests do again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from localsessions import Session, SessionStore

__all__ = ["edited", "said", "user", "wait_until"]


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
