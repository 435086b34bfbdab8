"""Messages as plain text, for a pipe: whole, each line of a text set in by two spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.cli.screen.attachments import Attachment
from localsessions.cli.screen.parts import Call, Result, Said, calls_of, json_of, parts_of
from localsessions.cli.screen.safe import clean, one_line
from localsessions.models import message_text, reasoning_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.models import Message

__all__ = ["plain_lines"]


def plain_lines(messages: Sequence[Message], first: int) -> Iterator[str]:
    """Yield the lines of messages, an empty one before each.

    Args:
        messages: Any messages.
        first: The position of the first one in its session.
    """
    for number, message in enumerate(messages, first + 1):
        yield ""
        yield _heading(number, message)
        for part in _parts(message):
            for line in clean(part).strip("\n").split("\n"):
                yield f"  {line}".rstrip()


def _heading(number: int, message: Message) -> str:
    facts = (message.get("name"), message.get("created_at"))
    words = [f"#{number}", one_line(str(message["role"]))]
    return "  ".join([*words, *(one_line(fact) for fact in facts if isinstance(fact, str))])


def _parts(message: Message) -> Iterator[str]:
    """Yield what was thought and said in a message, what it holds beside text, and its calls."""
    if thought := reasoning_text(message):
        yield f"reasoning: {thought}"
    parts = parts_of(message)
    answered = [one for part in parts if isinstance(part, Result) for one in part.content]
    answers = "\n".join(one.text for one in answered if isinstance(one, Said))
    if said := message_text(message) or answers:
        yield said
    yield from (one.said for one in (*parts, *answered) if isinstance(one, Attachment))
    yield from (f"calls {call.name}({_arguments(call)})" for call in calls_of(message))


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json_of(call.arguments)
