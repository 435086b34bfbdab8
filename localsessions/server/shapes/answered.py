"""What is answered; an answer may get further fields later."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, JsonValue

from localsessions.models import Unreadable
from localsessions.models.instant_field import Instant
from localsessions.server.shapes.messages import JSONObject, Said

__all__ = [
    "Appended",
    "Change",
    "CheckpointIds",
    "CheckpointSaved",
    "Code",
    "Counted",
    "Diff",
    "Difference",
    "Found",
    "FoundPlace",
    "FoundPlaces",
    "Health",
    "Hit",
    "ImportState",
    "Listed",
    "MessageRange",
    "Neighbour",
    "ProblemDocument",
    "SessionDetail",
    "SessionLine",
    "Stats",
    "Token",
    "Touched",
    "Trash",
    "Trashed",
]


class SessionLine(BaseModel):
    """A session in a list; see ``SessionSummary``. ``unreadable`` says why it is no session."""

    session_id: str
    title: str
    user_id: str | None
    agent_id: str | None
    current_agent: str | None
    status: str
    pinned: bool
    tags: list[str]
    created_at: Instant
    last_activity: Instant
    updated_at: Instant
    expires_at: Instant | None
    message_count: int
    size_bytes: int
    revision: int
    preview: str
    program: str | None
    project: str | None
    branch: str | None
    parent: str | None
    undated: bool
    unreadable: str | None
    fault: Unreadable | None


class Listed(BaseModel):
    """Sessions, and how many fit in all."""

    sessions: list[SessionLine]
    total: int
    next_cursor: str | None


class SessionDetail(SessionLine):
    """A session without its messages and runs."""

    metadata: JSONObject
    state: JSONObject
    modules: JSONObject
    agent_context: JSONObject
    source: JSONObject
    forked_from: JSONObject
    ttl: float | None
    run_count: int


class Counted(BaseModel):
    """How many sessions fit."""

    count: int


class MessageRange(BaseModel):
    """Messages from ``start`` on, of ``total``; ``cut`` are the positions of those cut short."""

    session_id: str
    start: int
    total: int
    messages: list[Said]
    cut: list[int]


class Appended(BaseModel):
    """The messages as they are stored."""

    session_id: str
    messages: list[Said]


class Neighbour(BaseModel):
    """A message beside a hit."""

    position: int
    role: str
    text: str


class Hit(BaseModel):
    """The best place of a session; ``highlights`` are (start, end) in ``snippet``."""

    session: SessionLine
    position: int | None
    role: str | None
    snippet: str
    highlights: list[tuple[int, int]]
    score: float
    neighbours: list[Neighbour]


class Found(BaseModel):
    """What a search found, the best first."""

    hits: list[Hit]


class Touched(BaseModel):
    """A message that a change touched."""

    position: int
    id: str | None
    what: Literal["added", "changed", "removed"]


class Change(BaseModel):
    """The data of an event ``change``; see ``SessionChange``."""

    number: int
    session_id: str
    kind: Literal["created", "modified", "deleted", "unreadable", "readable"]
    origin: Literal["this store", "another store", "external"]
    seen_at: Instant
    changed: dict[str, tuple[JsonValue, JsonValue]]
    unreadable: Unreadable | None
    messages: list[Touched] | None


class Trashed(BaseModel):
    """A deleted session that can be restored."""

    session_id: str
    deleted_at: Instant
    size_bytes: int
    checkpoints_only: bool


class Trash(BaseModel):
    """What can be restored, the last deleted first."""

    sessions: list[Trashed]


class CheckpointIds(BaseModel):
    """The checkpoints of a session, the last saved first."""

    session_id: str
    checkpoint_ids: list[str]


class CheckpointSaved(BaseModel):
    """A checkpoint."""

    checkpoint_id: str
    session_id: str
    created_at: Instant
    data: JsonValue


class Difference(BaseModel):
    """A place (a JSON Pointer) where two values differ."""

    op: Literal["add", "remove", "replace"]
    path: str
    was: JsonValue = None
    now: JsonValue = None


class Diff(BaseModel):
    """What a checkpoint says and its base does not."""

    session_id: str
    checkpoint_id: str
    base: str | None
    differences: list[Difference]


class Stats(BaseModel):
    """Sizes and counts of the store; see ``StoreStats``."""

    save_dir: str
    sessions: int
    unreadable: int
    messages: int
    size_bytes: int
    trashed: int
    trash_bytes: int
    last_sweep_seconds: float
    watcher: str
    watcher_reason: str
    derived_bytes: dict[str, int]
    counters: dict[str, int]


class Health(BaseModel):
    """Who answers: a client compares ``pid`` and ``started_at`` with ``server.json``."""

    status: Literal["ok"]
    version: str
    save_dir: str
    pid: int
    started_at: Instant
    last_change: int


class FoundPlace(BaseModel):
    """What a program keeps on this machine."""

    program: str
    files: int
    size_bytes: int
    sessions_here: int


class ImportState(BaseModel):
    """An import: how far it is and, at its end, what it did; ``made`` are its new sessions."""

    import_id: str
    status: Literal["running", "done", "failed"]
    files_done: int
    files_total: int | None
    totals: dict[str, dict[str, int]]
    made: list[str]
    error: str | None


class FoundPlaces(BaseModel):
    """What lies on this machine, and the imports of this service."""

    places: list[FoundPlace]
    imports: list[ImportState]


class Code(BaseModel):
    """A one-time code; it stands in the fragment of the page's address: ``/#code=...``."""

    code: str


class Token(BaseModel):
    """The token, for a one-time code."""

    token: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457); ``place`` is where in the request."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    place: str | None = None
