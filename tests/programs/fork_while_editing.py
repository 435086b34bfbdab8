"""Fork inside edit; tell what the child could do with the parent's lock.

fork_while_editing.py FOLDER SESSION_ID WHAT

The child leaves the block, and with "others" as WHAT it tries other stores and verbs before.
"""

from __future__ import annotations

import os
import sys

from localsessions import SessionStore
from localsessions.errors import LockTimeoutError


def in_child(folder: str, session_id: str, store: SessionStore) -> None:
    """Say who holds the lock, as seen with the inherited store and with a new one."""
    for name, tried in (("inherited", store), ("new", SessionStore(folder, lock_timeout=0))):
        try:
            tried.rename(session_id, f"by the child, {name} store")
        except LockTimeoutError:
            print(f"{name} store: locked", flush=True)
        else:
            print(f"{name} store: renamed", flush=True)


def main(folder: str, session_id: str, what: str) -> None:
    store = SessionStore(folder, lock_timeout=0)
    is_parent = True
    try:
        with store.edit(session_id) as session:
            session.title = "by the parent"
            child = os.fork()
            is_parent = child != 0
            if not is_parent:
                session.title = "by the child, leaving the block"
                if what == "others":
                    in_child(folder, session_id, store)
            else:
                print("child ended with", os.waitpid(child, 0)[1], flush=True)
    except OSError as error:
        print("the block ended with", type(error).__name__, flush=True)
        os._exit(0 if not is_parent else 1)
    if not is_parent:
        os._exit(2)
    store.close()


main(*sys.argv[1:])
