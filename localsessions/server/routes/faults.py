"""A file that is no session: why, where, and what of it can be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions.errors import UnreadableSessionError
from localsessions.server.made import made_since
from localsessions.server.responses import Answer
from localsessions.server.routes.sessions import known

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.server.endpoints import Call

__all__ = ["fault", "repair"]

_LINES = 3
_LINE_LENGTH = 400


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
