r"""Texts of other people inside a Markdown page, so that none of them reaches out of its place.

``embedded`` keeps a text as Markdown as far as that is certain. The rules are those of CommonMark
0.31 (https://spec.commonmark.org/0.31.2/), and the result is safe in renderers that let HTML
through or know tables (https://github.github.com/gfm/):

- Headings move two levels down; those of the page stay alone on the first two.
- ``<`` before a letter, ``/``, ``!`` or ``?`` is escaped where it is not certainly code, so that no
  HTML begins.
- A fence that is open at the end of its text or of its container gets a line that closes it.
- A backtick that its line does not close is escaped, so that no line changes what the next line is.

CommonMark needs the whole text to say where code is: a fence belongs to a list item if it is
indented far enough, and ends with it. Instead of parsing lists, ``embedded`` takes for code only
what is code in every reading of the lines before it. A text with a fence that has several readings
is shown whole in a fence.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

__all__ = ["code", "embedded", "fenced", "inline", "quoted"]

_FENCES = re.compile(r"`{3,}|~{3,}")
_TICKS = re.compile(r"`+")
_TOKEN = re.compile(r"\\[!-/:-@\[-`{-~]|`+|<(?=[A-Za-z/!?])")
_QUOTE = re.compile(r" {0,3}>")
_MARKERS = r"(?:[ \t]*(?:>|[-*+](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$)|\[\^[^\]\s]+\]:))"
_MARKER = re.compile(rf"{_MARKERS}+")
_HEADING = re.compile(rf"({_MARKERS}*[ \t]*)(#{{1,6}})(?=[ \t]|$)")
_FENCE_ANYWHERE = re.compile(rf"{_MARKERS}*[ \t]*(?:`{{3,}}[^`]*$|~{{3}})")
_OPENING = re.compile(
    r"(?P<indent> *)(?P<marker>(?:[-*+]|\d{1,9}[.)]) {1,4})?(?P<run>`{3,}(?=[^`]*$)|~{3,})"
)
_UNDERLINE = re.compile(r"([ \t>]*)(=+|-+)[ \t]*")
_DEEPEST = 10


class _UnclearError(Exception):
    """Whether a line is code depends on what is not looked at here."""


def embedded(text: str) -> str:
    """Return a text as Markdown that ends with itself, see above."""
    lines = _lines(text)
    try:
        return "\n".join(_Embedding(lines, has_tables=any(map(_delimits, lines))).lines())
    except _UnclearError:
        return fenced("\n".join(lines), "markdown")


def quoted(text: str) -> str:
    """Return a text as Markdown in a block quote."""
    lines = _lines(text)
    try:
        has_tables = any(map(_delimits, lines))
        return "\n".join(_Embedding(_in_quote(lines), has_tables=has_tables).lines())
    except _UnclearError:
        return "\n".join(_in_quote(fenced("\n".join(lines), "markdown").split("\n")))


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")


def _in_quote(lines: Iterable[str], mark: str = ">") -> list[str]:
    return [f"{mark} {line}" if line else mark for line in lines]


def inline(text: str) -> str:
    """Return a text on one line, for a place inside a line."""
    return _escaped(" ".join(text.split()))


def code(text: str) -> str:
    """Return a text on one line as code, for a place inside a line."""
    text = " ".join(text.split()) or " "
    longest = max(map(len, _TICKS.findall(text)), default=0)
    return f"{'`' * (longest + 1)} {text} {'`' * (longest + 1)}" if longest else f"`{text}`"


def fenced(text: str, language: str = "") -> str:
    """Return a text as it is, in a fence that is longer than any fence inside."""
    longest = max((len(run) for run in _FENCES.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"


class _Embedding:
    """One text, or what a block quote in it holds, line by line.

    Args:
        lines: The text.
        has_tables: Whether a line of the text may divide the head of a table from its body.
        after_blank: Whether the line before the text is blank.
        depth: In how many block quotes the text is.
    """

    def __init__(
        self, lines: Sequence[str], *, has_tables: bool, after_blank: bool = True, depth: int = 0
    ) -> None:
        if depth > _DEEPEST:
            raise _UnclearError
        self._left = list(reversed(lines))
        self._made: list[str] = []
        self._has_tables = has_tables
        self._after_blank = after_blank
        self._depth = depth
        # Whether the line may belong to a list item or a footnote that began earlier, perhaps in
        # the text before this one.
        self._may_be_inside = True
        self._was_code = False

    def lines(self) -> list[str]:
        """Return the lines as they can stand in the page."""
        while self._left:
            line = self._left[-1]
            is_code = self._is_indented_code(line)
            if _is_blank(line) or is_code:
                self._made.append(self._left.pop())
            elif _QUOTE.match(line):
                self._quote()
            elif opening := _OPENING.match(line):
                self._fence(opening)
            elif _FENCE_ANYWHERE.match(line):
                raise _UnclearError
            else:
                self._plain(self._left.pop())
            self._was_code = is_code
        return self._made

    def _is_after_blank(self) -> bool:
        return _is_blank(self._made[-1]) if self._made else self._after_blank

    def _is_indented_code(self, line: str) -> bool:
        follows = self._was_code or self._is_after_blank()
        # In a quote, how wide a tab is depends on what stands before it.
        indented = re.match(r" {4}" if self._depth else r" {4}| {0,3}\t", line)
        return not self._may_be_inside and follows and indented is not None

    # -- block quotes -------------------------------------------------------------------------

    def _quote(self) -> None:
        """Embed the lines of a block quote; whatever they leave open is closed in it."""
        mark = self._left[-1].partition(">")[0] + ">"
        after_blank = self._is_after_blank()
        inner: list[str] = []
        while self._left and self._left[-1].startswith(mark):
            inner.append(self._left.pop().removeprefix(mark).removeprefix(" "))
        quote = _Embedding(
            inner,
            has_tables=self._has_tables,
            after_blank=after_blank,
            depth=self._depth + 1,
        )
        self._made += _in_quote(quote.lines(), mark)

    # -- fences -------------------------------------------------------------------------------

    def _fence(self, opening: re.Match[str]) -> None:
        """Take a fence up to the line that closes it, or add that line."""
        if "|" in self._left[-1]:
            raise _UnclearError  # for some renderers, what divides a table goes before
        indent, marker = opening["indent"], opening["marker"] or ""
        column = len(indent + marker)
        # After a blank line this is a fence, or code by its indentation: code in each case.
        if (marker or column > 3) and not self._is_after_blank():
            self._made.append("")
        self._made.append(self._left.pop())
        # A line at the margin is in no list; elsewhere one must have ended.
        is_free = not marker and (column == 0 or (column <= 3 and not self._may_be_inside))
        self._may_be_inside |= bool(marker)
        run = opening["run"]
        if is_free:
            is_closed = self._free_fence(run)
        else:
            is_closed = self._kept_fence(run, column, is_item=bool(marker))
        if not is_closed:
            self._made.append(" " * column + run)

    def _free_fence(self, run: str) -> bool:
        """Take the lines of a fence in no list; return whether one of them closes it."""
        while self._left:
            line = self._left.pop()
            self._made.append(line)
            shift = _indentation(line)
            if _closes(line, run):
                if "\t" in shift and self._depth:
                    raise _UnclearError
                if "\t" not in shift and len(shift) <= 3:
                    return True
        return False

    def _kept_fence(self, run: str, column: int, *, is_item: bool) -> bool:
        """Take the lines of a fence that is perhaps in a list; return whether one closes it."""
        while self._left:
            line = self._left[-1]
            shift = _indentation(line)
            if not _is_blank(line) and not line.startswith(" " * column):
                if not is_item or "\t" in shift:
                    raise _UnclearError
                return False  # it ends the list item, and that ends the fence
            closes = _closes(line, run)
            if closes and shift != " " * column and ("\t" in shift or len(shift) <= column + 3):
                raise _UnclearError
            self._made.append(self._left.pop())
            if closes and shift == " " * column:
                return True
        return False

    # -- all other lines ----------------------------------------------------------------------

    def _plain(self, line: str) -> None:
        if _MARKER.match(line):
            self._may_be_inside = True
        elif not _indentation(line) and self._is_after_blank():
            self._may_be_inside = False
        if (underline := _UNDERLINE.fullmatch(line)) and not self._is_after_blank():
            # It would make a heading of the line before.
            if ">" in underline[1]:
                line = f"{underline[1]}\\{line[underline.end(1) :]}"
            else:
                self._made.append("")
        if heading := _HEADING.match(line):
            level = min(len(heading[2]) + 2, 6)
            line = heading[1] + "#" * level + line[heading.end() :]
        # A table may be divided at any "|", before code is looked for.
        pieces = line.split("|") if self._has_tables else [line]
        self._made.append("|".join(map(_escaped, pieces)))


def _is_blank(line: str) -> bool:
    return not line.strip(" \t")


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _delimits(line: str) -> bool:
    """Tell whether a line may divide the head of a table from its body."""
    return "-" in line and ("|" in line or ":" in line) and not line.strip("|:-> \t")


def _closes(line: str, run: str) -> bool:
    """Tell whether a line closes the fence that a run opened, but for its indentation."""
    stripped = line.strip(" \t")
    return stripped.startswith(run) and not stripped.strip(run[0])


def _escaped(line: str) -> str:
    """Escape in a line what would be HTML, and each backtick that the line does not close."""
    made, done = [], 0
    runs = _Runs(line)
    while token := _TOKEN.search(line, done):
        made.append(line[done : token.start()])
        done, found = token.end(), token.group()
        if found.startswith("`"):
            if closed := runs.end_of_code(token.start(), done):
                made.append(line[token.start() : closed])
                done = closed
            else:
                made.append(r"\`" * len(found))
        elif found == r"\`":
            # The rest of the run would begin code here, and in some renderers not.
            done = runs.end_of_run(done)
            made.append(r"\`" * (done - token.start() - 1))
        else:
            made.append(r"\<" if found == "<" else found)
    return "".join([*made, line[done:]])


class _Runs:
    """The runs of backticks in a line."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._starts: dict[int, list[int]] = defaultdict(list)
        for run in _TICKS.finditer(line):
            self._starts[len(run.group())].append(run.start())

    def end_of_code(self, start: int, stop: int) -> int | None:
        """Return where the code ends that a run begins; None if no run of its length follows."""
        starts = self._starts[stop - start]
        following = bisect_left(starts, stop)
        return starts[following] + stop - start if following < len(starts) else None

    def end_of_run(self, inside: int) -> int:
        """Return where the run ends that goes on at a position."""
        found = _TICKS.match(self._line, inside)
        return found.end() if found else inside
