"""Add one to a number in a session, TIMES times: count.py FOLDER SESSION_ID TIMES."""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(folder: str, session_id: str, times: str) -> None:
    with SessionStore(folder, durability="fast", lock_timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(int(times)):
            with store.edit(session_id) as session:
                number = session.state["number"]
                assert isinstance(number, int)
                session.state["number"] = number + 1


main(*sys.argv[1:])
