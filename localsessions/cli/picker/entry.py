"""Lines that are typed into: the search line, and the answer to a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Static

from localsessions.cli.picker.keys import bindings_in
from localsessions.cli.screen.safe import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

__all__ = ["Answer", "Entry", "SearchLine"]


class Entry(Input):
    """A line of text; what is pasted into it is cleaned, as it may come from anywhere."""

    DEFAULT_CSS = """
    Entry, Entry:focus, Entry:ansi {
        height: 1;
        width: 1fr;
        border: none;
        padding: 0;
        background: ansi_default;
        color: ansi_default;
        background-tint: ansi_default 0%;
        &>.input--cursor { background: ansi_default; color: ansi_default; text-style: reverse; }
        &>.input--selection { background: ansi_default; color: ansi_default; text-style: reverse; }
        &>.input--placeholder { color: ansi_default; text-style: dim; }
    }
    """

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = one_line(event.text)
        if self.selection.is_empty:
            self.insert_text_at_cursor(text)
        else:
            self.replace(text, *self.selection)


class SearchLine(Entry):
    """What is searched for. Keys that move and act work here, too, where they are no letters."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("line")]

    def __init__(self) -> None:
        super().__init__(placeholder="type to search", select_on_focus=False)


class Answer(Container):
    """A question with the line for its answer; hidden until something is asked."""

    DEFAULT_CSS = """
    Answer { height: 1; layout: horizontal; display: none; }
    Answer Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel"),
        Binding("tab,shift+tab", "stay"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._then: Callable[[str], None] | None = None

    def compose(self) -> ComposeResult:
        """Make the question and the line."""
        yield Static(id="question")
        yield Entry(select_on_focus=False)

    def ask(self, question: str, value: str, then: Callable[[str], None]) -> None:
        """Ask, with a value to change; ``then`` is called with the answer, unless it is Esc."""
        self._then = then
        self.query_one("#question", Static).update(Text(f"{question} ", style="bold"))
        entry = self.query_one(Entry)
        entry.value = value
        entry.cursor_position = len(value)
        self.display = True
        self.screen.set_focus(entry)  # at once: letters may follow in the same moment

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the answer."""
        event.stop()
        then, answer = self._then, event.value
        self.action_cancel()
        if then is not None:
            then(answer)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what is typed here from being searched for."""
        event.stop()

    def action_stay(self) -> None:
        """Stay in the line: Enter or Esc leaves it."""

    def give_up(self) -> None:
        """Hide the question again; nothing is done."""
        self._then = None
        self.display = False

    def action_cancel(self) -> None:
        """Hide the question again, and go to the list."""
        self.give_up()
        self.screen.set_focus(self.screen.query_one("SessionList"))
