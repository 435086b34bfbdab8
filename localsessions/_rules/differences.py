"""What a change tells of a session: the fields of its summary that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["differences"]

# These change with every write, or the change reports them in another way.
_UNTOLD = frozenset(
    {"session_id", "created_at", "last_activity", "updated_at"}
    | {"size_bytes", "revision", "preview", "unreadable"}
)


def differences(
    was: Mapping[str, JsonValue], now: Mapping[str, JsonValue]
) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return ``SessionChange.changed`` for two summaries as JSON values.

    Args:
        was: The summary before; empty for a new session, of which only what is set is told.
        now: The summary after.
    """
    return {
        name: (was.get(name), value)
        for name, value in now.items()
        if name not in _UNTOLD and was.get(name) != value and (was or value)
    }
