"""Edit a session with a child that does nothing: hold_with_child.py FOLDER SESSION_ID.

The child lives until standard input ends, whatever becomes of its parent.
"""

from __future__ import annotations

import os
import sys

from localsessions import SessionStore


def main(folder: str, session_id: str) -> None:
    with SessionStore(folder) as store, store.edit(session_id):
        if not os.fork():  # the child says so: by then it has closed what it inherited
            print("held", flush=True)
        sys.stdin.read()
        os._exit(0)


main(*sys.argv[1:])
