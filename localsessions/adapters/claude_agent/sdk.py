"""What is taken from Claude's Agent SDK. Only this module says what to do if it is missing."""

from __future__ import annotations

try:
    from claude_agent_sdk import fold_session_summary
    from claude_agent_sdk.types import (
        SessionKey,
        SessionListSubkeysKey,
        SessionStore,
        SessionStoreEntry,
        SessionStoreListEntry,
        SessionSummaryEntry,
    )
except ImportError as error:
    raise ImportError(
        f"localsessions.adapters.claude_agent needs Claude's Agent SDK ({error}); "
        'pip install "localsessions[claude-agent]"'
    ) from error

__all__ = [
    "SessionKey",
    "SessionListSubkeysKey",
    "SessionStore",
    "SessionStoreEntry",
    "SessionStoreListEntry",
    "SessionSummaryEntry",
    "fold_session_summary",
]
