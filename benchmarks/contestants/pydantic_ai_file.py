"""pydantic-ai: all messages in one JSON file, as its documentation shows, synced.

https://ai.pydantic.dev/message-history/ : ``ModelMessagesTypeAdapter`` writes
``all_messages()`` and reads them for ``message_history=...``. Its own
``ConversationStore`` keeps them in memory only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)

from benchmarks.contestants.contract import Contestant, Said
from benchmarks.contestants.rewrite_floor import read, replace


def message_of(said: Said) -> Any:
    """Return a message as a run of an agent makes it."""
    if said.role == "user":
        return ModelRequest(parts=[UserPromptPart(content=said.text)])
    return ModelResponse(parts=[TextPart(content=said.text)])


class Messages(Contestant):
    """Messages of pydantic-ai, wherever they are."""

    def made(self, messages: Sequence[Said]) -> list[Any]:
        return [*map(message_of, messages)]

    def texts(self, loaded: list[Any]) -> list[str]:
        return [message.parts[0].content for message in loaded]


class Store(Messages):
    """A file a conversation; the messages of the held one stay in memory."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.held: dict[str, list[Any]] = {}

    def _path(self, session: str) -> Path:
        return self.folder / f"{session}.json"

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = []
        self.turn(session, self.made(messages))

    def resume(self, session: str) -> None:
        self.held[session] = self.load(session)

    def turn(self, session: str, made: list[Any]) -> None:
        self.held[session] += made
        replace(self._path(session), ModelMessagesTypeAdapter.dump_json(self.held[session]))

    def load(self, session: str) -> Any:
        return ModelMessagesTypeAdapter.validate_json(read(self._path(session)))
