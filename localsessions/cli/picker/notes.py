"""The two lines at the bottom: what is listed or was done just now, and the keys."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from localsessions.cli.picker.keys import keys_line
from localsessions.cli.picker.looks import RICH, Look
from localsessions.cli.screen.safe import one_line

__all__ = ["KeyLine", "Notes"]


class Notes(Static):
    """What is listed; or what was just done, until one moves on."""

    def __init__(self, state: str) -> None:
        super().__init__()
        self._state = state
        self._said: tuple[str, Look] | None = None
        self._show()

    def tell(self, state: str) -> None:
        """Say what is listed, once nothing else is said."""
        self._state = state
        self._show()

    def say(self, sentence: str, look: Look = "plain") -> None:
        """Say what happened."""
        self._said = one_line(sentence), look
        self._show()

    def settle(self) -> None:
        """Say what is listed again."""
        self._said = None
        self._show()

    def _show(self) -> None:
        if self._said is None:
            self.update(Text(self._state, style="dim", no_wrap=True, overflow="ellipsis"))
        else:  # whole, as the remedy stands at the end of a sentence
            text, look = self._said
            self.update(Text(text, style=RICH[look]))


class KeyLine(Static):
    """The keys that work now, as many as there is room for."""

    def __init__(self, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def tell(self, keys: list[tuple[str, str]]) -> None:
        """Show other keys."""
        self._keys = keys
        self.on_resize()

    def on_resize(self) -> None:
        """Show as many as fit."""
        line = keys_line(self._keys, self.size.width)
        self.update(Text.assemble(*((one.text, RICH[one.look]) for one in line)))
