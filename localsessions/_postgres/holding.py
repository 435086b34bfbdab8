"""Holding: of the threads of a process, one changes a session at a time.

Threads wait here and not at the server, so that those that wait take no connection. Whoever holds a
session here waits at the server for other processes, by an advisory lock of the same key.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from localsessions._codec.names import folded
from localsessions.errors import LockTimeoutError

__all__ = ["Holding", "key_of"]


class _Holders:
    """Which thread of this process holds each key."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.changed = threading.Condition()
        self.threads: dict[tuple[str, int], int] = {}


_holders = _Holders()


def _ours() -> _Holders:
    global _holders  # noqa: PLW0603  (a forked child holds nothing of its parent's)
    if _holders.pid != os.getpid():
        _holders = _Holders()
    return _holders


def key_of(store: int, session_id: str) -> int:
    """Return the number by which the server locks a session: the same for all its spellings."""
    name = f"localsessions {store} {folded(session_id)}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


class Holding:
    """Who holds the sessions of one store.

    Args:
        address: Identifies the store in this process.
        patience: How many seconds to wait for a holder.
    """

    def __init__(self, address: str, patience: float) -> None:
        self._address = address
        self._patience = patience

    @contextmanager
    def hold(self, session_id: str, key: int) -> Iterator[None]:
        """Hold a session during the block.

        Raises:
            RuntimeError: This thread holds it already.
            LockTimeoutError: Another thread held it all the time.
        """
        ours, me, place = _ours(), threading.get_ident(), (self._address, key)
        with ours.changed:
            if ours.threads.get(place) == me:
                raise RuntimeError(f"session {session_id!r} is being edited by this thread already")
            if not ours.changed.wait_for(lambda: place not in ours.threads, self._patience):
                path = f"{self._address}/{session_id}"
                raise LockTimeoutError(self._patience, session_id=session_id, path=path)
            ours.threads[place] = me
        try:
            yield
        finally:
            self._let_go(ours, place)

    def take_free(self, keys: dict[str, int]) -> set[str]:
        """Take those of some sessions that no thread holds; the caller lets them go."""
        ours, me, taken = _ours(), threading.get_ident(), set[str]()
        with ours.changed:
            for session_id, key in keys.items():
                if (self._address, key) not in ours.threads:
                    ours.threads[self._address, key] = me
                    taken.add(session_id)
        return taken

    def let_go(self, key: int) -> None:
        """Let a session go that was taken."""
        self._let_go(_ours(), (self._address, key))

    def _let_go(self, ours: _Holders, place: tuple[str, int]) -> None:
        with ours.changed:
            ours.threads.pop(place, None)
            ours.changed.notify_all()
