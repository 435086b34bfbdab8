"""Groups: what sessions have in common, counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from localsessions.models.plain import (
    FIRST_DATED,
    Group,
    Grouping,
    Summary,
    activity_key,
    activity_of,
)

__all__ = ["DAY", "Part", "counted", "day_of", "joined", "names_of"]

DAY = 86_400_000_000
"""The microseconds of a day."""


class Part(NamedTuple):
    """Some sessions of a group; ``activity`` is the greatest ``activity_key``."""

    name: str
    sessions: int
    messages: int
    activity: int


def joined(parts: Iterable[Part]) -> Sequence[Group]:
    """Return the groups of which these are the parts, the largest first, then by name."""
    found: dict[str, Part] = {}
    for part in parts:
        known = found.get(part.name, Part(part.name, 0, 0, part.activity))
        found[part.name] = Part(
            part.name,
            known.sessions + part.sessions,
            known.messages + part.messages,
            max(known.activity, part.activity),
        )
    ranked = sorted(found.values(), key=lambda one: (-one.sessions, one.name))
    return tuple(Group(*one[:3], activity_of(one.activity)) for one in ranked)


def counted(by: Grouping, summaries: Iterable[Summary]) -> Sequence[Group]:
    """Return the groups of these sessions."""
    return joined(
        Part(name, 1, one.message_count, activity_key(one))
        for one in summaries
        for name in names_of(by, one)
    )


def names_of(by: Grouping, summary: Summary) -> Sequence[str]:
    """Return the names of the groups that a session is in."""
    if by == "tag":
        return [*dict.fromkeys(summary.tags)]
    if by == "day":
        return [day_of(key // DAY)] if (key := activity_key(summary)) > FIRST_DATED else []
    name: str | None = getattr(summary, by)
    return [] if name is None else [name]


def day_of(number: int) -> str:
    """Return the name of a day, so many days after 1970."""
    instant = activity_of(number * DAY)
    assert instant is not None  # noqa: S101  (a day of dated sessions)
    return instant.date().isoformat()
