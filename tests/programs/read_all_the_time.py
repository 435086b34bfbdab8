"""Read a session until a line comes in, and say what was seen.

read_all_the_time.py FOLDER SESSION_ID HOW

HOW is "load", through the store; "json", as any other program reads the file; or "list".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hearing import ear

from localsessions import SessionStore

# Windows does not replace a file that is open: who reads without a pause keeps writers waiting.
PAUSE = 0 if os.name == "posix" else 0.02


def read(path: Path) -> bytes:
    """Return a file as any other program reads it: Windows refuses it while it is replaced."""
    while True:
        try:
            return path.read_bytes()
        except PermissionError:
            if os.name == "posix":
                raise


def main(folder: str, session_id: str, how: str) -> None:
    with SessionStore(folder) as store:
        path = Path(store.path(session_id))

        def listed() -> int:
            (only,) = store.list().items
            assert only.unreadable is None, only
            return only.message_count

        ways: dict[str, Callable[[], int]] = {
            "load": lambda: len(store.load(session_id).messages),
            "json": lambda: len(json.loads(read(path))["messages"]),
            "list": listed,
        }
        looks = sizes = largest = 0
        is_told = ear()
        print("ready", flush=True)
        while not is_told():
            size = ways[how]()
            assert size >= largest, f"{size} messages after {largest}"
            looks += 1
            sizes += size != largest
            largest = size
            time.sleep(PAUSE)
    print(looks, sizes, flush=True)


main(*sys.argv[1:])
