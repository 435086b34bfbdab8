"""Save sessions in turn until killed, and acknowledge each save that returned.

save_for_ever.py FOLDER COUNT; each line is a session id and the number that it now holds.
"""

from __future__ import annotations

import itertools
import sys

from localsessions import SessionStore


def main(folder: str, count: str) -> None:
    with SessionStore(folder, lock_timeout=60) as store:
        for turn in itertools.count():
            session_id = f"s{turn % int(count)}"
            with store.edit(session_id) as session:
                number = session.state["number"]
                assert isinstance(number, int)
                session.state["number"] = number + 1
                # A file of several pages, each of which tells the number.
                session.state["filling"] = [f"{number + 1:08}"] * 1500
            print(session_id, number + 1, flush=True)


main(*sys.argv[1:])
