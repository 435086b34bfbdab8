"""A watcher that writes down the number of each change it is told of, and may be killed."""

from __future__ import annotations

import os
import threading

from localsessions import SessionChange, SessionStore

__all__ = ["watch_on"]


def watch_on(folder: str, told: str, since: int) -> None:
    """Watch for ever, going on after a change."""
    fd = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(change: SessionChange) -> None:
        os.write(fd, f"{change.number}\n".encode())

    with SessionStore(folder) as store, store.watch(tell, since=since):
        threading.Event().wait()
