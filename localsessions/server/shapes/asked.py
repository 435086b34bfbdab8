"""What is asked: queries and bodies. They take no field that is not here."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator, WithJsonSchema

from localsessions.models import parse_instant
from localsessions.server.shapes.messages import JSONObject, Said, SaidRun

__all__ = [
    "ChangesQuery",
    "CheckpointBody",
    "CodeBody",
    "CreateBody",
    "DiffQuery",
    "ExportQuery",
    "FilterQuery",
    "ForkBody",
    "ImportBody",
    "ListQuery",
    "MessagesBody",
    "MessagesQuery",
    "Nothing",
    "PatchBody",
    "RunBody",
    "SearchQuery",
]


class Asked(BaseModel):
    """A query: nothing else than these fields, each as a text."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """A body: nothing else than these fields, each of its JSON type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Asked):
    """No parameters."""


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be a time with its offset, as 2026-01-31T12:00:00Z")
    return parse_instant(value)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
Moment: TypeAlias = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


# -- queries -------------------------------------------------------------------------------------


class FilterQuery(Asked):
    """Which sessions; see ``Filters``."""

    user_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    since: Moment | None = None
    until: Moment | None = None
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
    """Which messages: from ``start`` on, or the ``last``; texts that are longer are cut."""

    start: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    last: Annotated[int | None, Field(ge=1, le=10_000)] = None
    longest: Annotated[int | None, Field(ge=100, le=2**53)] = None


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


class CreateBody(Given):
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


class PatchBody(Given):
    """A JSON Merge Patch (RFC 7396): what is absent stays, null removes."""

    title: str | None = None
    metadata: JSONObject | None = None
    tags: list[str] | None = None
    pinned: bool = False
    archived: bool = False


class MessagesBody(Given):
    """Messages for the end of a session."""

    messages: Annotated[list[Said], Field(min_length=1)]


class RunBody(Given):
    """A run and messages of it; a message whose ``id`` the run has already replaces it."""

    run: SaidRun = SaidRun()
    messages: list[Said] = []


class ForkBody(Given):
    """Up to which message to fork: its ``id``, or its position from 0; null takes all."""

    at: str | Annotated[int, Field(ge=0)] | None = None
    session_id: str | None = None


class CheckpointBody(Given):
    """A snapshot: any JSON value."""

    data: JsonValue


class ImportBody(Given):
    """What to import; without ``programs`` all that lies on this machine."""

    programs: list[str] | None = None
    since: Moment | None = None
    again: bool = False


class CodeBody(Given):
    """A one-time code."""

    code: Annotated[str, Field(max_length=200)]
