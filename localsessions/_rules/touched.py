"""Which messages a change touched, found in two versions of a session. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from localsessions import models
from localsessions._codec import MessagesLaidOut, differing, parse_json, parse_proven

__all__ = ["MOST_TOUCHED", "Touched", "added", "touched"]

MOST_TOUCHED = 16
"""A change that touched more messages names none: its reader reads the session."""

Touched: TypeAlias = "tuple[models.TouchedMessage, ...] | None"
"""``SessionChange.messages``."""

_Key: TypeAlias = tuple[object, int]


def added(messages: Sequence[models.Message], before: int = 0) -> Touched:
    """Return messages that all are new; None if there are too many.

    Args:
        messages: The messages.
        before: How many messages stand before them.
    """
    if len(messages) > MOST_TOUCHED:
        return None
    return tuple(
        _message(at, (one.get("id"), 0), "added") for at, one in enumerate(messages, before)
    )


def touched(was: MessagesLaidOut, now: MessagesLaidOut, count: int, before: int = 0) -> Touched:
    """Return the messages that differ between two versions; None if there are too many.

    Args:
        was: The messages before.
        now: The messages after.
        count: How many those are.
        before: How many messages stand before those, in both versions.
    """
    begin, left, right = differing(was, now, count)
    if max(len(left), len(right)) > _MOST_COMPARED:
        return None
    old, new = _keyed(left), _keyed(right)
    at = {key: before + begin + place for place, key in enumerate(new)}
    found = [
        _message(at[key], key, "changed" if key in old else "added")
        for key, message in new.items()
        if old.get(key) != message
    ]
    gone = [
        _message(before + begin + place, key, "removed")
        for place, key in enumerate(old)
        if key not in new
    ]
    return None if len(found) + len(gone) > MOST_TOUCHED else (*gone, *found)


_MOST_COMPARED = 1000


def _keyed(messages: Iterable[bytes]) -> dict[_Key, bytes]:
    """Return messages by their ids, or by what they say; the second of a kind has another key."""
    seen: Counter[object] = Counter()
    keyed: dict[_Key, bytes] = {}
    for message in messages:
        # Only the id is wanted, and it is a text: orjson reads every text as it is.
        document = parse_proven(message, is_proven=True) or parse_json(message)
        message_id = document.get("id") if isinstance(document, dict) else None
        key = message_id if isinstance(message_id, str) else message
        keyed[key, seen[key]] = message
        seen[key] += 1
    return keyed


def _message(
    position: int, key: _Key, what: Literal["added", "changed", "removed"]
) -> models.TouchedMessage:
    message_id = key[0] if isinstance(key[0], str) else None
    return models.TouchedMessage(position, message_id, what)
