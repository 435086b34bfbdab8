"""Messages of a session: by range, from the end, and new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localsessions.server.responses import Answer, etag_of
from localsessions.server.routes.sessions import found, known, said

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["append", "messages", "put_run"]


def messages(call: Call[shapes.MessagesQuery, None]) -> Answer:
    """Read messages from a position on, or the last."""
    session, query = found(call.store, call.session_id), call.query
    total = len(session.messages)
    start, end = query.start, query.start + query.limit
    if query.last is not None:
        start, end = max(0, total - query.last), total
    chosen: list[Any] = [*session.messages[start:end]]
    were_cut = []
    if query.longest is not None:
        for place, (message, was_cut) in enumerate([_cut(one, query.longest) for one in chosen]):
            chosen[place] = message
            if was_cut:
                were_cut.append(start + place)
    document = {
        "session_id": session.session_id,
        "start": min(start, total),
        "total": total,
        "messages": chosen,
        "cut": were_cut,
    }
    # The version is that of the session, the bytes are those of the question.
    return Answer(document, etag=etag_of(session) if query.longest is None else None)


def _cut(value: JsonValue, longest: int) -> tuple[JsonValue, bool]:
    """Return a value whose texts are this long at most, and whether one was longer."""
    if isinstance(value, str):
        return (value[:longest], True) if len(value) > longest else (value, False)
    if isinstance(value, Mapping):
        members = {key: _cut(item, longest) for key, item in value.items()}
        return {key: one for key, (one, _) in members.items()}, any(
            was for _, was in members.values()
        )
    if isinstance(value, list):
        items = [_cut(item, longest) for item in value]
        return [one for one, _ in items], any(was for _, was in items)
    return value, False


def append(call: Call[Any, shapes.MessagesBody]) -> Answer:
    """Add messages at the end, durably."""
    session_id = known(call.store, call.session_id)
    stored = call.store.append(session_id, *map(said, call.body.messages))
    return Answer({"session_id": session_id, "messages": stored}, 201)


def put_run(call: Call[Any, shapes.RunBody]) -> Answer:
    """Replace a run, or add it; messages with a known id are replaced, so an answer can grow."""
    session_id = known(call.store, call.session_id)
    run = {**said(call.body.run), "run_id": call.path["run_id"]}
    call.store.upsert_run(session_id, run, *map(said, call.body.messages))
    return Answer(status=204)
