"""Add numbered messages to a session, by edit and by append in turn.

write_messages.py FOLDER SESSION_ID WRITER COUNT [OTHER]

With OTHER it waits after its first message until that writer has written one, too.
"""

from __future__ import annotations

import sys
import time

from localsessions import SessionStore
from localsessions.models import Message


def main(folder: str, session_id: str, writer: str, count: str, other: str = "") -> None:
    with SessionStore(folder, lock_timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            message: Message = {"role": "user", "content": f"{writer} {number}"}
            if number % 2:
                store.append(session_id, message)
            else:
                with store.edit(session_id) as session:
                    session.messages = [*session.messages, message]
            while not number and other and not wrote(store, session_id, other):
                time.sleep(0.01)


def wrote(store: SessionStore, session_id: str, writer: str) -> bool:
    return any(str(one["content"]).startswith(writer) for one in store.load(session_id).messages)


main(*sys.argv[1:])
