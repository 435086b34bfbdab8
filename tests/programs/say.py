"""Let a message grow, a flush for each line that comes in: say.py ADDRESS SESSION_ID."""

from __future__ import annotations

import sys

from localsessions import SessionStore


def main(address: str, session_id: str) -> None:
    with SessionStore(address) as store, store.streaming(session_id) as draft:
        print(draft.run_id, flush=True)
        for line in sys.stdin:
            draft.write(line.strip())
            draft.flush()
            draft.write(" and what was not flushed")
            print("flushed", flush=True)


main(*sys.argv[1:])
