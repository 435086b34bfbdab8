"""Microsoft agent-framework: ``FileHistoryProvider``, lines at the end of a file.

``agent_framework/_sessions.py``: after a run the provider's ``save_messages(session_id,
[input, answer])`` reads the file, leaves out messages that are already there and appends the rest;
before a run ``get_messages(session_id)`` reads it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from agent_framework import FileHistoryProvider, Message

from benchmarks.contestants.contract import Contestant, Said

warnings.simplefilter("ignore")


class Store(Contestant):
    """A file of lines for each session."""

    def open(self) -> None:
        self.files = FileHistoryProvider(self.folder)

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        await self.files.save_messages(session, self.made(messages))

    def made(self, messages: Sequence[Said]) -> list[Message]:
        return [Message(role=role, contents=[text]) for _, role, text in messages]

    async def turn(self, session: str, made: list[Message]) -> None:
        await self.files.save_messages(session, made)

    async def load(self, session: str) -> Any:
        return await self.files.get_messages(session)

    def texts(self, loaded: Any) -> list[str]:
        return [message.text for message in loaded]
