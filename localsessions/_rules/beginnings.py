"""How much of an id a person needs to type."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["LEAST", "alone"]

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
    common = max((_common(session_id, one) for one in others), default=0)
    return session_id[: max(common + 1, LEAST)]


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
