"""Which messages differ between two files in our layout, found in their bytes.

Only what differs is copied, and no message that stays has to be parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from localsessions._codec.layout import MESSAGE, messages_begin, messages_end, places_of_messages

__all__ = ["NOTHING", "Differing", "MessagesLaidOut", "differing"]


class MessagesLaidOut(NamedTuple):
    """The messages of a file in our layout: all between two places of its bytes."""

    data: bytes
    begin: int
    end: int

    @classmethod
    def of(cls, data: bytes, keys: Sequence[str]) -> MessagesLaidOut:
        """Return the messages of a file with these top-level keys."""
        end = messages_end(data, keys)
        return cls(data, 0, 0) if end is None else cls(data, messages_begin(data), end)


NOTHING = MessagesLaidOut(b"", 0, 0)
"""No messages."""


class Differing(NamedTuple):
    """Messages between which all differences of two versions lie; some may be equal.

    Attributes:
        before: How many equal messages stand before them.
        was: Those of one version, each as it is laid out.
        now: Those of the other version.
    """

    before: int
    was: list[bytes]
    now: list[bytes]


def differing(was: MessagesLaidOut, now: MessagesLaidOut, count: int) -> Differing:
    """Return the messages that differ between two versions; ``now`` has ``count`` messages."""
    same = _equal_at_begin(was, now)
    # The last message of which the beginning is the same: it may go on otherwise.
    at = max(now.data.rfind(MESSAGE, now.begin, now.begin + same) - now.begin, 0)
    left = was._replace(begin=was.begin + at)
    right = now._replace(begin=now.begin + at)
    end = _equal_at_end(left, right)
    # The first message that is the same with all that follows it.
    place = left.data.find(MESSAGE, left.end - end, left.end)
    rest = 0 if place < 0 else left.end - place
    changed = _split(right.data[right.begin : right.end - rest])
    if right.begin - now.begin < rest:
        before = now.data.count(MESSAGE, now.begin, right.begin)
    else:  # what comes after them is shorter, and is counted in less time
        before = count - len(changed) - now.data.count(MESSAGE, now.end - rest, now.end)
    return Differing(before, _split(left.data[left.begin : left.end - rest]), changed)


def _split(part: bytes) -> list[bytes]:
    places = [*places_of_messages(part), len(part)]
    return [part[one:after].strip(b",") for one, after in pairwise(places)]


def _equal_at_begin(one: MessagesLaidOut, other: MessagesLaidOut) -> int:
    """Return how many bytes are the same at the beginning of both."""
    view, low, high = memoryview(other.data), 0, min(one.end - one.begin, other.end - other.begin)
    while low < high:
        middle = (low + high + 1) // 2
        asked = view[other.begin + low : other.begin + middle]
        if one.data.startswith(asked, one.begin + low):
            low = middle
        else:
            high = middle - 1
    return low


def _equal_at_end(one: MessagesLaidOut, other: MessagesLaidOut) -> int:
    """Return how many bytes are the same at the end of both."""
    view, low, high = memoryview(other.data), 0, min(one.end - one.begin, other.end - other.begin)
    while low < high:
        middle = (low + high + 1) // 2
        asked = view[other.end - middle : other.end - low]
        if one.data.startswith(asked, one.end - middle):
            low = middle
        else:
            high = middle - 1
    return low
