"""What is asked and what is answered, as models; the OpenAPI document is made of them.

A query and a body take no field that is not here. An answer may get further fields later.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from localsessions.models import Unreadable
from localsessions.models.instant_field import Instant

__all__ = [
    "Appended",
    "Change",
    "ChangesQuery",
    "CheckpointBody",
    "CheckpointIds",
    "CheckpointSaved",
    "CodeBody",
    "Counted",
    "CreateBody",
    "Diff",
    "DiffQuery",
    "ExportQuery",
    "FilterQuery",
    "ForkBody",
    "Found",
    "FoundPlaces",
    "GuideAgent",
    "GuideHistory",
    "Health",
    "ImportBody",
    "ImportState",
    "ListQuery",
    "Listed",
    "MessageRange",
    "MessagesBody",
    "MessagesQuery",
    "Nothing",
    "PatchBody",
    "ProblemDocument",
    "RunBody",
    "SearchQuery",
    "SessionDetail",
    "Stats",
    "Token",
    "Trash",
]

JSONObject = dict[str, JsonValue]


class Asked(BaseModel):
    """What a caller says: nothing else than these fields."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Asked):
    """No parameters."""


class Said(BaseModel):
    """A message: any fields, but always a role."""

    model_config = ConfigDict(extra="allow")
    role: str


class SaidRun(BaseModel):
    """A run: any fields."""

    model_config = ConfigDict(extra="allow")


# -- queries -------------------------------------------------------------------------------------


class FilterQuery(Asked):
    """Which sessions; see ``Filters``."""

    user_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    program: str | None = None
    project: str | None = None
    branch: str | None = None
    parent: str | None = None
    tag: Annotated[list[str] | None, Field(json_schema_extra={"many": True})] = None
    pinned: bool | None = None
    archived: bool | None = None
    unreadable: bool | None = None
    folded: bool = False
    live: bool = False


_Order = Literal[
    "-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"
]


class ListQuery(FilterQuery):
    """Which sessions, and which page of them; without ``limit`` and ``cursor`` all."""

    order: _Order = "-last_activity"
    limit: Annotated[int | None, Field(ge=1, le=1000)] = None
    cursor: str | None = None


class SearchQuery(FilterQuery):
    """What to search for."""

    q: Annotated[str, Field(max_length=10_000)]
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    neighbours: Annotated[int, Field(ge=0, le=100)] = 0


class MessagesQuery(Asked):
    """Which messages: from ``start`` on, or the ``last``."""

    start: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    last: Annotated[int | None, Field(ge=1, le=10_000)] = None


class ExportQuery(Asked):
    """How to export; with ``redact`` what looks like a secret is replaced."""

    format: Literal["markdown", "json", "jsonl"] = "markdown"
    redact: bool = True


class DiffQuery(Asked):
    """Which checkpoint to compare with; without one, that which was saved before."""

    base: str | None = None


class ChangesQuery(Asked):
    """From which change on, and of which session; ``Last-Event-ID`` goes before ``since``."""

    since: Annotated[int | None, Field(ge=0, le=2**62)] = None
    session_id: str | None = None


# -- bodies --------------------------------------------------------------------------------------


class CreateBody(Asked):
    """A new session."""

    session_id: str | None = None
    title: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    metadata: JSONObject = {}
    state: JSONObject = {}
    tags: list[str] = []
    messages: list[Said] = []
    ttl: float | None = None
    if_exists: Literal["refuse", "return"] = "refuse"


class PatchBody(Asked):
    """A JSON Merge Patch (RFC 7396): what is absent stays, null removes."""

    title: str | None = None
    metadata: JSONObject | None = None
    tags: list[str] | None = None
    pinned: bool = False
    archived: bool = False


class MessagesBody(Asked):
    """Messages for the end of a session."""

    messages: Annotated[list[Said], Field(min_length=1)]


class RunBody(Asked):
    """A run and messages of it; a message whose ``id`` the run has already replaces it."""

    run: SaidRun = SaidRun()
    messages: list[Said] = []


class ForkBody(Asked):
    """Up to which message to fork: its ``id``, or its position from 0; null takes all."""

    at: str | Annotated[int, Field(ge=0)] | None = None
    session_id: str | None = None


class CheckpointBody(Asked):
    """A snapshot: any JSON value."""

    data: JsonValue


class ImportBody(Asked):
    """What to import; without ``programs`` all that lies on this machine."""

    programs: list[str] | None = None
    since: AwareDatetime | None = None
    again: bool = False


class CodeBody(Asked):
    """A one-time code."""

    code: Annotated[str, Field(max_length=200)]


# -- answers -------------------------------------------------------------------------------------


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
    """Messages from ``start`` on, of ``total``."""

    session_id: str
    start: int
    total: int
    messages: list[Said]


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
    """An import: how far it is and, at its end, what it did."""

    import_id: str
    status: Literal["running", "done", "failed"]
    files_done: int
    files_total: int | None
    totals: dict[str, dict[str, int]]
    error: str | None


class FoundPlaces(BaseModel):
    """What lies on this machine, and the imports of this service."""

    places: list[FoundPlace]
    imports: list[ImportState]


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


# -- the guide of the agent runtime --------------------------------------------------------------


class GuideMessage(BaseModel):
    """A message for typed clients."""

    role: str
    content: str
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: Any = None


class Switch(BaseModel):
    """A switch of agents."""

    model_config = ConfigDict(populate_by_name=True)
    from_: Annotated[str, Field(alias="from")]
    to: str
    reason: str
    timestamp: str


class GuideHistory(BaseModel):
    """The messages and agents of a session."""

    session_id: str
    messages: list[GuideMessage]
    message_count: int
    last_activity: str | None
    current_agent: str | None
    agent_history: list[Switch]


class GuideAgent(BaseModel):
    """The current agent of a session."""

    session_id: str
    current_agent: str
    agent_history: list[Switch]
    switch_count: int
