"""The statuses of runs that mean something to the store; a run may have any other."""

from __future__ import annotations

from typing import Final

__all__ = [
    "COMPLETED",
    "INTERRUPTED",
    "RUNNING",
    "SKIPPED_STATUSES",
    "UNFINISHED_STATUSES",
]

RUNNING: Final = "RUNNING"
COMPLETED: Final = "COMPLETED"
INTERRUPTED: Final = "INTERRUPTED"

SKIPPED_STATUSES: Final = frozenset({"ERROR", "CANCELLED", "PAUSED", "REGENERATED"})
"""Runs with these statuses are stored, but not sent."""

UNFINISHED_STATUSES: Final = frozenset({RUNNING, "PENDING", INTERRUPTED})
"""Runs with these statuses have not ended, or ended in the middle."""
