"""Append numbered messages through CodeLab's manager, switching agents in between; say each.

codelab_append.py DATABASE_PATH SESSION_ID WRITER COUNT
"""

from __future__ import annotations

import sys

from localsessions.adapters.codelab import AgentContextManager, AgentType, Database, SessionManager

AGENTS = (AgentType.CODER, AgentType.ARCHITECT)


def main(path: str, session_id: str, writer: str, count: str) -> None:
    with Database(f"sqlite:///{path}") as db:
        sessions, contexts = SessionManager(db), AgentContextManager(db)
        sessions.get_or_create(session_id, "You help")
        context = contexts.get_or_create(session_id)
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            sessions.append_message(session_id, "user", f"{writer} {number}")
            context.add_metadata(f"{writer} {number}", number)
            context.switch_agent(AGENTS[number % 2], f"{writer} {number}")
            print(number, flush=True)


main(*sys.argv[1:])
