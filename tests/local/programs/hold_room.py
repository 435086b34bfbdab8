"""Hold the room for one more live session until it is killed: hold_room.py FOLDER SESSION_ID."""

from __future__ import annotations

import sys

from localsessions import Session, SessionStore
from localsessions._local.engine import LocalEngine


def main(folder: str, session_id: str) -> None:
    with SessionStore(folder) as store:
        engine = store.engine
        assert isinstance(engine, LocalEngine)
        with engine.folder.lock(session_id), engine._room(Session(session_id=session_id), 10):
            print("held", flush=True)
            sys.stdin.readline()


main(*sys.argv[1:])
