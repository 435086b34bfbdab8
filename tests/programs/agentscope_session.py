"""Save or load a module through an agentscope session, as a process of its own.

agentscope_session.py VERB PATH SESSION_ID MODULE [COUNT]

PATH is a folder, or a database file if it ends in ``.db``. ``save`` saves COUNT states one after
the other, each a pair of equal numbers with a long text between them; ``forever`` does not stop,
and says each number when it is saved; ``load`` says what was saved; ``watch`` loads until its
input ends, and fails where a pair is not equal. ``remember`` loads a memory, adds a Msg and saves
it, COUNT times.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from hearing import ear

from localsessions.adapters.agentscope import JSONSession, SessionBase, SqliteSession, StateModule


class Pair(StateModule):
    """Two numbers that are equal in every whole state."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.text, self.last = 0, "", 0
        for name in ("first", "text", "last"):
            self.register_state(name)

    def set(self, number: int) -> None:
        """Be the state of this number."""
        self.first = self.last = number
        self.text = "x" * 20_000


class Memory(StateModule):
    """What an agent remembers, as agentscope's memories keep it."""

    def __init__(self) -> None:
        super().__init__()
        self._compressed_summary = ""
        self.content: list[Any] = []
        for name in ("_compressed_summary", "content"):
            self.register_state(name)


async def remember(session: SessionBase, session_id: str, name: str, count: int) -> None:
    memory = Memory()
    for number in range(count):
        await session.load_session_state(session_id, True, **{name: memory})
        msg = {"id": f"{name}-{number}", "name": "user", "role": "user"}
        memory.content.append([{**msg, "content": f"{name} {number}", "metadata": {}}, []])
        await session.save_session_state(session_id, **{name: memory})
        print(number, flush=True)


async def save(session: SessionBase, session_id: str, name: str, count: int) -> None:
    pair = Pair()
    for number in range(1, count + 1):
        pair.set(number)
        await session.save_session_state(session_id, **{name: pair})
        print(number, flush=True)


async def load(session: SessionBase, session_id: str, name: str) -> int:
    pair = Pair()
    await session.load_session_state(session_id, True, **{name: pair})
    if pair.first != pair.last:
        raise SystemExit(f"a torn state: {pair.first} and {pair.last}")
    return pair.first


async def watch(session: SessionBase, session_id: str, name: str) -> None:
    looks, is_told = 0, ear()
    while not is_told():
        await load(session, session_id, name)
        looks += 1
    print(looks, flush=True)


async def main(verb: str, path: str, session_id: str, name: str, count: str = "1") -> None:
    session = SqliteSession(path) if path.endswith(".db") else JSONSession(save_dir=path)
    if verb in ("save", "remember"):
        print("ready", flush=True)
        sys.stdin.readline()
        act = save if verb == "save" else remember
        await act(session, session_id, name, int(count))
    elif verb == "forever":
        await save(session, session_id, name, sys.maxsize)
    elif verb == "watch":
        print("ready", flush=True)
        await watch(session, session_id, name)
    else:
        print(await load(session, session_id, name), flush=True)


asyncio.run(main(*sys.argv[1:]))
