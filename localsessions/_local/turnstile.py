"""The turnstile: of the threads of a process that write, one works at a time.

Python runs one thread at a time, and may change it at each call of the system. Where many threads
write, each of some thirty calls of a write would wait for all the others. So a thread that writes
goes through the turnstile, and lets another one in while it waits for the disk or for a lock.

It protects nothing and is no lock: whoever waits for a second in vain puts up a new turnstile. So
it cannot be left locked: not by Ctrl-C, and not by a thread that waits for something else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["waiting", "working"]

_PATIENCE_SECONDS = 1.0


class _Turnstile:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: int | None = None

    def is_mine(self) -> bool:
        return self.inside == threading.get_ident()

    def enter(self) -> None:
        if self.lock.acquire(timeout=_PATIENCE_SECONDS):
            self.inside = threading.get_ident()
        else:
            _put_up()

    def leave(self) -> None:
        if self.is_mine():
            self.inside = None
            self.lock.release()


_now = _Turnstile()


def _put_up() -> None:
    global _now  # noqa: PLW0603  (one for all stores: they share one interpreter)
    _now = _Turnstile()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_up)


@contextmanager
def working() -> Iterator[None]:
    """Work in the block while the other threads of the block wait, or wait themselves."""
    turnstile = _now
    if turnstile.is_mine():
        yield
        return
    turnstile.enter()
    try:
        yield
    finally:
        turnstile.leave()


@contextmanager
def waiting() -> Iterator[None]:
    """Let another thread work in the meantime: the block waits for something."""
    turnstile = _now
    if not turnstile.is_mine():
        yield
        return
    turnstile.leave()
    try:
        yield
    finally:
        turnstile.enter()
