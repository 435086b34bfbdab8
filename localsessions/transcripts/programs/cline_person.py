"""What a person said: in the rows of a task, and in its history while the program keeps it there.

    rows      every text that a person sent
    history   the same text, in an element and with what the program told the model beside it; it
              goes when the program condenses or truncates the history

So that it is the same message before and after, it has the id of its row wherever it comes from,
``ui_<ts>``. A row and a message belong together if they say the same. Of several that say the same,
times tell which; otherwise the last ones do, because a program drops what is old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from localsessions.models import message_text
from localsessions.transcripts.foreign import Object, as_instant, as_objects, as_text
from localsessions.transcripts.programs.cline_ui import person_messages
from localsessions.transcripts.programs.cline_words import person_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from localsessions.models import Message

__all__ = ["Dated", "with_person"]


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
        messages.append(message | {"id": said[own].message["id"]} if place in row_of else message)
    return [*messages, *(said[number].message for number in lost)]


def _row_of(history: Sequence[Dated], said: Sequence[Dated]) -> dict[int, int]:
    """Return the number of the row that a message has, by the place of the message."""
    numbers = _by_words(_squeezed(message_text(one.message)) for one in said)
    places = _by_words(_typed(one.message) for one in history)
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


def _typed(message: Message) -> str:
    """Return what a person typed of a message of the history; empty if nothing."""
    if message["role"] != "user":
        return ""
    content = message.get("content")
    texts = [as_text(content), *(as_text(one.get("text")) for one in as_objects(content))]
    return _squeezed(next((words for text in texts if text and (words := person_words(text))), ""))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_after(row: Dated, spoken: Dated) -> bool:
    """Tell whether a row was said when a message was there already, as far as that is known."""
    return "pending" in row.message or _is_before(spoken.time, row.time)


def _is_before(time: datetime | None, other: datetime | None) -> bool:
    return time is not None and other is not None and time < other
