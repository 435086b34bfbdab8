"""The messages of an agent by their numbers, in the messages of a session. Pure.

A message of Strands has the number that its writer gave it. Two writers may give the same one, and
other programs give none: then a message has the number after the one before it. So numbers grow,
and each names one message.

Models of Strands take turns: what other programs said one after another in one role, such as the
results of two calls, is one message here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localsessions.adapters.strands.shape import SHAPE, Object, record_of
from localsessions.transcripts.foreign import as_list, as_object

if TYPE_CHECKING:
    from localsessions import Message

__all__ = ["Record", "created", "last_number", "numbered", "records_of", "replaced"]


@dataclass
class Record:
    """A message of an agent.

    Attributes:
        number: Its number, which no other message has.
        given: The number that its writer gave it; None for another program's.
        places: Where it stands in the messages of the session.
        fields: What ``SessionMessage.from_dict`` takes.
    """

    number: int
    given: int | None
    places: list[int]
    fields: Object


def records_of(messages: Sequence[Message]) -> list[Record]:
    """Return the messages of an agent, in order."""
    records: list[Record] = []
    for at, message in enumerate(messages):
        for item in SHAPE.items_of(message):
            if not isinstance(item, dict) or "message" not in item:
                continue  # a person's edit of what only Strands reads
            if SHAPE.is_own(message):
                records.append(_own(at, item, records))
            elif not _joined(at, item, records):
                records.append(_foreign(at, message, item, records))
    return records


def last_number(messages: Sequence[Message]) -> int | None:
    """Return the number of the last message; None if there is none."""
    records = records_of(messages)
    return records[-1].number if records else None


def numbered(
    records: Sequence[Record], number: int, created_at: str | None = None
) -> Record | None:
    """Return the message of a number.

    Args:
        records: What ``records_of`` returned.
        number: Which message.
        created_at: If a writer gave this number to a message of this instant, it is that message,
            whatever number it has now.
    """
    for one in reversed(records):
        if one.given == number and one.fields.get("created_at") == created_at:
            return one
    return next((one for one in records if one.number == number), None)


def replaced(messages: Sequence[Message], record: Record, message: Message) -> list[Message]:
    """Return messages with another message in the place of a record."""
    first, *others = record.places
    kept = [one for at, one in enumerate(messages) if at not in others]
    kept[first] = message
    return kept


def created(
    messages: Sequence[Message], number: int, created_at: str, message: Message
) -> list[Message]:
    """Return messages with a new one of a number that is not greater than all others.

    It replaces the one of the same number and instant: it is written again. If another message has
    the number, another writer was quicker: it stands at the end. Otherwise it stands before the
    first one with a greater number.
    """
    records = records_of(messages)
    same = [one for one in records if one.given == number]
    for one in same:
        if one.fields.get("created_at") == created_at:
            return replaced(messages, one, message)
    if same:
        return [*messages, message]
    later = (one.places[0] for one in records if one.given is not None and one.given > number)
    at = next(later, len(messages))
    return [*messages[:at], message, *messages[at:]]


def _own(at: int, item: Object, records: Sequence[Record]) -> Record:
    fields = record_of(item)
    given = fields.get("message_id")
    number = _next(records, given if isinstance(given, int) else None)
    own = given if isinstance(given, int) else number
    return Record(number, own, [at], {**fields, "message_id": number})


def _foreign(at: int, message: Message, item: Object, records: Sequence[Record]) -> Record:
    number, said_at = _next(records), message.get("created_at")
    stamps: Object = {"message_id": number, "created_at": said_at, "updated_at": said_at}
    return Record(number, None, [at], {**item, "redact_message": None, **stamps})


def _joined(at: int, item: Object, records: Sequence[Record]) -> bool:
    """Join what another program said with what was said before; False if a turn begins."""
    last = records[-1] if records else None
    if last is None or last.given is not None:
        return False
    said, more = as_object(last.fields["message"]), as_object(item["message"])
    if said.get("role") != more.get("role"):
        return False
    content = [*as_list(said.get("content")), *as_list(more.get("content"))]
    last.fields["message"] = {**said, "content": content}
    last.places.append(at)
    return True


def _next(records: Sequence[Record], given: int | None = None) -> int:
    if not records:
        return 0 if given is None else given
    last = records[-1].number
    return last + 1 if given is None or given <= last else given
