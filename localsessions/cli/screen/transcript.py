"""Messages as a person reads them: a heading, what was said, calls with their results below.

What is drawn fits itself to any width, and knows neither the command line nor a store: ``show``,
``history`` and the picker's preview draw the same. What is folded says how much is left, and which
option shows it. Every text is made safe here or in ``markdown``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from localsessions.cli.screen.attachments import Attachment
from localsessions.cli.screen.folding import Folded, beginning
from localsessions.cli.screen.markdown import SafeMarkdown
from localsessions.cli.screen.moments import local_minute
from localsessions.cli.screen.parts import (
    Call,
    Other,
    Result,
    Said,
    Thought,
    json_of,
    parts_of,
)
from localsessions.cli.screen.safe import one_line
from localsessions.models import parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from localsessions.cli.screen.parts import Part
    from localsessions.models import Message

__all__ = ["Look", "drawn"]

_SAID_LINES, _SAID_CHARACTERS = 200, 20_000
_THOUGHT_LINES, _RESULT_LINES = 3, 4
_LONGEST_VALUE = 200
_COLOURS = {"user": "green", "assistant": "cyan"}


@dataclass(frozen=True)
class Look:
    """What is shown whole, and how.

    Attributes:
        reasoning: Reasoning whole, not only its first lines.
        tools: Arguments of calls and results whole.
        full: Everything whole.
        marked: The position of the message that is marked.
        hints: Whether what is folded names the option that shows it.
    """

    reasoning: bool = False
    tools: bool = False
    full: bool = False
    marked: int | None = None
    hints: bool = True

    @property
    def all_tools(self) -> bool:
        """Whether calls and results are whole."""
        return self.tools or self.full

    def hint(self, option: str) -> str:
        """Return what is said after how much is left."""
        return f": {option}" if self.hints else ""


class _Answer(NamedTuple):
    """A result, and the number of the message that it stands in."""

    number: int
    result: Result


def drawn(
    messages: Sequence[Message], look: Look = Look(), *, first: int = 0
) -> Iterator[RenderableType]:
    """Yield what is drawn of each message, without empty lines between them.

    A message that only answers calls of messages before it is drawn below these calls.

    Args:
        messages: Those that are drawn, and no others.
        look: What is shown whole.
        first: The position of the first one in its session.
    """
    parts = [parts_of(message) for message in messages]
    answers, claimed = _paired(parts, first)
    for at, (message, own) in enumerate(zip(messages, parts, strict=True)):
        left = [part for part in own if id(part) not in claimed]
        if own and not left:
            continue
        body = Padding(Group(*_body(left, answers, look)), (0, 0, 0, 2))
        whole = Group(_heading(message, first + at + 1), body)
        yield _Marked(whole) if _is_marked(first + at, left, answers, look) else whole


def _paired(
    parts: Sequence[Sequence[Part]], first: int
) -> tuple[dict[int, list[_Answer]], set[int]]:
    """Return the answers of each call, and which results they are; both by ``id`` of the part."""
    waiting: dict[str, deque[Call]] = {}
    answers: dict[int, list[_Answer]] = {}
    claimed = set()
    for number, part in ((at, part) for at, own in enumerate(parts, first + 1) for part in own):
        if isinstance(part, Call):
            for key in _keys(part):
                waiting.setdefault(key, deque()).append(part)
        elif isinstance(part, Result):
            called = next((waiting[key] for key in _keys(part) if waiting.get(key)), None)
            if called is not None:
                call = called.popleft() if part.call_id is None else called[-1]
                answers.setdefault(id(call), []).append(_Answer(number, part))
                claimed.add(id(part))
    return answers, claimed


def _keys(part: Call | Result) -> list[str]:
    """Return by what a result finds its call: its id or, for want of one, the tool's name."""
    if part.call_id is not None:
        return [f"id {part.call_id}"]
    return [f"name {part.name}"]


def _is_marked(
    position: int, parts: Sequence[Part], answers: dict[int, list[_Answer]], look: Look
) -> bool:
    """Tell whether this is the marked message, or has its answer below a call."""
    numbers = [one.number for part in parts for one in answers.get(id(part), ())]
    return look.marked is not None and (look.marked == position or look.marked + 1 in numbers)


def _heading(message: Message, number: int) -> Text:
    role = one_line(str(message["role"]))
    text = Text.assemble((f"#{number}", "dim"), "  ", (role, f"bold {_COLOURS.get(role, '')}"))
    if isinstance(name := message.get("name"), str) and name:
        text.append(f"  {one_line(name)}")
    if isinstance(at := message.get("created_at"), str):
        text.append(f"  {_moment(at)}", "dim")
    text.overflow = "fold"
    return text


def _moment(text: str) -> str:
    try:
        return local_minute(parse_instant(text))
    except ValueError:
        return one_line(text)


