"""Hold the room for one more live session until it is killed: hold_room.py FOLDER SESSION_ID."""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(folder: str, session_id: str) -> None:
    with (
        SessionStore(folder) as store,
        store._folder.lock(session_id),
        store._room(session_id, 10),
    ):
        print("held", flush=True)
        sys.stdin.readline()


main(*sys.argv[1:])
