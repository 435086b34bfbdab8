"""Add numbered messages to a session, saving with a merge; say how many saves met another's.

The first of all writers' saves stand on one version, which is loaded before "ready".

merge_messages.py FOLDER SESSION_ID WRITER COUNT
"""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(folder: str, session_id: str, writer: str, count: str) -> None:
    merges = 0
    with SessionStore(folder, lock_timeout=60) as store:
        session = store.load(session_id)
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            before = session.revision
            session.messages.append({"id": f"{writer} {number}", "role": "user"})
            store.save(session, on_conflict="merge")
            merges += session.revision != before + 1
            session = store.load(session_id)
    print(merges)


main(*sys.argv[1:])
