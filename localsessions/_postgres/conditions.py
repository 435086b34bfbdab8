"""Conditions: what a query asks for, in SQL. The table of the sessions is ``s``."""

from __future__ import annotations

from typing import NamedTuple

from localsessions._postgres.row import key_of_text
from localsessions.engine import Query
from localsessions.models.instants import microseconds

__all__ = ["Condition", "condition_of"]


class Condition(NamedTuple):
    """A condition, and the values for its places."""

    sql: str
    values: list[object]


_TEXTS = ("user_id", "agent_id", "status", "program", "project", "branch", "parent")


def condition_of(store: int, query: Query) -> Condition:
    """Return the condition that a session of a store is asked for."""
    parts: list[tuple[str, list[object]]] = [("s.store = %s", [store])]
    texts = {name: text for name in _TEXTS if (text := getattr(query, name)) is not None}
    parts += [(f"s.{name} = %s", [key_of_text(text)]) for name, text in texts.items()]
    if query.tags:
        parts.append(("s.tags @> %s::bytea[]", [[key_of_text(tag) for tag in query.tags]]))
    if query.pinned is not None:
        parts.append(("s.pinned = %s", [query.pinned]))
    if query.archived is not None:
        parts.append(("(s.status = %s) = %s", [b"archived", query.archived]))
    if query.unreadable is not None:
        parts.append(("(s.status = %s) = %s", [b"unreadable", query.unreadable]))
    parts += _times(query)
    if query.folded:
        parts.append((_NO_PARENT, []))
    values = [value for _, given in parts for value in given]
    return Condition(" AND ".join(sql for sql, _ in parts), values)


_NO_PARENT = """NOT EXISTS (
  SELECT FROM localsessions.sessions p
  WHERE p.store = s.store AND p.session_id = s.parent_id)"""


def _times(query: Query) -> list[tuple[str, list[object]]]:
    parts: list[tuple[str, list[object]]] = []
    if query.since is not None:
        parts.append(("s.last_activity >= %s", [microseconds(query.since)]))
    if query.until is not None:
        parts.append(("s.last_activity < %s", [microseconds(query.until)]))
    if query.live_at is not None:
        live = "s.status NOT IN (%s, %s) AND (s.expires_at IS NULL OR s.expires_at > %s)"
        parts.append((live, [b"archived", b"unreadable", microseconds(query.live_at)]))
    if query.expired_at is not None:
        parts.append(("s.expires_at <= %s", [microseconds(query.expired_at)]))
    return parts
