"""Agents of two users that continue after a restart, and a notebook that both share.

    python examples/agentscope_sessions.py [FOLDER]

Run it twice: the second run remembers the first. ``JSONSession`` has agentscope's names and
signatures; here it keeps states in the session files of a store, so the last lines list them like
any other session. The agent is a stand-in that needs neither agentscope nor a model. The same calls
save and load an agent of agentscope's.
"""

from __future__ import annotations

import asyncio
import sys

from localsessions import SessionStore
from localsessions.adapters.agentscope import JSONSession, StateModule


class Memory(StateModule):
    """What was said."""

    def __init__(self) -> None:
        super().__init__()
        self.content: list[str] = []
        self.register_state("content")


class Notebook(StateModule):
    """What all agents know. A set is not JSON: two functions convert it."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: set[str] = set()
        self.register_state("facts", custom_to_json=sorted, custom_from_json=set)


class Agent(StateModule):
    """Remembers what the user says. Its memory is part of its state because it is a module."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.register_state("name")
        self.memory = Memory()

    def reply(self, said: str, notebook: Notebook) -> str:
        """Answer without a model, but enough to show what it remembers."""
        self.memory.content.append(said)
        notebook.facts.add(said)
        mine, known = len(self.memory.content), len(notebook.facts)
        return f"You told me {mine} so far; together you told us {known}."


async def talk(session: JSONSession, user_id: str, said: str, notebook: Notebook) -> None:
    """Do one turn of a user; the session may be new."""
    friday = Agent("Friday")
    await session.load_session_state(user_id, friday_of_user=friday)
    answer = friday.reply(said, notebook)
    await session.save_session_state(user_id, friday_of_user=friday)
    print(f"{user_id}: {said}\n{friday.name}: {answer}")


async def main() -> None:
    """Let both users say one more thing than the last time, then list the sessions."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "agentscope-sessions"
    session, notebook = JSONSession(save_dir=folder), Notebook()
    await session.load_session_state("shared", notebook=notebook)
    number = len(notebook.facts) // 2 + 1
    await talk(session, "alice", f"the sky is blue ({number})", notebook)
    await talk(session, "bob", f"grass is green ({number})", notebook)
    await session.save_session_state("shared", notebook=notebook)
    with SessionStore(folder) as store:
        for summary in store.list(order="created_at"):
            modules = ", ".join(store.load(summary.session_id).modules)
            print(f"{summary.session_id}.json: {modules}, saved {summary.revision} times")


if __name__ == "__main__":
    asyncio.run(main())
