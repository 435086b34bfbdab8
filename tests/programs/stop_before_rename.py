"""Save a session, but say so and wait where the temp file would be renamed.

stop_before_rename.py FOLDER SESSION_ID
"""

from __future__ import annotations

import sys

from localsessions import SessionStore, _system

rename = _system.rename


def say_and_wait(source: str, target: str) -> None:
    print(source, flush=True)
    sys.stdin.readline()
    rename(source, target)


def main(folder: str, session_id: str) -> None:
    with SessionStore(folder) as store, store.edit(session_id) as session:
        session.title = "saved in the end"
        _system.rename = say_and_wait
    print("saved", flush=True)


main(*sys.argv[1:])
