"""Work on one session through one surface: work_through.py SURFACE FOLDER SESSION NAME COUNT.

Whatever it puts in carries NAME and a number, so that it can be found again. FOLDER is that of
CodeLab's database, whose session files all surfaces share.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from localsessions import SessionManager, SessionStore


def agno(folder: str, session_id: str, name: str, count: int) -> None:
    from agno.agent import Agent
    from agno_agent import Parrot  # the one beside this file

    from localsessions.adapters.agno import AgnoDb

    with SessionStore(folder, lock_timeout=120) as store:
        agent = Agent(model=Parrot(), db=AgnoDb(store), session_id=session_id, user_id="alice")
        for number in range(count):
            agent.run(f"{name} {number}")


def core(folder: str, session_id: str, name: str, count: int) -> None:
    with SessionStore(folder, lock_timeout=120) as store:
        for number in range(count):
            text = f"{name} {number}"
            run = {"run_id": text, "status": "COMPLETED"}
            store.upsert_run(session_id, run, {"role": "user", "content": text})
            store.switch_agent(session_id, text, "its turn")


def agentscope(folder: str, session_id: str, name: str, count: int) -> None:
    from localsessions.adapters.agentscope import JSONSession, StateModule

    class Counter(StateModule):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number
            self.register_state("number")

    session = JSONSession(save_dir=folder)

    async def work() -> None:
        for number in range(count):
            await session.save_session_state(session_id, **{f"{name}_{number}": Counter(number)})

    asyncio.run(work())


def manager(folder: str, session_id: str, name: str, count: int) -> None:
    async def work(store: SessionStore) -> None:
        sessions = SessionManager(store)
        for number in range(count):
            metadata = {f"{name} {number}": number}
            assert await sessions.update_session_metadata(session_id, metadata)
            await sessions.save_checkpoint(session_id, {"text": f"{name} {number}"})

    with SessionStore(folder, lock_timeout=120) as store:
        asyncio.run(work(store))


def codelab(folder: str, session_id: str, name: str, count: int) -> None:
    from localsessions.adapters.codelab import AgentContextManager, Database, SessionManager

    path = folder.removesuffix(".sessions")
    with Database(f"sqlite:///{path}") as db:
        chats, contexts = SessionManager(db), AgentContextManager(db)
        for number in range(count):
            chats.append_message(session_id, "user", f"{name} {number}")
            chats.append_tool_result(session_id, f"call {name} {number}", "grep", "found")
            contexts.get_or_create(session_id).add_metadata(f"{name} {number}", number)


SURFACES = {one.__name__: one for one in (agno, core, agentscope, manager, codelab)}


def main(surface: str, folder: str, session_id: str, name: str, count: str) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    print("ready", flush=True)
    sys.stdin.readline()
    SURFACES[surface](folder, session_id, name, int(count))


main(*sys.argv[1:])
