"""Equality that sees what ``==`` does not: types, signs, and the order of keys."""

from __future__ import annotations

__all__ = ["exact"]


def exact(value: object) -> object:
    """Return what compares equal only where types, signs and the order of keys are the same."""
    if isinstance(value, dict):
        return [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, list):
        return ["list", *map(exact, value)]
    return (type(value).__name__, repr(value) if isinstance(value, float) else value)
