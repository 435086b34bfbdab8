"""agno's session row, a dict without its runs, to and from a Session. Pure.

Imports no agno: dicts come in and go out. Where the parts of a row are stored::

    session_id, user_id, agent_id, metadata   in the fields of their names
    session_data.session_name, .session_state title, state
    created_at, updated_at                    the times; whole seconds to agno
    everything else                           in the file's field "agno", as it came
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from pydantic import JsonValue

from localsessions import Session

__all__ = ["Parts", "lay_over", "made_session", "parts_of", "session_row"]

Row: TypeAlias = dict[str, JsonValue]
Parts: TypeAlias = dict[str, Row]

_FIELD = "agno"
_FIELDS = ("session_id", "user_id", "created_at", "updated_at", "runs")


def session_row(session: Session) -> Row:
    """Return the row of a session, without its runs; a copy that shares nothing with it."""
    own = _object(session.extra.get(_FIELD))
    data: Row = {"session_state": session.state, **_object(own.pop("session_data", None))}
    if session.title:
        data["session_name"] = session.title
    row: Row = {
        "session_type": "agent",
        **own,
        "session_id": session.session_id,
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "session_data": data,
        "metadata": session.metadata or None,
        "created_at": int(session.created_at.timestamp()),
        "updated_at": int(session.updated_at.timestamp()),
    }
    return copy.deepcopy(row)


def parts_of(row: Mapping[str, JsonValue]) -> Parts:
    """Return the parts of a row that can change, as objects to be merged key by key."""
    data = _object(row.get("session_data"))
    name = data.pop("session_name", None)
    state = _object(data.pop("session_state", None))
    agent_id = row.get("agent_id")
    kept = (*_FIELDS, "agent_id", "session_data", "metadata")
    own: Row = {key: value for key, value in row.items() if key not in kept and value is not None}
    parts: Parts = {
        "title": {"title": name} if isinstance(name, str) and name else {},
        "agent": {"agent_id": agent_id} if isinstance(agent_id, str) else {},
        "state": state,
        "metadata": _object(row.get("metadata")),
        "session_data": data,
        "own": own,
    }
    return copy.deepcopy(parts)


def lay_over(session: Session, mine: Parts, base: Parts) -> None:
    """Put into a session what ``mine`` changed since ``base``, key by key.

    What others changed meanwhile stays; if both changed a key, mine wins. With an empty base,
    nothing is removed.
    """
    stored = parts_of(session_row(session))
    laid = {part: _laid(stored[part], mine[part], base.get(part, {})) for part in stored}
    title, agent_id = laid["title"].get("title"), laid["agent"].get("agent_id")
    session.title = title if isinstance(title, str) else None
    session.agent_id = agent_id if isinstance(agent_id, str) else None
    session.state, session.metadata = laid["state"], laid["metadata"]
    own = laid["own"]
    if laid["session_data"]:
        own["session_data"] = laid["session_data"]
    session.extra[_FIELD] = own


def _laid(theirs: Row, mine: Row, base: Row) -> Row:
    removed = base.keys() - mine.keys()
    changed = {key: value for key, value in mine.items() if key not in base or base[key] != value}
    return {**{key: value for key, value in theirs.items() if key not in removed}, **changed}


def made_session(row: Mapping[str, JsonValue]) -> Session:
    """Return a new session with the id, the owner and the time of a row, and nothing else."""
    user_id, created = row.get("user_id"), row.get("created_at")
    made = Session(
        session_id=str(row["session_id"]), user_id=user_id if isinstance(user_id, str) else None
    )
    if isinstance(created, int | float):
        made.created_at = datetime.fromtimestamp(created, UTC)
    return made


def _object(value: JsonValue) -> Row:
    return dict(value) if isinstance(value, dict) else {}
