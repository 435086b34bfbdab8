"""Edit a session until a line comes in: hold.py FOLDER SESSION_ID."""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(folder: str, session_id: str) -> None:
    with SessionStore(folder) as store, store.edit(session_id) as session:
        print("held", flush=True)
        session.title = sys.stdin.readline().strip() or None
    print("released", flush=True)


main(*sys.argv[1:])
