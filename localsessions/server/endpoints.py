"""Endpoint: a route of the service, what it takes and what it answers; ``ENDPOINTS`` is the table.

The routes, their checks and the OpenAPI document are all made of the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from localsessions.server.shapes import Nothing

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

    from localsessions.server.about import Service
    from localsessions.server.responses import Answer
    from localsessions.store import SessionStore

__all__ = ["Call", "Endpoint"]

Q = TypeVar("Q")
B = TypeVar("B")


class Call(NamedTuple, Generic[Q, B]):
    """A request whose query and body were checked.

    Attributes:
        service: What answers it.
        path: The parts of the path that are not fixed.
        query: The query, by the endpoint's model.
        body: The body, by the endpoint's model; None if it takes none.
        headers: The headers.
    """

    service: Service
    path: dict[str, str]
    query: Q
    body: B
    headers: Headers

    @property
    def store(self) -> SessionStore:
        """The store."""
        return self.service.store

    @property
    def session_id(self) -> str:
        """The session of the path."""
        return self.path["session_id"]


class Endpoint(NamedTuple):
    """A route.

    Attributes:
        method: GET, POST, ...
        path: The path after ``PREFIX``; ``{session_id}`` is a part that is not fixed.
        act: Answers; called in a thread.
        summary: What it does, in a line.
        answers: The model of its answer; None if it has no body, or no JSON.
        query: The model of its query.
        body: The model of its body; None if it takes none.
        status: The status of its answer.
        media: The types of an answer that is no JSON.
        is_conditional: Whether it needs If-Match.
        stream: Answers with a stream instead; called in the event loop.
        fails: The model of an error that is no problem, but the guide's.
    """

    method: str
    path: str
    act: Callable[[Call[Any, Any]], Answer] | None
    summary: str
    answers: type[BaseModel] | None = None
    query: type[BaseModel] = Nothing
    body: type[BaseModel] | None = None
    status: int = 200
    media: tuple[str, ...] = ()
    is_conditional: bool = False
    stream: Callable[[Call[Any, Any], Request], Awaitable[Response]] | None = None
    fails: type[BaseModel] | None = None
