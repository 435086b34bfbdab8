"""Everything that crosses a wall between two rooms: the session, its summary, what verbs return.

No room's own state lives here, and nothing here touches a disk. The shape of the data::

    Session          one session file, mutable, a copy of what is stored
      messages       flat list of JSON objects, each with a ``role``
      runs           records that messages point to by ``run_id``
      agent_context  current agent and the switches between agents
    SessionSummary   one line of a listing, frozen
    Page, SearchHit, CleanupReport, Finding, ...   what verbs return, frozen

Messages and runs stay plain JSON objects, so that what others put there stays as and where they
put it, and loading costs no more than parsing.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from localsessions import _history
from localsessions._history import Turn
from localsessions._version import Base

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

__all__ = [
    "FORMAT",
    "MADE_TITLE_LENGTH",
    "ChangeKind",
    "ChangeOrigin",
    "Checkpoint",
    "CleanupAction",
    "CleanupReport",
    "Finding",
    "Message",
    "Order",
    "Page",
    "SearchHit",
    "Session",
    "SessionChange",
    "SessionSummary",
    "StoreStats",
    "TrashedSession",
    "Turn",
    "Unreadable",
    "format_instant",
    "made_id",
    "made_title_of",
    "message_text",
    "parse_instant",
    "preview_of",
    "utc_now",
]

FORMAT = "localsessions/1"
MADE_TITLE_LENGTH = 80

Message: TypeAlias = dict[str, JsonValue]
Order: TypeAlias = Literal[
    "-last_activity", "last_activity", "-created_at", "created_at", "-size_bytes", "size_bytes"
]


def utc_now() -> datetime:
    """Return the present instant, aware, in UTC, cut to the milliseconds that files carry."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def made_id(prefix: str) -> str:
    """Return a new id that sorts by the millisecond of its making."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"


def format_instant(instant: datetime) -> str:
    """Return ISO 8601 in UTC with ``Z``: milliseconds, or microseconds where they would be lost."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def parse_instant(text: str) -> datetime:
    """Return the instant, in UTC, that an ISO 8601 text names; without offset it means UTC.

    Raises:
        ValueError: The text is no ISO 8601 date and time, or in UTC its year is not 1 to 9999.
    """
    instant = datetime.fromisoformat(text)
    return _in_utc(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"in UTC, {instant.isoformat()} is not of the years 1 to 9999") from None


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        return parse_instant(value)
    if not isinstance(value, datetime):
        raise _wrong("must be an ISO 8601 text or an aware datetime")
    if value.tzinfo is None:
        raise _wrong("must be an aware datetime, as in datetime.now(UTC)")
    return _in_utc(value)


