"""How parts of a line look: by name, as a style of rich, and as an escape sequence.

Only colours of the person's own terminal are used, and its background stays. With NO_COLOR a look
is bold, dim or reversed, and never a colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["RICH", "Line", "Look", "Piece", "sequence"]

Look: TypeAlias = Literal["plain", "dim", "strong", "hit", "mark", "fault", "chosen"]


class Piece(NamedTuple):
    """A part of a line; its text is clean."""

    text: str
    look: Look = "plain"


Line: TypeAlias = Sequence[Piece]

RICH: Mapping[Look, str] = {
    "plain": "",
    "dim": "dim",
    "strong": "bold",
    "hit": "bold red",
    "mark": "yellow",
    "fault": "red",
    "chosen": "reverse",
}
_NUMBERS = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "yellow": "33"}
_COLOURS = ("red", "yellow")


def sequence(look: Look, *, colour: bool) -> str:
    """Return the sequence that begins a look."""
    words = [word for word in RICH[look].split() if colour or word not in _COLOURS]
    return f"\x1b[{';'.join(('0', *(_NUMBERS[word] for word in words)))}m"
