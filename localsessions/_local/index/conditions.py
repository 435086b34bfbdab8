"""Conditions: in SQL, which sessions a query or the fields of a question ask for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

from localsessions._local.index.row import comparable, packed_tags, unpacked_tags
from localsessions.engine import Query
from localsessions.models import Order
from localsessions.models.instants import microseconds

__all__ = [
    "COLUMNS_OF",
    "DEAD",
    "Choices",
    "Conditions",
    "conditions_of",
    "listing_of",
    "told_by",
    "values_of",
]

Value: TypeAlias = Sequence[str]

Choices: TypeAlias = Mapping[str, Sequence[object]]
"""By the name of a column, the values of which a row must have one."""


COLUMNS_OF = {"agent_id": ("agent_id", "current_agent")}
"""Where what a field asks for may stand, if in more columns than one."""


class Conditions(NamedTuple):
    """The conditions of a SQL statement, and their values."""

    texts: list[str]
    values: list[object]

    @property
    def where(self) -> str:
        """The WHERE clause; empty if there is no condition."""
        return f"WHERE {' AND '.join(self.texts)}" if self.texts else ""


def _conditions(query: Query) -> Conditions:
    """Return the conditions of a query, except ``live_at``."""
    found = Conditions([], [])
    for name, condition, stands_for in _CONDITIONS:
        value = getattr(query, name)
        if value is not None:
            found.texts.append(condition)
            found.values.append(stands_for(value))
    for name, (yes, no) in _EITHER.items():
        if (value := getattr(query, name)) is not None:
            found.texts.append(yes if value else no)
    for tag in query.tags:
        found.texts.append("tags IS NOT NULL AND instr(tags, ?)")
        found.values.append(packed_tags((tag,)))
    if query.folded:
        found.texts.append(_NO_PARENT)
    return found


def conditions_of(query: Query, choices: Choices | None = None) -> Conditions:
    """Return the conditions of a query."""
    found = _conditions(query)
    if query.live_at is not None:
        found.texts.append(f"NOT coalesce({DEAD}, 0)")
        found.values.append(microseconds(query.live_at))
    for name, values in (choices or {}).items():
        marks = ", ".join("?" * len(values))
        columns = COLUMNS_OF.get(name, (name,))
        found.texts.append(f"({' OR '.join(f'{one} IN ({marks})' for one in columns)})")
        found.values.extend([*values] * len(columns))
    return found


def values_of(db: sqlite3.Connection, column: str) -> Iterator[tuple[object, Value]]:
    """Yield each value of a column once, except NULL, with what a summary has that has it.

    An index leads from one to the next, so it does not matter how many rows have it.

    Raises:
        sqlite3.DatabaseError: The index is garbled.
    """
    known = set()
    for value in _tags(db) if column == "tags" else _next_values(db, column):
        if value in known:
            raise sqlite3.DatabaseError(f"the index of {column} is garbled")
        known.add(value)
        yield value, told_by(column, value)


def _tags(db: sqlite3.Connection) -> Iterator[object]:
    rows = db.execute("SELECT DISTINCT tags FROM sessions WHERE tags IS NOT NULL")
    return (value for (value,) in rows)


def _next_values(db: sqlite3.Connection, column: str) -> Iterator[object]:
    first = f"SELECT min({column}) FROM sessions WHERE {column} IS NOT NULL"  # noqa: S608
    (value,) = db.execute(first).fetchone()
    while value is not None:
        yield value
        (value,) = db.execute(f"{first} AND {column} > ?", [value]).fetchone()


def told_by(column: str, value: object) -> Value:
    """Return what a summary has whose row has this value.

    Raises:
        sqlite3.DatabaseError: The index is garbled.
    """
    if column == "tags":
        return unpacked_tags(value)
    text = value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise sqlite3.DatabaseError(f"the index of {column} is garbled")
    return [text]


DEAD = "(expires_at <= ? OR status IN ('archived', 'unreadable'))"
_EITHER = {
    "pinned": ("pinned = 1", "pinned = 0"),
    "archived": ("status = 'archived'", "status IS NOT 'archived'"),
    "unreadable": ("unreadable = 1", "unreadable = 0"),
}
_NO_PARENT = "NOT EXISTS (SELECT 1 FROM sessions AS other WHERE other.session_id = sessions.parent)"
_CONDITIONS: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("user_id", "user_id = ?", comparable),
    ("agent_id", "agent_id = ?", comparable),
    ("status", "status = ?", comparable),
    ("since", "last_activity >= ?", microseconds),
    ("until", "last_activity < ?", microseconds),
    ("expired_at", "expires_at <= ?", microseconds),
    ("program", "program = ?", comparable),
    ("project", "project = ?", comparable),
    ("branch", "branch = ?", comparable),
    ("parent", "parent = ?", comparable),
)


def listing_of(query: Query, order: Order) -> str:
    """Return a short name for an order and filters; a cursor is valid only with the same name."""
    told = repr((order, *_conditions(query), query.live_at is None))
    return f"{crc32(told.encode('utf-8', 'surrogatepass')):08x}"
