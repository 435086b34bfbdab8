"""Grouping: the sessions of a query by what they have in common, in one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from localsessions._local.index.conditions import conditions_of, told_by
from localsessions._rules.groups import DAY, Part, day_of
from localsessions.engine import Query
from localsessions.models import Grouping
from localsessions.models.plain import FIRST_DATED

__all__ = ["parts"]

_COLUMNS = {
    "program": "program",
    "project": "project",
    "tag": "tags",
    # Division rounds towards 0: the days before 1970 are counted from far below them.
    "day": f"(last_activity - {FIRST_DATED // DAY * DAY}) / {DAY} + {FIRST_DATED // DAY}",
}


def parts(db: sqlite3.Connection, by: Grouping, query: Query) -> list[Part]:
    """Return parts of the groups of these sessions; of tags, one for each set of them.

    Raises:
        sqlite3.DatabaseError: The index is garbled.
    """
    column, restricted = _COLUMNS[by], conditions_of(query)
    has_it = f"last_activity > {FIRST_DATED}" if by == "day" else f"{column} IS NOT NULL"
    restricted.texts.append(has_it)
    asked = (
        f"SELECT {column}, count(*), sum(message_count), max(last_activity) FROM sessions"  # noqa: S608
        f" {restricted.where} GROUP BY 1"
    )
    rows = db.execute(asked, restricted.values)
    return [Part(name, *numbers) for value, *numbers in rows for name in _names(by, value)]


def _names(by: Grouping, value: object) -> Sequence[str]:
    if by == "day" and isinstance(value, int):
        return [day_of(value)]
    return [*dict.fromkeys(told_by(_COLUMNS[by], value))]
