"""What is taken from OpenAI's Agents SDK. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from agents.items import TResponseInputItem
    from agents.memory.session import _CompactionSnapshot as CompactionSnapshot
    from agents.memory.session_settings import (
        SessionSettings,
        coerce_session_settings,
        resolve_session_limit,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.openai_agents needs OpenAI's Agents SDK ({error}); "
        'pip install "localsessions[openai-agents]"'
    ) from error

__all__ = [
    "CompactionSnapshot",
    "SessionSettings",
    "TResponseInputItem",
    "coerce_session_settings",
    "resolve_session_limit",
]
