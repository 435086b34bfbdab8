"""Use a store: "write" so many times, or "watch" or "search" until a line comes in.

use_all_the_time.py FOLDER write|watch|search NUMBER COUNT
"""

from __future__ import annotations

import random
import sys
import threading

from localsessions import SessionError, SessionStore
from localsessions.models import Message

MOST = 24


def turn(chance: random.Random) -> list[Message]:
    """Return two messages of 1 kB, with words that are common and words that are rare."""
    return [
        {
            "role": role,
            "content": " ".join(f"{int(9_000 ** chance.random()):x}ish" for _ in range(140)),
        }
        for role in ("user", "assistant")
    ]


def write(store: SessionStore, number: int, chance: random.Random) -> None:
    """Add to a session; now and then save one, change it, make it or delete it."""
    ids = [one.session_id for one in store.list(limit=2 * MOST)]
    session_id, said = chance.choice(ids), turn(chance)
    if number % 10 == 1:
        session = store.load(session_id)
        for message in session.messages[:1]:  # one that was just created has none yet
            message.update(said[0])
        store.save(session)
    elif number % 10 == 3:
        with store.edit(session_id) as draft:
            draft.state["number"] = number
    elif number % 20 == 5 and len(ids) > MOST:
        store.delete(session_id)
    elif number % 40 == 15:
        store.fork(session_id)
    elif number % 40 == 25:
        store.append(store.create().session_id, *said)
    else:
        store.append(session_id, *said)


def wait_for_a_line(ended: threading.Event) -> None:
    sys.stdin.readline()
    ended.set()


def main(folder: str, role: str, who: str, count: str) -> None:
    chance = random.Random(who)
    ended = threading.Event()
    with SessionStore(folder, durability="fast") as store:
        print("ready", flush=True)
        sys.stdin.readline()
        if role == "write":
            for number in range(int(count)):
                try:
                    write(store, number, chance)
                except SessionError:
                    continue  # another one deleted it, or saved it first
            return
        threading.Thread(target=lambda: wait_for_a_line(ended), daemon=True).start()
        if role == "watch":
            store.watch(lambda change: None)
        while not ended.wait(0.1):
            if role == "search":
                store.search(f"{chance.randrange(9_000):x}ish")


main(*sys.argv[1:])
