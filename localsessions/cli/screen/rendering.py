"""What rich draws, as text with our own styles, for the two streams."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING

from localsessions.cli.screen.streams import is_plain

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["rendered", "width"]

_WIDEST = 120
"""A longer line is hard to read."""


def width() -> int:
    """Return how many columns are used of the terminal."""
    return max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)


_NARROWEST = 10


def rendered(renderable: RenderableType, *, is_whole: bool = False) -> str:
    """Return what is drawn, without a line break at its end.

    It has the 8 colours that a terminal's own theme sets, and none if standard output takes no
    styles.

    Args:
        renderable: What is drawn.
        is_whole: Whether a line that is too long stays one line.
    """
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width(),
        height=_ANY_HEIGHT,  # without it, rich takes a dumb terminal for one of 80 columns
        force_terminal=True,
        color_system=None if is_plain(sys.stdout) else "standard",
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as captured:
        console.print(renderable, soft_wrap=is_whole)
    lines = (line.rstrip() for line in captured.get().split("\n"))
    text = "\n".join(lines).rstrip("\n")
    return text if _is_unicode() else text.translate(_ASCII)


_ANY_HEIGHT = 25


def _is_unicode() -> bool:
    return sys.stdout.encoding.lower().startswith("utf")


# What is drawn beside the texts, for a terminal that has no more.
_ASCII = str.maketrans("•▌│┃└─━…", "*||||--~")
