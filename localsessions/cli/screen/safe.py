"""Texts of a session made safe for a terminal; nothing else makes them so.

Other people and programs wrote the content of a session. Each text of it that reaches a terminal
goes through ``clean`` or ``one_line``, so that it has no control character.
"""

from __future__ import annotations

import re

__all__ = ["UNSAFE", "clean", "counted", "one_line"]

# C0 except tab and newline, DEL and C1; characters that turn the direction of writing; line
# separators; lone surrogates.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Return a text of several lines with every control character escaped."""
    return UNSAFE.sub(lambda match: _spelled(match.group()), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return a text as one line, with every control character escaped."""
    return clean(" ".join(text.split()))


def counted(count: int, what: str) -> str:
    """Return a number with what it counts, of which the plural ends with an s."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _spelled(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