def _body(
    parts: Sequence[Part], answers: dict[int, list[_Answer]], look: Look
) -> Iterator[RenderableType]:
    """Yield the parts with empty lines between them; calls stand close together."""
    for at, part in enumerate(parts):
        if at and not (isinstance(part, Call) and isinstance(parts[at - 1], Call)):
            yield ""
        yield _drawn(part, answers, look)


def _drawn(part: Part, answers: dict[int, list[_Answer]], look: Look) -> RenderableType:
    if isinstance(part, Said):
        return _said(part.text, look)
    if isinstance(part, Thought):
        lines = None if look.reasoning or look.full else _THOUGHT_LINES
        return Folded(part.text, lines, look.hint("--reasoning"), style="dim italic")
    if isinstance(part, Call):
        below = [_answer(one, look) for one in answers.get(id(part), ())]
        return Group(_call(part, look), *below)
    if isinstance(part, Result):
        return _result(part, look, "")
    if isinstance(part, Other):
        return _one_line(f"[{part.kind} {json_of(part.value)}]", look)
    return _attachment(part)


def _attachment(attachment: Attachment) -> Text:
    return Text(attachment.said, style="magenta", overflow="fold")


def _said(text: str, look: Look) -> RenderableType:
    if look.full:
        return SafeMarkdown(text)
    shown, rest = beginning(text, _SAID_LINES, _SAID_CHARACTERS)
    if not rest:
        return SafeMarkdown(shown)
    return Group(SafeMarkdown(shown), Text(f"... {rest}{look.hint('--full')}", style="dim"))


def _one_line(text: str, look: Look) -> RenderableType:
    if look.full:
        return Folded(text, None, "", style="dim")
    return Text(one_line(text[: 10 * _LONGEST_VALUE]), "dim", overflow="ellipsis", no_wrap=True)


def _call(call: Call, look: Look) -> RenderableType:
    name = Text(one_line(call.name) or "call", style="bold magenta", overflow="fold")
    if not look.all_tools:
        line = Text.assemble(name, (f"({_shortened(call)})", "dim"))
        line.overflow, line.no_wrap = "ellipsis", True
        return line
    arguments = call.decoded()
    if not isinstance(arguments, dict):
        return Group(name, Padding(Folded(_argument(arguments), None, ""), (0, 0, 0, 2)))
    rows = [f"{key}: {_argument(value)}" for key, value in arguments.items()]
    return Group(name, *(Padding(Folded(row, None, ""), (0, 0, 0, 2)) for row in rows))


def _shortened(call: Call) -> str:
    """Return the arguments of a call on one line, each of them cut."""
    arguments = call.decoded()
    if not isinstance(arguments, dict):
        return one_line(_argument(arguments)[:_LONGEST_VALUE])
    pairs = []
    for key, value in list(arguments.items())[:_MOST_SHORTENED]:
        short = value[:_LONGEST_VALUE] if isinstance(value, str) else value
        pairs.append(f"{key[:_LONGEST_VALUE]}={json_of(short)[: _LONGEST_VALUE + 2]}")
    return one_line(", ".join(pairs))


_MOST_SHORTENED = 8


def _argument(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_of(value, indent=2)


def _answer(answer: _Answer, look: Look) -> RenderableType:
    return Padding(_result(answer.result, look, f"#{answer.number} "), (0, 0, 0, 2))


def _result(result: Result, look: Look, number: str) -> RenderableType:
    lines = None if look.all_tools else _RESULT_LINES
    texts = [one.text for one in result.content if isinstance(one, Said)]
    text = "\n".join(texts).strip("\n")
    if not text.strip() and len(texts) == len(result.content):
        text = "(nothing)"
    told = Text(number, style="dim")
    if result.name and not number:
        told.append(f"{one_line(result.name)}: ")
    if result.is_error:
        told.append("failed: ", style="red not dim")
    if told and text[:1].isspace():
        told.append("\n")  # columns stay below each other
    others = [_attachment(one) for one in result.content if isinstance(one, Attachment)]
    body = [Folded(text, lines, look.hint("--tools"), style="dim", lead=told)] if text else [told]
    return _Hung(Group(*body, *others))


class _Hung:
    """Something that hangs below a call: the first of its lines says so."""

    def __init__(self, body: RenderableType) -> None:
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return _beside(console, options, self._body, ("└ ", "  "), Style(dim=True))


class _Marked:
    """The message that was asked for, with a bar beside it."""

    def __init__(self, body: RenderableType) -> None:
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return _beside(
            console, options, self._body, ("┃ ", "┃ "), Style(bold=True, color="magenta")
        )


def _beside(
    console: Console,
    options: ConsoleOptions,
    body: RenderableType,
    signs: tuple[str, str],
    style: Style,
) -> Iterator[Segment]:
    """Yield the lines of something with a sign before the first, and one before each other."""
    lines = console.render_lines(
        body, options.update(width=max(options.max_width - 2, 1)), pad=False
    )
    for at, line in enumerate(lines):
        yield Segment(signs[min(at, 1)], style)
        yield from line
        yield Segment.line()
