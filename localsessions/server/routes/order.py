"""What keeps the folder in order: its groups, what is broken and can be saved, what is secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions.errors import UnreadableSessionError
from localsessions.server.made import made_since
from localsessions.server.responses import Answer
from localsessions.server.routes.lines import filters_of
from localsessions.server.routes.sessions import found, known

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["fault", "groups", "repair", "secrets"]

_MOST = 500
_LINES = 3
_LINE_LENGTH = 400


def groups(call: Call[shapes.GroupsQuery, None]) -> Answer:
    """Count the sessions of each program, project, tag or day, the largest group first."""
    found = call.store.groups(call.query.by, **filters_of(call.query))
    return Answer({"groups": found[:_MOST], "total": len(found)})


def fault(call: Call[Any, None]) -> Answer:
    """Say why a file is no session: reason, line, and the lines around it."""
    session_id = known(call.store, call.session_id)
    document: dict[str, JsonValue] = {
        "session_id": session_id,
        "path": call.store.path(session_id),
        **dict.fromkeys(("reason", "line", "column")),
        "first": 1,
        "lines": [],
    }
    try:
        call.store.load(session_id)
    except UnreadableSessionError as error:
        lines = call.store.raw(session_id).decode("utf-8", "replace").split("\n")
        line = error.line or 1
        first = max(1, line - _LINES)
        shown = lines[first - 1 : line + _LINES]
        document |= {"reason": error.reason, "line": error.line, "column": error.column}
        document |= {"first": first, "lines": [text[:_LINE_LENGTH] for text in shown]}
    return Answer(document)


def repair(call: Call[Any, None]) -> Answer:
    """Save what can be read of a broken file as a session of its own; the file stays."""
    store, session_id = call.store, known(call.store, call.session_id)
    done: list[JsonValue] = []
    left: list[JsonValue] = []
    before = store.last_change()
    for one in store.verify():
        if one.session_id == session_id and one.automatic:
            done.append(store.repair(one))
        elif one.session_id == session_id:
            left.append(one.repair)
    made = made_since(store, before) if done else []
    return Answer({"session_id": session_id, "done": done, "left": left, "made": made})


def secrets(call: Call[Any, None]) -> Answer:
    """Say what an export leaves out: kind and place of each secret, never the secret."""
    from localsessions.redaction import redact

    session = found(call.store, call.session_id)
    told = redact(session).findings
    return Answer({"session_id": session.session_id, "secrets": told})
