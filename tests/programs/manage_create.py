"""Create sessions by a manager, all at once, until there are too many; say how many it made.

manage_create.py FOLDER MAX_SESSIONS TRIES
"""

from __future__ import annotations

import asyncio
import sys

from localsessions import Session, SessionLimitError, SessionManager, SessionStore


async def main(folder: str, max_sessions: str, tries: str) -> None:
    with SessionStore(folder, lock_timeout=60) as store:
        manager = SessionManager(store, max_sessions=int(max_sessions))
        print("ready", flush=True)
        sys.stdin.readline()
        tasks = [manager.create_session("u", "a") for _ in range(int(tries))]
        done = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [one for one in done if isinstance(one, BaseException)]
    assert all(isinstance(one, SessionLimitError) for one in failed), failed
    assert not any(isinstance(one, Session) for one in done)  # the manager tells its own
    print(len(done) - len(failed), flush=True)


asyncio.run(main(*sys.argv[1:]))
