"""The list: draws only the rows in view, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from localsessions.cli.picker.keys import bindings_in
from localsessions.cli.picker.looks import RICH, Line
from localsessions.cli.picker.rows import lines_of
from localsessions.models import utc_now

if TYPE_CHECKING:
    from textual import events

    from localsessions.cli.picker.listed import Listed
    from localsessions.cli.picker.rows import Row

__all__ = ["SessionList", "strip_of"]

STYLES = {look: Style.parse(words) for look, words in RICH.items()}


def strip_of(line: Line, width: int, over: Style | None = None) -> Strip:
    """Return a line as textual draws it, padded to a width."""
    segments = [
        Segment(piece.text, STYLES[piece.look] + over if over else STYLES[piece.look])
        for piece in line
        if piece.text
    ]
    return Strip(segments).adjust_cell_length(width, over)


class SessionList(ScrollView, can_focus=True, inherit_bindings=False):
    """The rows, one of them chosen; ``at`` is its number, from 0.

    It keeps the chosen session where rows come and go above it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("list")]

    class Chosen(Message):
        """Another session is chosen."""

    class Opened(Message):
        """The chosen session was clicked once more."""

    class Neared(Message):
        """The last of the rows came near; there may be more."""

    def __init__(self, listed: Listed) -> None:
        super().__init__()
        self.rows, self._columns = listed.rows, listed.columns
        self.at = 0
        self._each = 1

    @property
    def chosen(self) -> Row | None:
        """The chosen row; None where nothing is listed."""
        return self.rows[self.at] if self.at < len(self.rows) else None

    @property
    def in_view(self) -> int:
        """How many rows are seen at once."""
        return max(self.size.height // self._each, 1)

    def show(self, listed: Listed, *, first: bool = False) -> None:
        """Show other rows; the same session stays chosen, or with ``first`` the first is."""
        former, offset = self.chosen, self.at - self.scroll_offset.y // self._each
        self.rows, self._columns = listed.rows, listed.columns
        self._each = 2 if any(row.hit is not None for row in self.rows) else 1
        self.at = 0 if first else self._place_of(former)
        self._fit()
        top = 0 if first else self.at - offset
        self.scroll_to(y=max(top, 0) * self._each, animate=False, force=True)
        self._keep_in_view()
        if self.chosen != former:
            self.post_message(self.Chosen())

    def _place_of(self, former: Row | None) -> int:
        """Return where a session is now; where it is gone, what took its place."""
        if former is not None:
            for place, row in enumerate(self.rows):
                if row.session_id == former.session_id:
                    return place
        return min(self.at, max(len(self.rows) - 1, 0))

    def move(self, to: int) -> None:
        """Choose the row with this number, or the nearest that there is."""
        at = min(max(to, 0), max(len(self.rows) - 1, 0))
        if at != self.at:
            self.at = at
            self._keep_in_view()
            self.post_message(self.Chosen())
        if at + 2 * self.in_view >= len(self.rows):
            self.post_message(self.Neared())

    def _keep_in_view(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        begin, end = self.at * self._each, (self.at + 1) * self._each
        if begin < top:
            self.scroll_to(y=begin, animate=False, force=True)
        elif end > top + height:
            self.scroll_to(y=end - height, animate=False, force=True)
        self.refresh()

    def _fit(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) * self._each)
        self.refresh()

    def on_mount(self) -> None:
        """Take the room that there is."""
        self._fit()

    def on_resize(self) -> None:
        """Fit the rows into another width, and keep the chosen one in view."""
        self._fit()
        self._keep_in_view()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for more where a wheel or a scrollbar brings the end near."""
        super().watch_scroll_y(old_value, new_value)
        if new_value // self._each + 2 * self.in_view >= len(self.rows):
            self.post_message(self.Neared())

    def on_click(self, event: events.Click) -> None:
        """Choose the row; open it if it was chosen already."""
        at = (self.scroll_offset.y + event.y) // self._each
        if at >= len(self.rows):
            return
        if at == self.at and self.chosen is not None:
            self.post_message(self.Opened())
        self.move(at)

    def render_line(self, y: int) -> Strip:
        """Draw a line of what is in view."""
        width = self.scrollable_content_region.width
        at, part = divmod(self.scroll_offset.y + y, self._each)
        if at >= len(self.rows):
            return Strip.blank(width)
        lines = lines_of(self.rows[at], self._columns, width, utc_now())
        if part >= len(lines):
            return Strip.blank(width)
        return strip_of(lines[part], width, STYLES["chosen"] if at == self.at else None)
