"""Markdown of a session drawn by rich, so that all of it is seen and none of it acts.

What rich would leave out or change is shown: HTML and definitions of links as they are typed, a
line break as one, the address of a link as text (no terminal is told of a link), an image by its
name and address. Each text is
made safe after it is parsed, for an entity as ``&#x202e;`` becomes its character there. Styles are
those that can be read on a dark and on a light terminal; none has a background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich import box
from rich.console import Group
from rich.markdown import CodeBlock, Heading, ListItem, Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from localsessions.cli.screen.safe import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.markdown import MarkdownContext

__all__ = ["SafeMarkdown"]

_STYLES = {
    "markdown.paragraph": "none",
    "markdown.text": "none",
    "markdown.em": "italic",
    "markdown.strong": "bold",
    "markdown.s": "strike",
    "markdown.code": "cyan",
    "markdown.code_block": "cyan",
    "markdown.block_quote": "dim",
    "markdown.list": "none",
    "markdown.item": "none",
    "markdown.item.bullet": "bold",
    "markdown.item.number": "bold",
    "markdown.hr": "dim",
    "markdown.a": "underline",
    "markdown.table.border": "dim",
    "markdown.table.header": "bold",
    "markdown.h1": "bold underline",
    "markdown.h2": "bold underline",
    **{f"markdown.h{level}": "bold" for level in range(3, 7)},
}
_THEME = Theme(_STYLES)
# Beyond this depth markdown-it drops what is inside, without a word.
_DEEPEST = 20
# What is nested deeper leaves no room for words on a narrow terminal.
_LEAST_WIDTH = 24


class SafeMarkdown:
    """A text of a session as Markdown; as it is typed, if it is nested too deep to be drawn.

    It is parsed when it is drawn: of a long session, that is only what is near to the screen.

    Args:
        text: Any text; it is made safe here.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it in styles of its own, whatever theme the console has."""
        yield _Parsed(clean(self._text))


class _Parsed(Markdown):
    inlines = Markdown.inlines | {"a"}

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = text
        parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
        parser.enable(["strikethrough", "table"]).disable("reference")
        tokens = parser.parse(self.markup)
        self._depth = max((token.level for token in tokens), default=0)
        self.parsed = list(_safe(tokens))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        is_narrow = options.max_width - 2 * self._depth < min(_LEAST_WIDTH, options.max_width)
        if self._depth >= _DEEPEST - 1 or (is_narrow and self._depth > _FLAT):
            return [Text(self.markup, overflow="fold")]
        with console.use_theme(_THEME):
            drawn = list(super().__rich_console__(console, options))
        while drawn and drawn[0] == Segment.line():  # so rich begins a table
            del drawn[0]
        return drawn


_LONGEST_ADDRESS = 200
# The depth of a paragraph in a list in a quote.
_FLAT = 4


def _safe(tokens: list[Token]) -> Iterator[Token]:
    """Yield tokens of which rich draws every text, and each text is safe."""
    addresses: list[str] = []
    for token in tokens:
        token.content, token.info = clean(token.content), clean(token.info)
        if token.children:
            token.children = list(_safe(token.children))
        if token.type == "softbreak":
            yield Token("hardbreak", "br", 0)
        elif token.type == "image":
            address = clean(str(token.attrs.get("src", "")))
            is_long = len(address) > _LONGEST_ADDRESS  # an image in the address itself
            shown = f"{address[:_LONGEST_ADDRESS]}…" if is_long else address
            yield _text(f"[image {token.content}]({shown})")
        elif token.type == "link_open":
            addresses.append(clean(str(token.attrs.get("href", ""))))
            yield Token("a_open", "a", 1)
        elif token.type == "link_close":
            yield Token("a_close", "a", -1)
            address = addresses.pop()
            if token.info != "auto":
                yield _text(f" ({address})")
        else:
            yield token


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


class _Heading(Heading):
    """A heading at the left, without a frame."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Code(CodeBlock):
    """Code, set in and not coloured by its language: no text of a session chooses what is run.

    A long line goes on in the next one; nothing beside the code is in the way of copying it.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Text(self.text.plain.rstrip("\n"), style=self.style, overflow="fold", tab_size=4)
        yield Padding(code, (0, 0, 0, 4))


class _Item(ListItem):
    """An item, also one that holds nothing: its bullet or number stays."""

    def __init__(self) -> None:
        super().__init__()
        self._is_empty = True

    def on_child_close(self, context: MarkdownContext, child: MarkdownElement) -> bool:
        """Take what the item holds."""
        self._is_empty = False
        return super().on_child_close(context, child)

    def render_bullet(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield it below a bullet."""
        self._fill()
        return super().render_bullet(console, options)

    def render_number(
        self, console: Console, options: ConsoleOptions, number: int, last_number: int
    ) -> RenderResult:
        """Yield it below a number."""
        self._fill()
        return super().render_number(console, options, number, last_number)

    def _fill(self) -> None:
        if self._is_empty:
            self.elements.append(Text(" "))


class _Table(TableElement):
    """A table of which no cell is cut; where it has no room, a line for each cell."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = self.header.row.cells if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        names = [cell.content for cell in header]
        if len(names) * _LEAST_COLUMN > options.max_width:
            yield Group(*_listed(names, rows))
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.style = "markdown.table.border"
        for name in names:
            name.stylize("markdown.table.header")
            table.add_column(name, overflow="fold", justify=name.justify or "left")
        for row in rows:
            table.add_row(*row)
        yield table


_LEAST_COLUMN = 8


def _listed(names: list[Text], rows: list[list[Text]]) -> Iterator[RenderableType]:
    for at, row in enumerate(rows):
        if at:
            yield Text("")
        for name, cell in zip(names, row, strict=False):
            yield Text.assemble(name, ": ", cell)


_ELEMENTS: dict[str, type[MarkdownElement]] = {
    **Markdown.elements,
    "heading_open": _Heading,
    "fence": _Code,
    "code_block": _Code,
    "list_item_open": _Item,
    "table_open": _Table,
}
_Parsed.elements = _ELEMENTS
