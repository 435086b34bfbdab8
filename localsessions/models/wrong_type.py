"""The error for a value in a session whose type is not that of its field."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

__all__ = ["wrong_type"]


def wrong_type(what: str, *place: str | int) -> PydanticCustomError:
    """Return the error for a value inside a field; ``place`` is its path within the field."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return PydanticCustomError(
        "wrong_type",
        "{where}{what}",
        {"where": f"{where} " if where else "", "what": what, "place": place},
    )
