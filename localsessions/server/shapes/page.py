"""What the page asks and what it is answered, beside what every client is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from localsessions.models import Grouping
from localsessions.models.instant_field import Instant
from localsessions.server.shapes.answered import SessionDetail
from localsessions.server.shapes.asked import Asked, FilterQuery

__all__ = [
    "Fault",
    "FindQuery",
    "FoundTexts",
    "Groups",
    "GroupsQuery",
    "Outline",
    "Repaired",
    "Secrets",
]


class FindQuery(Asked):
    """What to find in a session."""

    q: Annotated[str, Field(min_length=1, max_length=1000)]


class Prompt(BaseModel):
    """What a person asked, in a line."""

    position: int
    text: str


class Usage(BaseModel):
    """What the messages state: position, context and written tokens of each request."""

    requests: list[tuple[int, int, int]]
    peak_context: int
    written: int
    cost: float | None


class Span(BaseModel):
    """A run, or a while in which an agent was the current one.

    ``first`` and ``last`` are positions of messages, ``begin`` and ``end`` are seconds since 1970.
    """

    kind: Literal["run", "agent"]
    name: str
    status: str | None
    first: int | None
    last: int | None
    begin: int | None
    end: int | None


class Outline(BaseModel):
    """A session, and of each message: p a prompt, s an answer, w work; its length; when."""

    session: SessionDetail
    total: int
    kinds: str
    sizes: list[int]
    at: list[int | None]
    prompts: list[Prompt]
    usage: Usage | None
    spans: list[Span]


class PlaceOfText(BaseModel):
    """A message that has the text so many times."""

    position: int
    count: int


class FoundTexts(BaseModel):
    """The messages that have a text, the first 2,000 of ``total``."""

    session_id: str
    total: int
    places: list[PlaceOfText]


class GroupsQuery(FilterQuery):
    """By what to put sessions together, and which."""

    by: Grouping


class Group(BaseModel):
    """Sessions that have something in common; ``messages`` is the sum of theirs."""

    name: str
    sessions: int
    messages: int
    last_activity: Instant | None


class Groups(BaseModel):
    """The 500 largest groups of ``total``."""

    groups: list[Group]
    total: int


class Fault(BaseModel):
    """Why a file is no session, and its lines there from ``first`` on; no reason if it is one."""

    session_id: str
    path: str
    reason: str | None
    line: int | None
    column: int | None
    first: int
    lines: list[str]


class Repaired(BaseModel):
    """What was done, what is left for a person to do, and the ids of sessions that were made."""

    session_id: str
    done: list[str]
    left: list[str]
    made: list[str]


class Secret(BaseModel):
    """What an export leaves out; ``message`` counts from 1."""

    kind: str
    where: str
    message: int | None
    beginning: str


class Secrets(BaseModel):
    """What an export leaves out."""

    session_id: str
    secrets: list[Secret]
