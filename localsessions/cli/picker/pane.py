"""A pane of text: blocks that rich lays out, drawn line by line.

Only blocks near to what is in view are laid out, so that a session of any length opens at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

__all__ = ["TextPane"]

_AT_ONCE = 20  # blocks


class TextPane(ScrollView, can_focus=False):
    """Blocks of clean text."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (as textual calls it)
        super().__init__(id=id)
        self._blocks: Sequence[RenderableType] = ()
        self._first = 0
        self._strips: list[Strip] = []
        self._begin = self._end = 0  # the blocks that are laid out
        self._width = 0

    def show(self, blocks: Sequence[RenderableType], first: int = 0) -> None:
        """Show blocks, from the one with this number on; -1 shows the end of the last."""
        self._blocks, self._first = blocks, first
        self._lay_out()

    def on_resize(self) -> None:
        """Lay out again where the width is another."""
        if self.scrollable_content_region.width != self._width:
            self._lay_out()

    def _lay_out(self) -> None:
        self._width = self.scrollable_content_region.width
        if self._width <= 0:
            return
        count = len(self._blocks)
        at = count if self._first < 0 else min(self._first, count)
        self._begin, self._end = max(at - _AT_ONCE, 0), min(at + _AT_ONCE, count)
        before = self._drawn(self._blocks[self._begin : at])
        self._strips = before + self._drawn(self._blocks[at : self._end])
        self._fit(len(before))

    def _fit(self, top: int) -> None:
        self.virtual_size = Size(self._width, len(self._strips))
        self.scroll_to(y=top, animate=False, force=True)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Lay out more where an end of what is laid out comes near."""
        super().watch_scroll_y(old_value, new_value)
        height = self.size.height
        if new_value < height and self._begin > 0:
            begin = max(self._begin - _AT_ONCE, 0)
            more = self._drawn(self._blocks[begin : self._begin])
            self._begin, self._strips = begin, more + self._strips
            self._fit(int(new_value) + len(more))
        elif new_value + 2 * height > len(self._strips) and self._end < len(self._blocks):
            end = self._end + _AT_ONCE
            self._strips += self._drawn(self._blocks[self._end : end])
            self._end = min(end, len(self._blocks))
            self._fit(int(new_value))

    @property
    def at(self) -> int:
        """The number of the block at the top."""
        left, at = self.scroll_offset.y, self._begin
        while at + 1 < self._end and (height := self._height_of(at)) <= left:
            left, at = left - height, at + 1
        return at

    def _height_of(self, at: int) -> int:
        return len(self._drawn([self._blocks[at]]))

    def _drawn(self, blocks: Iterable[RenderableType]) -> list[Strip]:
        return [strip for block in blocks for strip in (*self._strips_of(block), Strip([]))]

    def _strips_of(self, block: RenderableType) -> Iterator[Strip]:
        console = self.app.console
        options = console.options.update(width=self._width, height=None)
        for line in console.render_lines(block, options, pad=False):
            yield Strip(one for one in line if not one.control)

    def render_line(self, y: int) -> Strip:
        """Draw a line of what is in view."""
        at, width = self.scroll_offset.y + y, self.size.width
        if at >= len(self._strips):
            return Strip.blank(width)
        return self._strips[at].adjust_cell_length(width)
