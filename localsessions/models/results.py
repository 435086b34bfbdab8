"""The results of verbs: summaries, pages, hits, reports, changes, findings; all are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

from localsessions.models.instant_field import Instant
from localsessions.models.plain import PlainSummary

__all__ = [
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Deletion",
    "Finding",
    "Neighbour",
    "SearchHit",
    "SessionChange",
    "SessionRun",
    "SessionSummary",
    "StoreStats",
    "TouchedMessage",
    "TrashedSession",
    "Unreadable",
    "checked",
]


class Unreadable(BaseModel):
    """Why a file is not a session; ``line`` and ``column`` count from 1."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    reason: str
    line: int | None = None
    column: int | None = None


class SessionSummary(BaseModel):
    """A line of a listing.

    ``title`` is the session's own title or, if it has none, a title made from the first user
    message. An unreadable file is listed with ``status`` "unreadable"; its times come from the
    file. Of an imported session, ``program``, ``project`` and ``branch`` say where it comes from.
    ``parent`` is the session that started it, a sub-agent, or that it was forked from. An
    ``undated`` session has no times in its source: its times are those of the source's file, and it
    is listed as older than all others.
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
    program: str | None = None
    project: str | None = None
    branch: str | None = None
    parent: str | None = None
    undated: bool = False
    unreadable: Unreadable | None = None


def checked(plain: PlainSummary) -> SessionSummary:
    """Return the model of a line of a listing; its values have the right types already."""
    try:
        return plain.model  # a listing that finds the same lines again makes no models
    except AttributeError:
        told = plain.__dict__
    if plain.unreadable is not None:
        told = {**told, "unreadable": Unreadable(**plain.unreadable.__dict__)}
    made = _blank().model_copy()
    made.__dict__.update(told)
    plain.model = made  # whole: another thread may take it from now on
    return made


@cache  # made at its first use: importing the package builds no model
def _blank() -> SessionSummary:
    """Return a summary to copy, with every field set; validating takes four times as long."""
    plain = PlainSummary(session_id="", created_at=_EPOCH, last_activity=_EPOCH, updated_at=_EPOCH)
    return SessionSummary.model_validate(plain.__dict__)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A message beside a hit.

    Attributes:
        position: Index of the message in ``Session.messages``.
        role: Its role.
        text: The beginning of what it says, on a single line, marked as a ``snippet`` is.
    """

    position: int
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """The best hit in a session for a search.

    Attributes:
        session: The session's summary.
        position: Index of the message in ``Session.messages``; None for title and metadata.
        role: That message's role; None for title and metadata.
        snippet: The text around the hit, on a single line. It begins with "argument of <tool>: "
            or "reasoning: " if the hit is there, and with "call of " if it is a tool's name.
        highlights: Where the searched words are in ``snippet``, as (start, end).
        score: Higher is better; comparable only within the same search.
        neighbours: The messages before and after, in order, if they are asked for; those that say
            nothing are left out.
    """

    session: SessionSummary
    position: int | None
    role: str | None
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    score: float
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanupAction:
    """What a cleanup did with a session, and why."""

    session_id: str
    deleted: bool
    reason: str
    last_activity: datetime


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """What a cleanup did or, with ``dry_run``, would do.

    ``kept`` names the sessions that the cleanup keeps although a person might expect it to delete
    them: pinned, unreadable and future-dated sessions. Young sessions are not named.
    """

    cutoff: datetime
    dry_run: bool
    actions: tuple[CleanupAction, ...] = ()

    @property
    def deleted(self) -> tuple[CleanupAction, ...]:
        """The sessions that the cleanup moved, or would move, to the trash."""
        return tuple(action for action in self.actions if action.deleted)

    @property
    def kept(self) -> tuple[CleanupAction, ...]:
        """The sessions that the cleanup keeps, each with the reason."""
        return tuple(action for action in self.actions if not action.deleted)


ChangeKind: TypeAlias = Literal["created", "modified", "deleted", "unreadable", "readable"]
"""What happened to a file; "readable" means that it was "unreadable" before."""

ChangeOrigin: TypeAlias = Literal["this store", "another store", "external"]
"""Who changed a file; see ``SessionChange.origin``."""


