"""Listings: pages of summaries, counts and names, each from one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localsessions._codec.names import is_session_id
from localsessions._postgres.conditions import condition_of
from localsessions._postgres.grouping import parts
from localsessions._postgres.place import Place
from localsessions._postgres.row import key_of_text, unpack
from localsessions._rules.beginnings import alone
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.groups import joined
from localsessions._rules.words import fold
from localsessions.engine import Query
from localsessions.models import Group, Grouping, Order, Page, PlainSummary, SessionSummary
from localsessions.models.results import checked

__all__ = ["Listings"]

_LAST_LETTER = "\U0010ffff"
_NEIGHBOURS = """
SELECT asked.session_id, (
    SELECT session_id FROM localsessions.sessions
    WHERE store = %s AND session_id < asked.session_id ORDER BY session_id DESC LIMIT 1), (
    SELECT session_id FROM localsessions.sessions
    WHERE store = %s AND session_id > asked.session_id ORDER BY session_id LIMIT 1)
FROM unnest(%s::text[]) asked (session_id)
"""


class Listings:
    """What is listed of the sessions of one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def page(
        self, query: Query, *, order: Order, limit: int, cursor: str | None
    ) -> Page[SessionSummary]:
        """Return a page of summaries; see ``Engine.page``."""
        told = query._replace(live_at=None), query.live_at is None, order
        listing = repr(told)
        after = None if cursor is None else Cursor.decode(cursor, listing)
        found = self.plain(query, order, limit + 1, after)
        cut = found[:limit]
        more = Cursor(listing, *key_of(cut[-1], order)).encode() if found[limit:] else None
        return Page(tuple(map(checked, cut)), more)

    def plain(
        self, query: Query, order: Order, limit: int, after: Cursor | None
    ) -> list[PlainSummary]:
        """Return the next summaries after a place in a listing."""
        where, values = condition_of(self._place.store, query)
        column, is_falling = order.lstrip("-"), order.startswith("-")
        sign, way = ("<", "DESC") if is_falling else (">", "ASC")
        if after is not None:
            where += f" AND (s.{column}, s.session_id) {sign} (%s, %s)"
            values += [after.value, _sendable(after.session_id)]
        asked = (
            f"SELECT told FROM localsessions.sessions s WHERE {where} "
            f"ORDER BY s.{column} {way}, s.session_id {way} LIMIT %s"
        )
        return [unpack(row[0])[0] for row in self._place.rows(asked, *values, limit)]

    def count(self, query: Query) -> int:
        """Return how many sessions there are."""
        where, values = condition_of(self._place.store, query)
        asked = f"SELECT count(*) FROM localsessions.sessions s WHERE {where}"
        return int(self._place.rows(asked, *values)[0][0])

    def groups(self, by: Grouping, query: Query) -> Sequence[Group]:
        """Return the groups of the sessions, see ``grouping``."""
        return joined(parts(self._place, by, query))

    def ids(self, query: Query) -> Sequence[str]:
        """Return the ids of all sessions, the least recently active or first expired first."""
        where, values = condition_of(self._place.store, query)
        key = "expires_at" if query.expired_at is not None else "last_activity"
        asked = f"SELECT s.session_id FROM localsessions.sessions s WHERE {where}"
        rows = self._place.rows(f"{asked} ORDER BY s.{key}, s.session_id", *values)
        return [session_id for (session_id,) in rows]

    def named(self, reference: str, limit: int) -> Sequence[str]:
        """Return the ids that a person may mean; see ``Engine.named``."""
        found: list[str] = []
        if is_session_id(reference) or not reference:
            found = self._beginning(reference, limit)
            if reference in found:
                return [reference]
        if (titled := fold(reference)) != fold(""):
            asked = (
                "SELECT session_id FROM localsessions.sessions WHERE store = %s AND titled = %s"
                " ORDER BY session_id LIMIT %s"
            )
            values = [self._place.store, key_of_text(titled), limit]
            found += [session_id for (session_id,) in self._place.rows(asked, *values)]
        return [*dict.fromkeys(found)][:limit]

    def _beginning(self, reference: str, limit: int) -> list[str]:
        asked = (
            "SELECT session_id FROM localsessions.sessions WHERE store = %s"
            " AND session_id >= %s AND session_id < %s ORDER BY session_id LIMIT %s"
        )
        values = [self._place.store, reference, reference + _LAST_LETTER, limit]
        return [session_id for (session_id,) in self._place.rows(asked, *values)]

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return for each id the beginning that is its own; see ``Engine.short_ids``."""
        store, chosen = self._place.store, [one for one in session_ids if _is_sendable(one)]
        rows = self._place.rows(_NEIGHBOURS, store, store, chosen)
        beside = {one: [other for other in others if other] for one, *others in rows}
        return {one: alone(one, beside.get(one, ())) for one in session_ids}


def _is_sendable(text: str) -> bool:
    """Tell whether PostgreSQL's texts can hold a text."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
