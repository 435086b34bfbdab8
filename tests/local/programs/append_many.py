"""Add numbered messages to a session of one's own; the journal is short, so it is often renewed.

append_many.py FOLDER SESSION_ID COUNT LONG_BYTES
"""

from __future__ import annotations

import sys

from localsessions import SessionStore
from localsessions._local.index.journal import Journal


def main(folder: str, session_id: str, count: str, long_bytes: str) -> None:
    Journal.LONG_BYTES = int(long_bytes)
    with SessionStore(folder, lock_timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            store.append(session_id, {"role": "user", "content": f"{number}"})


main(*sys.argv[1:])
