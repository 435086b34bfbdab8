"""Sessions and runs as lists, filtered, sorted and cut into pages as agno's databases do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, TypeAlias

from localsessions import Session, SessionStore, SessionSummary, UnreadableSessionError

__all__ = ["components", "paged", "readable_sessions", "sorted_rows"]

Row: TypeAlias = dict[str, Any]

_log = logging.getLogger("localsessions.adapters.agno")


def readable_sessions(store: SessionStore, user_id: str | None) -> Iterator[Session]:
    """Yield each session of a user, or of all, the last active first.

    Unreadable files are left out, with a warning in the log: agno's lists have no place for them.
    """
    for summary in _summaries(store, user_id):
        try:
            session = store.get(summary.session_id)
        except UnreadableSessionError as unreadable:
            _log.warning("left out of the list: %s", unreadable)
        else:
            if session is not None:
                yield session


def _summaries(store: SessionStore, user_id: str | None) -> Iterator[SessionSummary]:
    cursor: str | None = None
    while True:
        page = store.list(user_id=user_id, limit=500, cursor=cursor)
        yield from page
        cursor = page.next_cursor
        if cursor is None:
            return


def components(row: Row, kind: str | None) -> list[Any]:
    """Return the ids of the agent, team or workflow of a session, of a given kind or of all."""
    kinds = ("agent", "team", "workflow") if kind is None else (kind,)
    return [row.get(f"{one}_id") for one in kinds]


def sorted_rows(rows: list[Row], sort_by: str | None, sort_order: str | None) -> list[Row]:
    """Sort as agno does: by default descending, and by ``created_at``."""
    name = sort_by or "created_at"
    is_descending = sort_by is not None and sort_order != "asc"
    having = [row for row in rows if row.get(name) is not None]
    lacking = [row for row in rows if row.get(name) is None]
    return sorted(having, key=lambda row: row[name], reverse=is_descending) + lacking


def paged(rows: list[Row], limit: int | None, page: int | None) -> list[Row]:
    """Return a page; pages are counted from 1."""
    if limit is None:
        return rows
    first = ((page or 1) - 1) * limit
    return rows[first : first + limit]
