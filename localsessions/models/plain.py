"""What a listing is made of, without a model: plain rows, pages, orders, made titles.

Inside the store, and on the command line, a line of a listing is a ``PlainSummary``. It has the
fields of ``SessionSummary``, unchecked. ``results.checked`` makes the model, for callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from localsessions.models.instants import format_instant, instant_of, microseconds
from localsessions.models.spoken import message_text

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models.history import Message
    from localsessions.models.results import SessionSummary

__all__ = [
    "FIRST_DATED",
    "MADE_TITLE_LENGTH",
    "Group",
    "Grouping",
    "Modelled",
    "Order",
    "Page",
    "PlainSummary",
    "PlainUnreadable",
    "Summary",
    "activity_key",
    "activity_of",
    "listed_source",
    "made_title_of",
    "preview_of",
]

Order: TypeAlias = Literal[
    "-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"
]
"""The sort key of a listing; with "-" the latest or largest comes first."""

Grouping: TypeAlias = Literal["program", "project", "tag", "day"]
"""What the sessions of a group have in common."""

MADE_TITLE_LENGTH = 80
"""The maximum number of characters of a title that is made from a message."""


@dataclass(frozen=True)
class PlainUnreadable:
    """The fields of ``Unreadable``."""

    reason: str
    line: int | None = None
    column: int | None = None


class Modelled:
    """Has room for the model that was made of a line; ``results.checked`` makes and keeps it."""

    __slots__ = ("model",)  # beside the fields: it is none

    model: SessionSummary


@dataclass(kw_only=True)  # frozen, it takes six times as long to make
class PlainSummary(Modelled):
    """The fields of ``SessionSummary``, which says what they mean; the caller gives right types.

    Several listings return the same object, so no code may change it.
    """

    session_id: str
    title: str = ""
    user_id: str | None = None
    agent_id: str | None = None
    current_agent: str | None = None
    status: str = "active"
    pinned: bool = False
    tags: tuple[str, ...] = ()
    created_at: datetime
    last_activity: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    message_count: int = 0
    size_bytes: int = 0
    revision: int = 0
    preview: str = ""
    program: str | None = None
    project: str | None = None
    branch: str | None = None
    parent: str | None = None
    undated: bool = False
    unreadable: PlainUnreadable | None = None


Summary: TypeAlias = "PlainSummary | SessionSummary"
"""A line of a listing, plain or checked: for what only reads its fields."""


_LONG_AGO = 1 << 53
FIRST_DATED = -(1 << 52)
"""What ``activity_key`` gives is less for an undated session; it stands for the year 1827."""


def activity_key(summary: Summary) -> int:
    """Return the number by which last activities are compared: microseconds since 1970.

    That of an undated session is 285 years smaller, so that it is older than each dated session.
    """
    key = microseconds(summary.last_activity)
    return key - _LONG_AGO if summary.undated else key


def activity_of(key: int) -> datetime | None:
    """Return the instant that a number of ``activity_key`` stands for; None: it is undated."""
    return instant_of(key) if key > FIRST_DATED else None


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that have something in common.

    Attributes:
        name: The program, the project, the tag, or the day of the last activity, as 2026-01-31.
        sessions: How many they are.
        messages: How many messages they have together.
        last_activity: The last activity of any; None if none has a date.
    """

    name: str
    sessions: int
    messages: int
    last_activity: datetime | None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the cursor that asks for the next page.

    ``next_cursor`` is None on the last page. It is opaque, and valid only with the same order and
    the same filters.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def listed_source(
    source: Mapping[str, JsonValue], forked_from: Mapping[str, JsonValue], last_activity: datetime
) -> dict[str, Any]:
    """Return what a listing says of where a session came from, by the name in the summary."""
    parent = source.get("parent") or forked_from
    said = {
        "program": source.get("program"),
        "project": source.get("project"),
        "branch": source.get("branch"),
        "parent": parent.get("session_id") if isinstance(parent, dict) else None,
    }
    undated = source.get("undated")
    is_undated = isinstance(undated, str) and undated == format_instant(last_activity)
    texts = {name: text if isinstance(text, str) else None for name, text in said.items()}
    return {**texts, "undated": is_undated}


def made_title_of(messages: Sequence[Message]) -> str:
    """Return a title made from the first text of a user, see ``Session.made_title``."""
    for message in messages:
        if message["role"] == "user" and (text := message_text(message)):
            return _shortened(text)
    return ""


def preview_of(messages: Sequence[Message]) -> str:
    """Return the beginning of the last message that has a text, see ``Session.preview``."""
    for message in reversed(messages):
        if text := message_text(message):
            return _shortened(text)
    return ""


def _shortened(text: str) -> str:
    # Most texts are full of words, so that the beginning of their beginning is enough.
    line = " ".join(text[: 2 * MADE_TITLE_LENGTH].split())
    if len(line) <= MADE_TITLE_LENGTH:
        line = " ".join(text[: 8 * MADE_TITLE_LENGTH].split())
    return line if len(line) <= MADE_TITLE_LENGTH else line[: MADE_TITLE_LENGTH - 1] + "…"
