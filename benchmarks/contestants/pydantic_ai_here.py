"""pydantic-ai over this project's store: ``LocalConversationStore``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai.conversation import Conversation

from benchmarks.contestants.contract import Said, Tails
from benchmarks.contestants.pydantic_ai_file import Messages
from localsessions import SessionStore
from localsessions.adapters.pydantic_ai import LocalConversationStore


class Store(Messages, Tails):
    """A file a session; the conversation of the held one stays in memory."""

    def open(self) -> None:
        self.sessions = SessionStore(self.folder)
        self.store = LocalConversationStore(self.sessions)
        self.conversations: dict[str, Any] = {}

    def close(self) -> None:
        self.sessions.close()

    async def begin(self, session: str, messages: Sequence[Said]) -> None:
        made = Conversation(conversation_id=session, messages=self.made(messages))
        await self.store.save(made)

    async def resume(self, session: str) -> None:
        self.conversations[session] = await self.store.load(session)

    async def turn(self, session: str, made: list[Any]) -> None:
        conversation = self.conversations[session]
        conversation.messages.extend(made)
        await self.store.save(conversation)

    async def load(self, session: str) -> Any:
        conversation: Any = await self.store.load(session)
        return conversation.messages

    async def tail(self, session: str, count: int) -> Any:
        conversation: Any = await self.store.load(session, limit=count)
        return conversation.messages