Instant: TypeAlias = Annotated[
    datetime,
    PlainValidator(_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class _Shape:
    """What the JSON Schema says of a field's values, which are checked without making models.

    The shapes are imported when somebody asks for the schema: most programs never do.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        from pydantic import TypeAdapter

        from localsessions import _shapes

        return handler(TypeAdapter(getattr(_shapes, self._name)).core_schema)


def _objects_with(key: str) -> PlainValidator:
    """Check a list of JSON objects that each carry a text under ``key``, without copying it."""
    read = itemgetter(key)

    def check(value: object) -> list[dict[str, JsonValue]]:
        if not isinstance(value, list):
            raise _wrong("must be a list of objects")
        with contextlib.suppress(KeyError):  # all of them at once, in C; then one by one
            if set(map(type, value)) == {dict} and set(map(type, map(read, value))) == {str}:
                return value
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                raise _wrong("must be an object", position)
            if not isinstance(item.get(key), str):
                raise _wrong("must be a text", position, key)
        return value

    return PlainValidator(check)


def _agent_context(value: object) -> dict[str, JsonValue]:
    context = _object(value)
    if not isinstance(context.get("current_agent"), str | None):
        raise _wrong("must be a text", "current_agent")
    switches = context.get("switches", [])
    if not isinstance(switches, list) or not all(isinstance(item, dict) for item in switches):
        raise _wrong("must be a list of objects", "switches")
    return context


def _object(value: object) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise _wrong("must be an object")
    return value


def _seconds(value: object) -> int | float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _wrong("must be a number of seconds")
    return value


def _wrong(what: str, *place: str | int) -> PydanticCustomError:
    """Return the error for a value inside a field; ``place`` leads there from the field."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return PydanticCustomError(
        "wrong_type",
        "{where}{what}",
        {"where": f"{where} " if where else "", "what": what, "place": place},
    )


JSONObject: TypeAlias = Annotated[
    dict[str, JsonValue], PlainValidator(_object, json_schema_input_type=dict[str, Any])
]


def _as_files_are(schema: dict[str, Any]) -> None:
    """Let the JSON Schema say what is read: any object; its name says the id, others' fields stay.

    The model itself is stricter, against misspelt names in calls.
    """
    schema["additionalProperties"] = True
    del schema["required"]


class Session(BaseModel):
    """One session: a copy of its file, to be read, changed and handed back to ``save``.

    Nothing is stored until a verb of the store says so. Fields that this version does not know
    are kept in ``extra``, and in their place in the file.
    """

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        title="Session",
        defer_build=True,
        json_schema_extra=_as_files_are,
    )

    format: str = Field(FORMAT, pattern=r"^localsessions/(0|[1-9][0-9]*)$")
    session_id: str
    title: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    forked_from: JSONObject = Field(default_factory=dict)
    created_at: Instant = Field(default_factory=utc_now)
    messages: Annotated[list[Message], _objects_with("role"), _Shape("Messages")] = Field(
        default_factory=list
    )
    runs: Annotated[list[dict[str, JsonValue]], _objects_with("run_id"), _Shape("Runs")] = Field(
        default_factory=list
    )
    agent_context: Annotated[
        dict[str, JsonValue],
        PlainValidator(_agent_context),
        _Shape("AgentContextFields"),
    ] = Field(default_factory=dict)
    modules: JSONObject = Field(default_factory=dict)
    state: JSONObject = Field(default_factory=dict)
    metadata: JSONObject = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    pinned: bool = Field(default=False, strict=True)
    status: str = "active"
    ttl: Annotated[
        int | float | None, PlainValidator(_seconds, json_schema_input_type=int | float | None)
    ] = None
    expires_at: Instant | None = None
    last_activity: Instant = Field(default_factory=utc_now)
    updated_at: Instant = Field(default_factory=utc_now)
    revision: int = Field(default=0, ge=0, strict=True)

    _extra: dict[str, JsonValue] = PrivateAttr(default_factory=dict)
    _stands_on: Base | None = PrivateAttr(default=None)

    @property
    def extra(self) -> dict[str, JsonValue]:
        """Top-level fields of the file that this version does not know."""
        # Not as an attribute: as such each would take pydantic 1.5 microseconds, here and below.
        extra: dict[str, JsonValue] = (self.__pydantic_private__ or {})["_extra"]
        return extra

    @property
    def _base(self) -> Base | None:
        base: Base | None = (self.__pydantic_private__ or {})["_stands_on"]
        return base

    @_base.setter
    def _base(self, base: Base | None) -> None:
        self._stands_on = base

    @property
    def current_agent(self) -> str | None:
        """The agent that is active now; None before the first switch."""
        agent = self.agent_context.get("current_agent")
        return agent if isinstance(agent, str) else None

    @property
    def made_title(self) -> str:
        """A title made of the first words that a user said; empty when nobody said any."""
        return made_title_of(self.messages)

    @property
    def preview(self) -> str:
        """The beginning of the last message that has a text."""
        return preview_of(self.messages)

    def turns(self) -> list[Turn]:
        """Return the session as turns, in the order of their first messages; nothing is copied.

        Messages with one ``run_id`` are one turn. Messages without, written by hand or by a
        program that knows no runs, are turns too: each user message begins one.
        """
        return _history.turns(self.messages, self.runs)

    def history(
        self,
        last_runs: int | None = _history.DEFAULT_RUNS,
        last_messages: int | None = None,
        *,
        skip_roles: Collection[str] = (),
        skip_statuses: Collection[str] = _history.SKIPPED_STATUSES,
    ) -> list[Message]:
        """Return what was said lately, as a model is to be reminded of it; the session stays.

        Left out are system messages, messages that are tagged ``from_history`` already, runs
        with a ``parent_run_id`` (those of a team's members) and runs of the skipped statuses. A
        tool result at the beginning, whose call is outside the window, is left out too: the
        result may be shorter than the window, and no model is sent a result without its call.

        Args:
            last_runs: How many turns, counted from the last; see ``turns``. A turn that says
                nothing uses up no place. None takes all. Left out it is 3 or, where
                ``last_messages`` is given, all.
            last_messages: How many messages at most, counted from the last, inside those turns.
            skip_roles: Roles to leave out besides "system" and "developer".
            skip_statuses: Statuses of runs to leave out, in any case. With
                ``history(None, skip_roles={"tool"}, skip_statuses=())`` it is the chat as the
                people in it saw it.

        Returns:
            Copies of the messages, with all their fields, each marked ``from_history``.

        Raises:
            ValueError: A number is negative.
        """
        return _history.history(
            self.messages,
            self.runs,
            last_runs=last_runs,
            last_messages=last_messages,
            skip_roles=skip_roles,
            skip_statuses=skip_statuses,
        )

    def context(
        self,
        user_input: JsonValue,
        system_message: str | None = None,
        *,
        add_history_to_context: bool = False,
        last_runs: int | None = _history.DEFAULT_RUNS,
        last_messages: int | None = None,
    ) -> list[Message]:
        """Return the messages to send to a model; the session stays as it is.

        The system message comes first and once, whatever is stored; then the history; then the
        user's input, last.

        Args:
            user_input: A text, a list of content parts, or a whole message with its ``role``.
            system_message: None and an empty text give no system message.
            add_history_to_context: Put ``history`` between the two.
            last_runs: As in ``history``.
            last_messages: See there.

        Raises:
            ValueError: A number is negative, or an input that is an object has no ``role``.
        """
        past = self.history(last_runs, last_messages) if add_history_to_context else []
        return _history.context(user_input, system_message, past)


def made_title_of(messages: Sequence[Message]) -> str:
    """Return the first words that a user said in some messages, see ``Session.made_title``."""
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


def message_text(message: Mapping[str, JsonValue]) -> str:
    """Return what a message says in plain text: its content, or the text parts of its content.

    Reasoning, tool results and refusals count as text; images and tool calls do not.
    """
    return _text_of(message.get("content"))


def _text_of(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _text_of(part)))
    if isinstance(content, dict):
        for key in ("text", "thinking", "content", "output", "refusal"):
            if text := _text_of(content.get(key)):
                return text
    return ""


def _shortened(text: str) -> str:
    line = " ".join(text[: 8 * MADE_TITLE_LENGTH].split())
    return line if len(line) <= MADE_TITLE_LENGTH else line[: MADE_TITLE_LENGTH - 1] + "…"


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

ChangeOrigin: TypeAlias = Literal["this store", "another store", "external"]


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