@dataclass(frozen=True, slots=True)
class TouchedMessage:
    """A message that a change added, changed or removed.

    Attributes:
        position: Index in ``Session.messages`` after the change; of a removed message, before it.
        id: The message's ``id``; None if it has none.
        what: "added", "changed" or "removed". A message without ``id`` that was changed is removed
            and added.
    """

    position: int
    id: str | None
    what: Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A change of a session's file.

    Attributes:
        number: Grows from change to change, across restarts and processes; not in steps of 1.
        session_id: Which session.
        kind: "created", "modified" or "deleted"; "unreadable" if the file is no longer a session,
            and "readable" if it is a session again.
        origin: "this store": a verb of the same store object that reports the change. "another
            store": a verb of another store object, in this process or another. "external": any
            other program.
        seen_at: When the store wrote the change or, for an external change, when it was noticed.
        changed: The fields of the summary that differ, each with its value before and now; of a
            new session, the fields that are set. Sizes, the preview, the revision and the times
            that each write changes are left out. Empty if only the inside of messages or of the
            state changed.
        unreadable: Why the file is not a session; None if it is a session.
        messages: The messages that were added, changed or removed, in order. None where that is
            not known: after an edit by another program, a change of more than 16 messages, a
            deletion and a restore. Then read the session.
    """

    number: int
    session_id: str
    kind: ChangeKind
    origin: ChangeOrigin
    seen_at: datetime
    changed: Mapping[str, tuple[JsonValue, JsonValue]] = field(default_factory=dict)
    unreadable: Unreadable | None = None
    messages: tuple[TouchedMessage, ...] | None = None

    @property
    def new_messages(self) -> tuple[int, int] | None:
        """The positions of the added messages, as a range; it comes from the counts alone."""
        was, now = self.changed.get("message_count", (0, 0))
        count = was if isinstance(was, int) else 0
        return (count, now) if isinstance(now, int) and now > count else None


@dataclass(frozen=True, slots=True)
class TrashedSession:
    """A deleted session that can be restored.

    With ``checkpoints_only`` it holds only checkpoints, whose session was not there. They can be
    restored when the session is there again.
    """

    session_id: str
    deleted_at: datetime
    size_bytes: int
    path: str
    checkpoints_only: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """A session that was deleted: it is in the trash, or it was removed for good.

    Attributes:
        session_id: Its id.
        source: What its ``Session.source`` said of where it came from: ``program``,
            ``session_id``, ``file``, ``element``, ``begins``; empty for a session that was not
            imported.
        deleted_at: When it was deleted.
        moved_to: Where it is now, a path or an address, if it was moved to another store.
    """

    session_id: str
    source: Mapping[str, JsonValue]
    deleted_at: datetime
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An immutable snapshot beside a session."""

    checkpoint_id: str
    session_id: str
    data: JsonValue
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRun:
    """A run of a session.

    Attributes:
        session_id: The session.
        run_id: The run.
        status: Its status; "INTERRUPTED" if a message of it was growing, and its writer is gone.
            None if its record says none.
        record: The record of the run as it is stored.
    """

    session_id: str
    run_id: str
    status: str | None
    record: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that ``verify`` found, with the repair that a person can choose.

    ``automatic`` says that ``SessionStore.repair`` can make that repair.
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
    """Sizes and counts of a store, and the work of this object since it was opened.

    ``derived_bytes`` says what each part of ``.localsessions`` takes on the disk, in whole blocks:
    "index", with the log of changes; "search"; "journal", the turns that the index does not have
    yet; "kept copies" of the last good versions; "spares" of sessions that are being added to;
    "locks", "temp files" and "other". ``trash_bytes`` is what the trash takes.
    ``counters`` counts work: ``files_read``; ``files_written`` and, among these, ``ends_written``
    for files of which only the end was written; ``sweeps``; ``index_rebuilds``. It also counts, by
    reason ("written whole: ..."), the files that were written whole although the change only added
    something.
    ``watcher`` says how external edits are noticed: "off" if nothing is watched, "events" of the
    system, or "polling" if there are no events; then ``watcher_reason`` says why.
    """

    save_dir: str
    sessions: int
    unreadable: int
    messages: int
    size_bytes: int
    trashed: int
    trash_bytes: int
    last_sweep_seconds: float
    watcher: Literal["off", "events", "polling"] = "off"
    watcher_reason: str = ""
    derived_bytes: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
