"""What a person said: in the rows of a task, and in its history while the program keeps it there.

    rows      every text that a person sent
    history   the same text, in an element and with what the program told the model beside it; it
              goes when the program condenses or truncates the history

So that it is the same message before and after, it has the id of its row wherever it comes from,
``ui_<ts>``. A row and a message belong together if they say the same, with what the program rewrote
(``cline_words``) as it was typed. Of several that say the same, times tell which; otherwise the
last ones do, because a program drops what is old. A message without the typed words keeps them
beside what was sent, as ``text``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from localsessions.models import message_text
from localsessions.transcripts.foreign import Object, as_instant, as_objects, as_text
from localsessions.transcripts.programs.cline_ui import person_messages
from localsessions.transcripts.programs.cline_words import (
    as_typed,
    command_of,
    named_command,
    sent_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from localsessions.models import Message

__all__ = ["Dated", "with_person"]

_TYPED_COMMAND = re.compile(r"(?<!\S)/([\w.:@-]+)(?!\S)")
_NAMED_FILE = re.compile(r'@([\w-]+:)?(?:"/([^"\n]*)"|/(?!/))')
_BARE = re.compile(r"(?<!\S)@(?:/|(?=http))((?:[^\s\\]|\\ )+?)(?=[.,;:!?]?(?!\S))")
"""A mention of which Roo now sends the name alone, in quotation marks; it dates its history.

https://github.com/RooCodeInc/Roo-Code/blob/cb83656718/src/core/mentions/index.ts
"""


class Dated(NamedTuple):
    """A message, and when it was there, as far as that is known."""

    time: datetime | None
    message: Message


def with_person(history: Sequence[Dated], rows: list[Object]) -> list[Message]:
    """Return the messages of a history with the ids of their rows, and what only the rows have.

    Args:
        history: The messages, in order.
        rows: The rows that a person saw; without them, the messages stay as they are.
    """
    said = [Dated(as_instant(row.get("created_at")), row) for row in person_messages(rows)]
    row_of = _row_of(history, said)
    lost = [number for number in range(len(said)) if number not in row_of.values()]
    messages: list[Message] = []
    for place, (time, message) in enumerate(history):
        own = row_of.get(place, 0)
        while lost and (lost[0] < own or _is_before(said[lost[0]].time, time)):
            messages.append(said[lost.pop(0)].message)
        messages.append(_with_row(message, said[own].message) if place in row_of else message)
    return [*messages, *(said[number].message for number in lost)]


def _with_row(message: Message, row: Message) -> Message:
    """Return a message with the id of its row, and with what was typed, if it does not say so."""
    typed = message_text(row)
    _, sent = _sent_in(message)
    is_rewritten = _squeezed(typed) != _squeezed(sent)
    return message | {"id": row["id"]} | ({"text": typed} if is_rewritten else {})


def _row_of(history: Sequence[Dated], said: Sequence[Dated]) -> dict[int, int]:
    """Return the number of the row that a message has, by the place of the message."""
    places = _by_words(_compared(*_sent_in(one.message)) for one in history)
    is_dated = all(one.time for one in history)
    ways = (_ways_to_say(message_text(one.message), is_dated=is_dated) for one in said)
    numbers = _by_words(next((way for way in each if way in places), "") for each in ways)
    row_of: dict[int, int] = {}
    for words in numbers.keys() & places.keys():
        left = places[words]
        spare = len(numbers[words]) - len(left)
        for number in reversed(numbers[words]):
            if left and spare > 0 and _is_after(said[number], history[left[-1]]):
                spare -= 1
            elif left:
                row_of[left.pop()] = number
    return row_of


def _by_words(texts: Iterable[str]) -> dict[str, list[int]]:
    """Return the positions of each text that is not empty."""
    positions: dict[str, list[int]] = {}
    for position, text in enumerate(texts):
        if text:
            positions.setdefault(text, []).append(position)
    return positions


def _sent_in(message: Message) -> tuple[str, str]:
    """Return the command and the words of a person in a message of the history; empty if none."""
    content = message.get("content") if message["role"] == "user" else None
    texts = [as_text(content), *(as_text(one.get("text")) for one in as_objects(content))]
    sent = ((command_of(text), sent_words(text)) for text in texts if text)
    return next((one for one in sent if any(one)), ("", ""))


def _ways_to_say(text: str, *, is_dated: bool) -> Iterator[str]:
    """Yield how the history may say what a person typed: as it is, or as the program rewrites it.

    Mentions are no question: those that the program rewrote are as they were typed.
    """
    yield _compared("", text)
    if command := _TYPED_COMMAND.search(text):
        rest = f"{text[: command.start()]}{text[command.end() :]}"
        yield _compared(named_command(command[1]), rest)
    if is_dated:
        yield _compared("", _BARE.sub(r"'\1'", text))


def _compared(command: str, words: str) -> str:
    """Return words to compare, with the command that is not in them, if there is one."""
    words = _NAMED_FILE.sub(r"@/\1\2", as_typed(words))
    return _squeezed(f"/{command}\0 {words}" if command else words)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_after(row: Dated, spoken: Dated) -> bool:
    """Tell whether a row was said when a message was there already, as far as that is known."""
    return "pending" in row.message or _is_before(spoken.time, row.time)


def _is_before(time: datetime | None, other: datetime | None) -> bool:
    return time is not None and other is not None and time < other
