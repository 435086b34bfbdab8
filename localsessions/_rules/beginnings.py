"""Beginnings: what texts have in common, and how much of an id a person needs to type."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["LEAST", "alone", "common"]

LEAST = 8
"""No beginning is shorter, so that it still means the same session when others come."""


def alone(session_id: str, others: Iterable[str]) -> str:
    """Return the shortest beginning of an id with which none of the others begins.

    Args:
        session_id: The id.
        others: Other ids; of sorted ids, those before and after it are enough.

    Returns:
        At least ``LEAST`` letters; the whole id where another one begins with it.
    """
    most = max((common(session_id, one) for one in others), default=0)
    return session_id[: max(most + 1, LEAST)]


def common(one: str, other: str) -> int:
    """Return how many letters at the beginning of two texts are the same."""
    for at, (here, there) in enumerate(zip(one, other, strict=False)):
        if here != there:
            return at
    return min(len(one), len(other))
