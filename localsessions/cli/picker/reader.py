"""A page to read: a session with all its messages, or the keys; Esc goes back to the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from localsessions.cli.picker.keys import READING, footer
from localsessions.cli.picker.notes import KeyLine
from localsessions.cli.picker.pane import TextPane

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from localsessions.cli.picker.preview import Shown

__all__ = ["Reader"]


class Reader(Screen[None]):
    """Shows blocks of text on the whole screen.

    Args:
        title: What is read, on a line that stays.
        shown: The blocks.
        whole: Makes the same with nothing folded; None where nothing is.
        resume: Goes on with the session; None where there is nothing to go on with.
    """

    CSS = """
    Reader TextPane { height: 1fr; scrollbar-size-vertical: 1; }
    Reader #title { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(name, f"screen.{key.act}", key.says)
        for key in READING
        for name in key.names.split(",")
    ]

    def __init__(
        self,
        title: Text,
        shown: Shown,
        *,
        whole: Callable[[], Shown] | None = None,
        resume: Callable[[], object] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._shown, self._whole, self._resume = shown, whole, resume
        self._other: Shown | None = None

    def compose(self) -> ComposeResult:
        """Make the title, the pane and the line of keys."""
        self._title.no_wrap, self._title.overflow = True, "ellipsis"
        yield Static(self._title, id="title")
        yield TextPane()
        acts = {"whole": self._whole, "resume": self._resume}
        without = [name for name, act in acts.items() if act is None]
        yield KeyLine(footer("reading", without=without))

    def on_mount(self) -> None:
        """Begin where reading begins."""
        self.call_after_refresh(self._show, self._shown.first)

    def _show(self, first: int) -> None:
        self.query_one(TextPane).show(self._shown.blocks, first)

    def _move(self, lines: int) -> None:
        self.query_one(TextPane).scroll_relative(y=lines, animate=False, force=True)

    def action_up(self) -> None:
        """Move a line up."""
        self._move(-1)

    def action_down(self) -> None:
        """Move a line down."""
        self._move(1)

    def action_page_up(self) -> None:
        """Move a screen up."""
        self._move(1 - self.query_one(TextPane).size.height)

    def action_page_down(self) -> None:
        """Move a screen down."""
        self._move(self.query_one(TextPane).size.height - 1)

    def action_first(self) -> None:
        """Go to the beginning."""
        self._show(0)

    def action_last(self) -> None:
        """Go to the end."""
        self._show(-1)

    def action_whole(self) -> None:
        """Show everything whole, or folded again; reading stays at the same message."""
        if self._whole is None:
            return
        at = self.query_one(TextPane).at
        self._shown, self._other = self._other or self._whole(), self._shown
        self._show(at)

    def action_resume(self) -> None:
        """Go on with the session, if it is one."""
        if self._resume is not None:
            self._resume()

    def action_back(self) -> None:
        """Go back to the list."""
        self.dismiss()
