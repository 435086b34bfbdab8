"""Sessions of users that expire, with checkpoints, in an asynchronous program.

python examples/async_session_manager.py FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from localsessions import SessionManager, SessionStore
from localsessions.manager import Session


class CachedSessionManager(SessionManager):
    """A manager with its own cache, for programs that accept old answers."""

    def __init__(self, *args: Any, cache_size: int = 100, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cache: dict[str, Session] = {}
        self._cache_size = cache_size

    async def get_session(self, session_id: str) -> Session | None:
        """Return the session as it was when it was first asked for."""
        if session_id in self._cache:
            return self._cache[session_id]
        session = await super().get_session(session_id)
        if session and len(self._cache) < self._cache_size:
            self._cache[session_id] = session
        return session


async def multi_turn_conversation(session_manager: SessionManager) -> None:
    session = await session_manager.create_session(user_id="user_123", agent_id="chatbot")
    turns = [
        ("What's the weather like?", "Where are you located?"),
        ("I'm in Beijing", "The weather in Beijing is sunny with a high of 25°C."),
    ]
    conversation_history: list[dict[str, str]] = []
    for number, (user_message, assistant_response) in enumerate(turns, start=1):
        conversation_history.extend(
            [
                {"role": "user", "content": user_message},
                {"role": "assistant", "content": assistant_response},
            ]
        )
        await session_manager.save_checkpoint(
            session.session_id, {"turn": number, "history": conversation_history}
        )
    for checkpoint in await session_manager.list_checkpoints(session.session_id):
        data = checkpoint["data"]
        print(f"Checkpoint of turn {data['turn']}: {len(data['history'])} messages")


async def batch_operations(session_manager: SessionManager) -> None:
    tasks = [session_manager.create_session(f"user_{i}", "chatbot") for i in range(10)]
    sessions = await asyncio.gather(*tasks)
    print(f"Created {len(sessions)} sessions")
    user_sessions = await session_manager.get_sessions_by_user("user_5")
    print(f"User 5 has {len(user_sessions)} sessions")


async def expiry(store: SessionStore) -> None:
    session_manager = SessionManager(conn=store, ttl=2)
    session = await session_manager.create_session(user_id="user_123", agent_id="visitor")
    retrieved = await session_manager.get_session(session.session_id)
    print(f"Immediate access: {retrieved is not None}")
    while await session_manager.session_exists(session.session_id):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    print(f"Cleaned {await session_manager.cleanup_expired_sessions()} expired sessions")


async def main(folder: str) -> None:
    with SessionStore(folder) as store:
        session_manager = CachedSessionManager(conn=store, ttl=3600)
        await multi_turn_conversation(session_manager)
        await batch_operations(session_manager)
        await expiry(store)
        print(f"Active: {await session_manager.get_active_session_count()}")
        removed = await session_manager.delete_agent_sessions("chatbot")
        print(f"Deleted {removed} sessions of the chatbot")


asyncio.run(main(*sys.argv[1:]))
