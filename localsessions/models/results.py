"""What verbs return: summaries, pages, hits, reports, changes, findings; all of it frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from localsessions.models.instants import Instant

__all__ = [
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Finding",
    "Order",
    "Page",
    "SearchHit",
    "SessionChange",
    "SessionSummary",
    "StoreStats",
    "TrashedSession",
    "Unreadable",
]

Order: TypeAlias = Literal[
    "-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"
]
"""What a listing is sorted by; with "-" the latest or largest comes first."""


class Unreadable(BaseModel):
    """Why a file is no session; ``line`` and ``column`` count from 1."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    reason: str
    line: int | None = None
    column: int | None = None


class SessionSummary(BaseModel):
    """One line of a listing.

    ``title`` is the session's own or, where it has none, one made of the first user message. An
    unreadable file is listed with ``status`` "unreadable", its times taken from the file.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    session_id: str
    title: str = ""
    user_id: str | None = None
    agent_id: str | None = None
    current_agent: str | None = None
    status: str = "active"
    pinned: bool = False
    tags: tuple[str, ...] = ()
    created_at: Instant
    last_activity: Instant
    updated_at: Instant
    expires_at: Instant | None = None
    message_count: int = 0
    size_bytes: int = 0
    revision: int = 0
    preview: str = ""
    unreadable: Unreadable | None = None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the cursor that asks for the next ones.

    ``next_cursor`` is None on the last page. It is opaque, and belongs to the order and the
    filters that it was made with.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """The best place of one session for what was searched.

    Attributes:
        session: The session's summary.
        position: Index of the message in ``Session.messages``; None for title and metadata.
        role: That message's role; None for title and metadata.
        snippet: The text around the hit, on one line.
        highlights: Where the searched words stand in ``snippet``, as (start, end).
        score: Higher is better; comparable within one search only.
    """

    session: SessionSummary
    position: int | None
    role: str | None
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    score: float


@dataclass(frozen=True, slots=True)
class CleanupAction:
    """What a cleanup did with one session, and why."""

    session_id: str
    deleted: bool
    reason: str
    last_activity: datetime


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """What a cleanup did or, when ``dry_run``, would do.

    ``kept`` names the sessions that the cleanup passed over although a person might expect them
    gone: pinned, unreadable and future-dated ones. Young sessions are not named.
    """

    cutoff: datetime
    dry_run: bool
    actions: tuple[CleanupAction, ...] = ()

    @property
    def deleted(self) -> tuple[CleanupAction, ...]:
        """The sessions moved to the trash, or that would be."""
        return tuple(action for action in self.actions if action.deleted)

    @property
    def kept(self) -> tuple[CleanupAction, ...]:
        """The sessions passed over, each with the reason."""
        return tuple(action for action in self.actions if not action.deleted)


ChangeKind: TypeAlias = Literal["created", "modified", "deleted", "unreadable", "readable"]
"""What happened to a file; "readable" is one that was "unreadable" before."""

ChangeOrigin: TypeAlias = Literal["this store", "another store", "external"]
"""Who did something to a file; see ``SessionChange.origin``."""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """One thing that happened to a session's file.

    Attributes:
        number: Grows from change to change, over restarts and processes; not by one.
        session_id: Which session.
        kind: "created", "modified" or "deleted"; "unreadable" when the file became no session,
            and "readable" when it is one again.
        origin: "this store": a verb of the very object that tells. "another store": a verb of
            another one, in this process or another. "external": any other program.
        seen_at: When the store wrote it or, of an external change, when it was noticed.
        changed: The fields of the summary that differ, each with its value before and now; times,
            sizes and the preview are not among them. Empty where only the inside of messages or
            of the state changed.
        unreadable: Why the file is no session, when it is not.
    """

    number: int
    session_id: str
    kind: ChangeKind
    origin: ChangeOrigin
    seen_at: datetime
    changed: Mapping[str, tuple[JsonValue, JsonValue]] = field(default_factory=dict)
    unreadable: Unreadable | None = None

    @property
    def new_messages(self) -> tuple[int, int] | None:
        """The positions of the messages that were added, as a range, by their count alone."""
        was, now = self.changed.get("message_count", (0, 0))
        count = was if isinstance(was, int) else 0
        return (count, now) if isinstance(now, int) and now > count else None


@dataclass(frozen=True, slots=True)
class TrashedSession:
    """A deleted session that can be restored.

    With ``checkpoints_only`` it is checkpoints whose session was not there: they can be restored
    once it is there again.
    """

    session_id: str
    deleted_at: datetime
    size_bytes: int
    path: str
    checkpoints_only: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An immutable snapshot beside a session."""

    checkpoint_id: str
    session_id: str
    data: JsonValue
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``verify`` found, with the repair that a person can choose.

    ``automatic`` says that ``SessionStore.repair`` can do that repair.
    """

    kind: Literal[
        "unreadable",
        "newer format",
        "wrong inner id",
        "file name",
        "orphan checkpoints",
        "orphan temp file",
        "permissions",
        "index",
    ]
    path: str
    problem: str
    repair: str
    session_id: str | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Sizes and counts of a store, and what this object has done since it was opened.

    ``counters`` counts work: ``files_read``, ``files_written`` and, of these, ``ends_written``,
    where only the end was; ``sweeps``, ``index_rebuilds``; and by reason, as "written whole: ...",
    the files that were written whole although something was only added.
    ``watcher`` says how external edits are noticed: "off" where nobody watches, "events" of the
    system, or "polling" where there are none, and then ``watcher_reason`` says why.
    """

    save_dir: str
    sessions: int
    unreadable: int
    messages: int
    size_bytes: int
    trashed: int
    index_bytes: int
    last_sweep_seconds: float
    watcher: Literal["off", "events", "polling"] = "off"
    watcher_reason: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
