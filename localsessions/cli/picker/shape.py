"""Where the list and the preview are, on a terminal of some size."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Shape", "shape_of"]

# Columns for a preview beside the list, and rows for one below it.
_BESIDE, _BELOW = 100, 24
_BARS = 3  # lines that are neither list nor preview: the search line, the notes, the keys


class Shape(NamedTuple):
    """The columns and rows of the list and of the preview; a preview of none is not shown."""

    list_columns: int
    list_rows: int
    preview_columns: int = 0
    preview_rows: int = 0

    @property
    def is_beside(self) -> bool:
        """Whether the preview is beside the list, and not below it."""
        return self.preview_columns > 0 and self.preview_rows == self.list_rows


def shape_of(columns: int, rows: int, is_previewed: bool | None = None) -> Shape:
    """Return the shape for a terminal of a size.

    Args:
        columns: Of the terminal.
        rows: Of the terminal.
        is_previewed: Whether there is a preview; None where there is room for one.
    """
    body = max(rows - _BARS, 1)
    if is_previewed is None:
        is_previewed = columns >= _BESIDE or rows >= _BELOW
    if not is_previewed:
        return Shape(columns, body)
    if columns >= _BESIDE:
        return Shape(columns * 3 // 5, body, columns - columns * 3 // 5, body)
    preview = body // 2
    return Shape(columns, body - preview, columns, preview)
