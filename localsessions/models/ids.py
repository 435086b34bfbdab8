"""Random names, and the ids of what is new."""

from __future__ import annotations

import os
import re
import time

__all__ = ["is_made_id", "made_id", "random_hex"]

_MADE = re.compile(r"[a-z]+_[0-9a-f]{24}")


def random_hex(size_bytes: int) -> str:
    """Return random bytes in hexadecimal: ``secrets.token_hex``, whose import takes 2 ms."""
    return os.urandom(size_bytes).hex()


def made_id(prefix: str) -> str:
    """Return a new id; ids sort by the millisecond in which they are made."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{random_hex(6)}"


def is_made_id(value: object) -> bool:
    """Tell whether an id looks like those of ``made_id``."""
    return isinstance(value, str) and _MADE.fullmatch(value) is not None
