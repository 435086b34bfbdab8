"""Create the sessions s0, s1, ... that nobody else has created, and name them.

create.py FOLDER COUNT
"""

from __future__ import annotations

import contextlib
import sys

from localsessions import SessionStore
from localsessions.errors import SessionExistsError


def main(folder: str, count: str) -> None:
    with SessionStore(folder, lock_timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            with contextlib.suppress(SessionExistsError):
                print(store.create(f"s{number}").session_id, flush=True)


main(*sys.argv[1:])
