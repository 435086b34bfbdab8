"""Grouping: the sessions of a query by what they have in common, in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localsessions._postgres.conditions import condition_of
from localsessions._postgres.place import Place
from localsessions._postgres.row import is_whole, key_of_text, unpack
from localsessions._rules.groups import DAY, Part, day_of, names_of
from localsessions.engine import Query
from localsessions.models import Grouping
from localsessions.models.plain import FIRST_DATED

__all__ = ["parts"]

_COLUMNS = {
    "program": ("s.program", "s.program IS NOT NULL"),
    "project": ("s.project", "s.project IS NOT NULL"),
    "tag": ("tag", "true"),
    "day": (
        # Division rounds towards 0: the days before 1970 are counted from far below them.
        f"(s.last_activity - {FIRST_DATED // DAY * DAY}) / {DAY} + {FIRST_DATED // DAY}",
        f"s.last_activity > {FIRST_DATED}",
    ),
}
_TAGS = "CROSS JOIN LATERAL (SELECT DISTINCT one AS tag FROM unnest(s.tags) one) tagged"


def parts(place: Place, by: Grouping, query: Query) -> Iterator[Part]:
    """Yield the groups of these sessions."""
    column, has_it = _COLUMNS[by]
    where, values = condition_of(place.store, query)
    asked = (
        f"SELECT {column}, count(*), sum(s.message_count), max(s.last_activity), min(s.session_id)"
        f" FROM localsessions.sessions s {_TAGS if by == 'tag' else ''}"
        f" WHERE {where} AND {has_it} GROUP BY 1"
    )
    rows = place.rows(asked, *values)
    if by == "day":
        yield from (Part(day_of(number), *told) for number, *told, _ in rows)
        return
    long = _long_names(place, by, [row[4] for row in rows if not is_whole(row[0])])
    for key, *told, _ in rows:
        # A session that has gone meanwhile takes the name along that was too long for an index.
        if (name := long.get(key) or _short_name(key)) is not None:
            yield Part(name, *told)


def _short_name(key: bytes) -> str | None:
    return key.decode("utf-8", "surrogatepass") if is_whole(key) else None


def _long_names(place: Place, by: Grouping, session_ids: list[str]) -> Mapping[bytes, str]:
    """Return the names that these sessions have, by what stands for them."""
    asked = (
        "SELECT told FROM localsessions.sessions WHERE store = %s AND session_id = ANY(%s::text[])"
    )
    rows = place.rows(asked, place.store, session_ids) if session_ids else []
    names = (name for (told,) in rows for name in names_of(by, unpack(told)[0]))
    return {key_of_text(name): name for name in names}
