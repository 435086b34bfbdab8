"""The error of a value in a session that is of another type than its field says."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

__all__ = ["wrong_type"]


def wrong_type(what: str, *place: str | int) -> PydanticCustomError:
    """Return the error for a value inside a field; ``place`` leads there from the field."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return PydanticCustomError(
        "wrong_type",
        "{where}{what}",
        {"where": f"{where} " if where else "", "what": what, "place": place},
    )
