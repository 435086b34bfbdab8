"""Filling the table of sessions: rows by the thousand, its secondary indexes made when all are in.

Ten indexes kept up to date row by row take longer than the rows. While they are missing every
answer is right, only slow; whoever sweeps next makes those that a killed process left out. The
functions take the connection of a transaction that is under way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

__all__ = ["INDEXES", "drop_indexes", "forget_gone", "has_indexes", "known_among", "make_indexes"]

_INDEXES = {
    "by_last_activity": "(last_activity, session_id)",
    "by_created_at": "(created_at, session_id)",
    "by_size_bytes": "(size_bytes, session_id, message_count, unreadable)",
    "by_user": "(user_id, last_activity, session_id)",
    "by_agent": "(agent_id, last_activity, session_id)",
    "by_status": "(status, last_activity, session_id)",
    "by_folded": "(folded)",
    "by_title": "(title)",
    "by_change": "(change)",
    "by_expires_at": "(expires_at) WHERE expires_at IS NOT NULL",
}
INDEXES = ";\n".join(
    f"CREATE INDEX {name} ON sessions {columns}" for name, columns in _INDEXES.items()
)
"""The statements that make them."""


def has_indexes(db: sqlite3.Connection) -> bool:
    """Tell whether no process was killed while it was filling."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql GLOB '* ON sessions *'"
    (count,) = db.execute(query).fetchone()
    return bool(count >= len(_INDEXES))


def drop_indexes(db: sqlite3.Connection) -> None:
    """Drop them if there is no row yet."""
    if db.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is None:
        for name in _INDEXES:
            db.execute(f"DROP INDEX IF EXISTS {name}")


def make_indexes(db: sqlite3.Connection) -> None:
    """Make those that are missing."""
    for name, columns in _INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON sessions {columns}")


def known_among(db: sqlite3.Connection, session_ids: Collection[str]) -> set[str]:
    """Return those of some sessions that have a row."""
    query = "SELECT session_id FROM sessions WHERE session_id IN (SELECT value FROM json_each(?))"
    return {found for (found,) in db.execute(query, [json.dumps([*session_ids])])}


def forget_gone(db: sqlite3.Connection, session_ids: Iterable[str]) -> None:
    """Take away the tombstones of sessions that are there again."""
    query = "DELETE FROM gone WHERE session_id IN (SELECT value FROM json_each(?))"
    db.execute(query, [json.dumps([*session_ids])])
