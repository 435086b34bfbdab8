"""What hypothesis makes of values: JSON, and what JSON cannot hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = TEXTS | st.sampled_from(
    [
        *("$bytes", "$$bytes", "$float", "$typed", "$$typed", "base64", "$at", "$item", "$$item"),
        *(
            "type",
            "role",
            "content",
            "id",
            "name",
            "tool_calls",
            "path",
            "of",
            "is",
            "with",
            "$ref",
        ),
    ]
)
JSON_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(["NaN", "Infinity", "QQ==", "QR==", ""])
)
LEAVES = JSON_LEAVES | st.floats() | st.binary(max_size=6)


def nested(leaves: st.SearchStrategy[Any], max_leaves: int = 12) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=max_leaves,
    )


HALVES = st.text("a\ud83d\ude00", max_size=3)
"""Texts with halves of surrogate pairs; a store refuses two halves that follow each other."""

JSON = nested(JSON_LEAVES)
VALUES = nested(LEAVES)


def exactly(value: Any) -> str:
    """A text that is the same only for equal values of equal types: 1 is not True, NaN is NaN."""
    if isinstance(value, dict):
        return (
            "{" + ",".join(sorted(f"{key!r}:{exactly(item)}" for key, item in value.items())) + "}"
        )
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[" + ",".join(map(exactly, value)) + "]"
    return f"{type(value).__name__} {value!r}"
