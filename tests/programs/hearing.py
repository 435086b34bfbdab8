"""Whether a line has come in: for programs that work until they are told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

__all__ = ["ear"]


def ear() -> Callable[[], bool]:
    """Listen to standard input from now on; return what tells whether anything came, or its end.

    A thread reads: on Windows ``select`` takes sockets only. It reads the descriptor: a stream
    that a thread reads from cannot be closed when the program ends.
    """
    heard = threading.Event()

    def listen() -> None:
        os.read(0, 1)
        heard.set()

    threading.Thread(target=listen, daemon=True).start()
    return heard.is_set
