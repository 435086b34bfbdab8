"""Checkpoints of a session, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from localsessions.server.responses import Answer
from localsessions.server.routes.sessions import found, known

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["checkpoint", "checkpoints", "diff", "save"]


def checkpoints(call: Call[Any, None]) -> Answer:
    """List the checkpoints, the last saved first."""
    session = found(call.store, call.session_id)
    ids = call.store.checkpoints(session.session_id)
    return Answer({"session_id": session.session_id, "checkpoint_ids": ids})


def checkpoint(call: Call[Any, None]) -> Answer:
    """Read a checkpoint."""
    session_id = known(call.store, call.session_id)
    return Answer(call.store.load_checkpoint(session_id, call.path["checkpoint_id"]))


def save(call: Call[Any, shapes.CheckpointBody]) -> Answer:
    """Save a checkpoint."""
    session_id = known(call.store, call.session_id)
    return Answer(call.store.save_checkpoint(session_id, call.body.data), 201)


def diff(call: Call[shapes.DiffQuery, None]) -> Answer:
    """Compare a checkpoint with another, or with the one that was saved before it."""
    store, session_id, chosen = call.store, call.session_id, call.path["checkpoint_id"]
    now = store.load_checkpoint(known(store, session_id), chosen)
    ids = store.checkpoints(session_id)
    earlier = ids[ids.index(chosen) + 1 :] if chosen in ids else ()
    base = call.query.base if call.query.base is not None else next(iter(earlier), None)
    was: JsonValue = None if base is None else store.load_checkpoint(session_id, base).data
    return Answer(
        {
            "session_id": session_id,
            "checkpoint_id": chosen,
            "base": base,
            "differences": [*differences(was, now.data)],
        }
    )


def differences(was: JsonValue, now: JsonValue, path: str = "") -> Iterator[dict[str, JsonValue]]:
    """Yield each place (a JSON Pointer, RFC 6901) where two values differ, and how."""
    if type(was) is not type(now) or not isinstance(was, dict | list):
        if type(was) is not type(now) or was != now:
            yield {"op": "replace", "path": path, "was": was, "now": now}
        return
    old, new = _members(was), _members(now)
    for key in dict.fromkeys((*old, *new)):
        place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            yield {"op": "remove", "path": place, "was": old[key], "now": None}
        elif key not in old:
            yield {"op": "add", "path": place, "was": None, "now": new[key]}
        else:
            yield from differences(old[key], new[key], place)


def _members(value: JsonValue) -> dict[str, JsonValue]:
    """Return the members of an object, or the items of a list by their positions."""
    if isinstance(value, dict):
        return value
    return {str(at): item for at, item in enumerate(value)} if isinstance(value, list) else {}
