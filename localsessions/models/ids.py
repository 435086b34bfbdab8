"""Random names, and the ids of what is new."""

from __future__ import annotations

import os
import time

__all__ = ["made_id", "random_hex"]


def random_hex(size_bytes: int) -> str:
    """Return random bytes in hexadecimal: ``secrets.token_hex``, whose import takes 2 ms."""
    return os.urandom(size_bytes).hex()


def made_id(prefix: str) -> str:
    """Return a new id; ids sort by the millisecond in which they are made."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{random_hex(6)}"
