"""The beginning of a long text, and how much is left of it.

Only what is shown is looked at closely: a text may have a hundred million characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from localsessions.cli.screen.safe import clean, counted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Folded", "beginning"]


def beginning(text: str, lines: int, characters: int) -> tuple[str, str]:
    """Return the first lines of a text and, in words, what is left; empty if it is whole.

    Args:
        text: Any text.
        lines: How many lines at most.
        characters: How many characters at most; the cut is at a line's end, or else between words.
    """
    end = 0
    for _ in range(lines):
        at = text.find("\n", end)
        if at < 0 or at > characters:
            break
        end = at + 1
    else:
        return (text, "") if not text[end:].strip() else (text[:end], _left(text, end))
    if len(text) <= characters:
        return text, ""
    if end == 0:
        end = text.rfind(" ", characters // 2, characters) + 1 or characters
    return text[:end], _left(text, end)


def _left(text: str, start: int) -> str:
    lines = text.count("\n", start, len(text) - 1) + 1
    return (
        counted(lines, "more line") if lines > 1 else counted(len(text) - start, "more character")
    )


class Folded:
    """A text as it is typed, of which only the first lines of the terminal are shown.

    Args:
        text: Any text; it is made safe here.
        lines: How many lines at most; None shows all.
        hint: What is said after how much is left.
        style: How it looks.
        lead: What stands before it on the first line.
    """

    def __init__(
        self, text: str, lines: int | None, hint: str, *, style: str = "", lead: Text | None = None
    ) -> None:
        self._text, self._lines, self._hint = text.strip("\n"), lines, hint
        self._style, self._lead = style, lead or Text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield its lines and, if that is not all, what is left."""
        if self._lines is None:
            yield self._whole(self._text)
            return
        shown, rest = beginning(self._text, self._lines, self._lines * options.max_width)
        whole = self._whole(shown.rstrip("\n"))
        drawn = [*whole.wrap(console, options.max_width, overflow="fold")]
        if len(drawn) > self._lines:
            del drawn[self._lines :]
            shown_length = sum(len(line.plain) for line in drawn) - len(self._lead.plain)
            rest = _left(self._text, min(shown_length, len(self._text) - 1))
        while rest and drawn and not drawn[-1].plain.strip():
            drawn.pop()
        yield from drawn
        if rest:
            yield Text(f"... {rest}{self._hint}", style=self._style)

    def _whole(self, text: str) -> Text:
        whole = Text(style=self._style, overflow="fold", tab_size=4)
        return whole.append_text(self._lead).append(clean(text))
