"""The fields of a session file, by name; no model: what only looks at files needs none."""

from __future__ import annotations

__all__ = ["FORMAT", "SESSION_FIELDS"]

FORMAT = "localsessions/1"
"""The value that this version writes into the field ``format`` of every file."""

SESSION_FIELDS = (
    *("format", "session_id", "title", "user_id", "agent_id", "forked_from", "source"),
    *("created_at", "messages", "runs", "agent_context", "modules", "state", "metadata"),
    *("tags", "pinned", "status", "ttl", "expires_at", "last_activity", "updated_at", "revision"),
)
"""The fields of ``Session``, in the order in which a file has them."""
