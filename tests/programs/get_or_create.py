"""Get or create sessions, all processes the same ones: get_or_create.py FOLDER COUNT NAME.

It says who created each that it got.
"""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(folder: str, count: str, name: str) -> None:
    with SessionStore(folder, durability="fast", lock_timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            session = store.get_or_create(f"s{number}", title=name, state={"by": name})
            assert session.state == {"by": session.title}
            print(session.title, flush=True)


main(*sys.argv[1:])
