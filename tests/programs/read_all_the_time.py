"""Read a session until a line comes in, and say what was seen.

read_all_the_time.py FOLDER SESSION_ID HOW

HOW is "load", through the store; "json", as any other program reads the file; or "list".
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable
from pathlib import Path

from localsessions import SessionStore


def main(folder: str, session_id: str, how: str) -> None:
    with SessionStore(folder) as store:
        path = Path(store.path(session_id))

        def listed() -> int:
            (only,) = store.list().items
            assert only.unreadable is None, only
            return only.message_count

        ways: dict[str, Callable[[], int]] = {
            "load": lambda: len(store.load(session_id).messages),
            "json": lambda: len(json.loads(path.read_bytes())["messages"]),
            "list": listed,
        }
        looks = sizes = largest = 0
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            size = ways[how]()
            assert size >= largest, f"{size} messages after {largest}"
            looks += 1
            sizes += size != largest
            largest = size
    print(looks, sizes, flush=True)


main(*sys.argv[1:])
