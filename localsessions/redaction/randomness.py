"""Whether a text looks like it was drawn at random, as keys are, and not written by a person. Pure.

Names, paths, dates and versions consist of words and numbers: long pieces of one kind of letter.
A random text changes its kind of letter every second or third character.
"""

from __future__ import annotations

import math
import re
from collections import Counter

__all__ = ["is_placeholder", "looks_random", "varies"]

MIN_LENGTH = 16
MIN_RUN = 12
MIN_BITS = 3.0
"""The least entropy of a character; 12 different characters have 3.6 bits, "aaaabbbbcccc" 1.6."""

MAX_PIECE = 4
"""How long a piece may be on average; words are longer."""

_RUN = re.compile(r"[A-Za-z0-9]+")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_PLACEHOLDER = re.compile(
    r"(?i)your|example|sample|placeholder|change.?me|dummy|redacted|insert|replace|x{4}|\*{3}|\.{3}"
)
_PLACEHOLDERS = frozenset(
    {"password", "passwd", "pass", "pwd", "pw", "secret", "token", "key", "apikey", "user"}
    | {"username", "mypassword", "mypass", "mysecret", "none", "null", "undefined"}
)


def looks_random(text: str) -> bool:
    """Tell whether a text is long enough, mixed enough and no placeholder.

    Only the longest run of letters and digits is judged: what separators hold together are words.
    """
    if len(text) < MIN_LENGTH or is_placeholder(text):
        return False
    run = max(_RUN.findall(text), key=len, default="")
    digits = sum(map(str.isdigit, text))
    return (
        len(run) >= MIN_RUN
        and 2 <= digits <= len(text) - 2
        and len(_PIECE.findall(run)) * MAX_PIECE >= len(run)
        and _bits(run) >= MIN_BITS
    )


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands for a secret that the reader is to fill in."""
    lowered = text.lower()
    return (
        lowered.strip("_-") in _PLACEHOLDERS
        or len(set(lowered)) == 1
        or _PLACEHOLDER.search(text) is not None
    )


def varies(text: str, *, letters: int = 8) -> bool:
    """Tell whether a text has so many different characters; ``xxxxxxxx`` does not."""
    return len(set(text)) >= letters


def _bits(text: str) -> float:
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())
