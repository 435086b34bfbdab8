"""Put keys of its own into the metadata of one session: manage_merge.py FOLDER ID NAME COUNT."""

from __future__ import annotations

import asyncio
import sys

from localsessions import SessionManager, SessionStore


async def main(folder: str, session_id: str, name: str, count: str) -> None:
    with SessionStore(folder, durability="fast", lock_timeout=60) as store:
        manager = SessionManager(store)
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            assert await manager.update_session_metadata(session_id, {f"{name}{number}": number})


asyncio.run(main(*sys.argv[1:]))
