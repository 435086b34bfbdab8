"""AgentScope 1: ``JSONSession``.

https://doc.agentscope.io/tutorial/task_state.html : ``JSONSession(save_dir=...)``,
``save_session_state(session_id, agent=agent)`` after a reply, ``load_session_state`` at the start.
The state of an agent is that of its memory; here only the memory is saved.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from agentscope.memory import InMemoryMemory
from agentscope.message import Msg
from agentscope.session import JSONSession

from benchmarks.contestants.contract import Said, Saves

logging.getLogger("as").setLevel(logging.WARNING)


class Store(Saves):
    """A file for each session, written whole."""

    def open(self) -> None:
        self.files = JSONSession(save_dir=str(self.folder))
        self.held: dict[str, InMemoryMemory] = {}

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = InMemoryMemory()
        await self.turn(session, self.made(messages))

    def made(self, messages: Sequence[Said]) -> list[Msg]:
        return [Msg(name=role, content=text, role=role) for _, role, text in messages]

    async def turn(self, session: str, made: list[Msg]) -> None:
        await self.held[session].add(made)
        await self.save(session)

    async def save(self, session: str) -> None:
        await self.files.save_session_state(session, memory=self.held[session])

    async def load(self, session: str) -> Any:
        memory = InMemoryMemory()
        await self.files.load_session_state(session, allow_not_exist=False, memory=memory)
        return await memory.get_memory()

    def texts(self, loaded: Any) -> list[str]:
        return [message.content for message in loaded]
