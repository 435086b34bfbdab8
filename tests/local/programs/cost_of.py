"""Do one thing between two marks, which whoever traces the system calls can see.

cost_of.py FOLDER WHAT; asking for files called ``/cost-begin`` and ``/cost-end`` are the marks.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from localsessions import Session, SessionStore
from localsessions._local import reconciling

# On a busy machine a look at the folder becomes due in between, now and then.
reconciling._SWEEP_SHARE = 1_000_000
MANY = 100
TURN = ({"role": "user", "content": "why? " * 100}, {"role": "assistant", "content": "so. " * 100})


def upsert(store: SessionStore, run_id: str) -> None:
    said = [{**one, "id": f"{run_id}-{number}"} for number, one in enumerate(TURN)]
    store.upsert_run("s", {"run_id": run_id}, *said)


def save(store: SessionStore) -> None:
    (session,) = LOADED
    session.metadata["saved"] = session.revision
    store.save(session)


LOADED: list[Session] = []
TURNS = ("append", "upsert_run", "upsert_run with ids", "switch_agent", "tag", "save")
WHATS: dict[str, Callable[[SessionStore], object]] = {
    "append": lambda store: store.append("s", *TURN),
    "upsert_run": lambda store: store.upsert_run("s", {"run_id": "r"}, *TURN),
    "upsert_run with ids": lambda store: upsert(store, "now"),
    "switch_agent": lambda store: store.switch_agent("s", "coder"),
    "tag": lambda store: store.tag("s", "work"),
    "save": save,
    "load": lambda store: store.load("s"),
    "tail": lambda store: store.tail("s", 2),
    "list": lambda store: store.list(),
    "filter": lambda store: store.list(user_id="u", order="-last_activity", limit=20),
    "by size": lambda store: store.list(order="-size_bytes", limit=20),
    "middle": lambda store: store.list(limit=20, cursor=MIDDLE[0]),
    "append and list": lambda store: (store.append("s", *TURN), store.list()),
    "count": lambda store: store.count(),
    "count of one": lambda store: store.count(user_id="u"),
    "change": lambda store: store.list(fresh=True, limit=1),
    "create": lambda store: store.create("n"),
    "create_many": lambda store: store.create_many(
        Session(session_id=f"n{number}") for number in range(MANY)
    ),
    "save_many": lambda store: store.save_many(renamed(store)),
    "delete_many": lambda store: store.delete_many(f"other{number}" for number in range(MANY)),
}


def renamed(store: SessionStore) -> list[Session]:
    sessions = [store.load(f"other{number}") for number in range(MANY)]
    for session in sessions:
        session.title = "renamed"
    return sessions


MIDDLE: list[str | None] = []
READING = ("list", "filter", "by size", "middle", "count", "count of one")


def open_and_list(folder: str) -> None:
    os.access("/cost-begin", os.F_OK)
    with SessionStore(folder) as store:
        store.list()
    os.access("/cost-end", os.F_OK)


def main(folder: str, what: str) -> None:
    if what == "open":
        open_and_list(folder)
        return
    with SessionStore(folder) as store:
        store.list()
        MIDDLE.append(store.list(limit=30).next_cursor)
        if what == "change":
            with open(f"{folder}/other7.json", "a") as file:
                file.write(" ")
            time.sleep(0.1)  # until its times can be believed
        elif what not in READING:
            store.append("s", *TURN)  # the first turn of a process is written whole
            store.append("s", *TURN)
            if what not in TURNS:
                store.count()  # replays the journal
        if what == "upsert_run with ids":
            upsert(store, "first")  # which messages each run has is found out once
            upsert(store, "second")
        if what == "save":
            LOADED.append(store.load("s"))
            save(store)
        os.access("/cost-begin", os.F_OK)
        WHATS[what](store)
        os.access("/cost-end", os.F_OK)


main(*sys.argv[1:])
