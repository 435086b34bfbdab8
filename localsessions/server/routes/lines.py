"""A session as a line of a list and in detail, and the filters of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from localsessions.format import original_bytes, summarize
from localsessions.server.responses import plain

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Filters, Session, SessionSummary
    from localsessions.server.shapes import FilterQuery

__all__ = ["detail_of", "filters_of", "line_of"]

_FILTERS = ("user_id", "agent_id", "status", "since", "until", "program", "project", "branch")
_MORE = ("parent", "pinned", "archived", "unreadable", "folded", "live")
_DETAILS = ("metadata", "state", "modules", "agent_context", "source", "forked_from", "ttl")


def filters_of(query: FilterQuery) -> Filters:
    """Return the filters that a query asks for."""
    found = {name: getattr(query, name) for name in (*_FILTERS, *_MORE)}
    return cast("Filters", {**found, "tags": query.tag})


def line_of(summary: SessionSummary) -> dict[str, JsonValue]:
    """Return a session as a line of a list."""
    line: Any = plain(summary)
    fault = line["unreadable"]
    return {**line, "unreadable": fault and fault["reason"], "fault": fault}


def detail_of(session: Session) -> dict[str, JsonValue]:
    """Return a session without its messages and runs."""
    line = line_of(summarize(session, len(original_bytes(session) or b"")))
    details = {name: plain(getattr(session, name)) for name in _DETAILS}
    return {**line, **details, "run_count": len(session.runs)}
