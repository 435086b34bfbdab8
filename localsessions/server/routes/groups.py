"""What sessions have in common, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.server.responses import Answer
from localsessions.server.routes.lines import filters_of

if TYPE_CHECKING:
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["groups"]

_MOST = 500


def groups(call: Call[shapes.GroupsQuery, None]) -> Answer:
    """Count the sessions of each program, project, tag or day, the largest group first."""
    found = call.store.groups(call.query.by, **filters_of(call.query))
    return Answer({"groups": found[:_MOST], "total": len(found)})
