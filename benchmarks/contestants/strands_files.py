"""Strands: ``FileSessionManager``.

https://strandsagents.com/latest/documentation/docs/user-guide/concepts/agents/session-management/
``Agent(agent_id=..., session_manager=FileSessionManager(session_id=..., storage_dir=...))``. The
manager's hooks call ``append_message`` and ``sync_agent`` for each message, ``sync_agent`` again
when the agent is done, and ``initialize`` when an agent is made. No model is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strands import Agent
from strands.models import Model
from strands.session.file_session_manager import FileSessionManager

from benchmarks.contestants.contract import Said, Tails

AGENT = "benchmark"


class Silent(Model):
    """A model that is never called."""

    def update_config(self, **_: Any) -> None:
        pass

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a turn is measured without a model")

    def stream(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a turn is measured without a model")


class Store(Tails):
    """A folder for each session, a file for each message."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.held: dict[str, tuple[FileSessionManager, Agent]] = {}
        # The creation of an agent is not measured.
        self.spare = _agent()

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        manager = self._manager(session)
        agent = _agent()
        manager.initialize(agent)
        self.held[session] = (manager, agent)
        for message in self.made(messages):  # a sync after each would be quadratic
            agent.messages.append(message)
            manager.append_message(message, agent)
        manager.sync_agent(agent)

    def _manager(self, session: str) -> FileSessionManager:
        return FileSessionManager(session_id=session, storage_dir=str(self.folder))

    def made(self, messages: Sequence[Said]) -> list[Any]:
        return [{"role": role, "content": [{"text": text}]} for _, role, text in messages]

    def turn(self, session: str, made: list[Any]) -> None:
        manager, agent = self.held[session]
        for message in made:
            agent.messages.append(message)
            manager.append_message(message, agent)
            manager.sync_agent(agent)
        manager.sync_agent(agent)

    def load(self, session: str) -> Any:
        self._manager(session).initialize(self.spare)
        return self.spare.messages

    def tail(self, session: str, count: int) -> list[Any]:
        manager = self._manager(session)
        size = len(self.held[session][1].messages)
        found = manager.list_messages(session, AGENT, offset=size - count)
        return [one.to_message() for one in found]

    def texts(self, loaded: list[Any]) -> list[str]:
        return [message["content"][0]["text"] for message in loaded]


def _agent() -> Agent:
    return Agent(agent_id=AGENT, model=Silent(), callback_handler=None)
