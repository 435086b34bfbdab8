"""What the environment tells of the client that started the server.

Claude Code tells a server that speaks over standard input and output its session and its folder
(https://code.claude.com/docs/en/env-vars); the id stays as it was when the server was started,
also after ``/clear``. Copilot CLI tells its session to shells and MCP servers. Codex tells it to
shells only, so it is known if the server is started from one
(https://github.com/openai/codex/issues/19937).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["client_folder", "client_session_ids"]

_SESSIONS = ("CLAUDE_CODE_SESSION_ID", "COPILOT_AGENT_SESSION_ID", "CODEX_THREAD_ID")
_FOLDER = "CLAUDE_PROJECT_DIR"


def client_session_ids(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of the client's own session, as its program names it."""
    return tuple(environment[name] for name in _SESSIONS if environment.get(name))


def client_folder(environment: Mapping[str, str]) -> str | None:
    """Return the client's project folder: the one that it tells, else the working folder."""
    try:
        return environment.get(_FOLDER) or os.getcwd()
    except FileNotFoundError:  # the working folder was removed meanwhile
        return None
