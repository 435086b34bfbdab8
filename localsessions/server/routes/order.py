"""What keeps the folder in order: its groups, what is broken and can be saved, what is secret."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from localsessions.errors import UnreadableSessionError
from localsessions.server.responses import Answer, plain
from localsessions.server.routes.sessions import found, known

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.server.endpoints import Call

__all__ = ["fault", "groups", "repair", "secrets"]

_PAGE = 500
_MOST = 500
_LINES = 3
_LINE_LENGTH = 400


def groups(call: Call[Any, None]) -> Answer:
    """Count the sessions of each project, program and tag, the most frequent first."""
    counts: dict[str, Counter[str]] = {key: Counter() for key in ("project", "program", "tag")}
    latest: dict[str, JsonValue] = {}
    page = call.store.list(limit=_PAGE)
    while True:
        for one in page:
            counts["tag"].update(one.tags)
            for key, value in (("project", one.project), ("program", one.program)):
                if value is not None:
                    counts[key][value] += 1
                    latest.setdefault(f"{key} {value}", plain(one.last_activity))
        if page.next_cursor is None:
            break
        page = call.store.list(limit=_PAGE, cursor=page.next_cursor)
    return Answer(
        {
            key + "s": [
                {"name": name, "count": count, "last_activity": latest.get(f"{key} {name}")}
                for name, count in counter.most_common(_MOST)
            ]
            for key, counter in counts.items()
        }
    )


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
    for one in store.verify():
        if one.session_id == session_id and one.automatic:
            done.append(store.repair(one))
        elif one.session_id == session_id:
            left.append(one.repair)
    return Answer({"session_id": session_id, "done": done, "left": left})


def secrets(call: Call[Any, None]) -> Answer:
    """Say what an export leaves out: kind and place of each secret, never the secret."""
    from localsessions.redaction import redact

    session = found(call.store, call.session_id)
    told = redact(session).findings
    return Answer({"session_id": session.session_id, "secrets": told})
