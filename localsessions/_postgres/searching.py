"""Searching by words: the texts are written with each session, so a search has nothing to catch up.

Each hit is looked at again in the message itself, of which its snippet is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from localsessions._postgres.conditions import Condition, condition_of
from localsessions._postgres.hits import Found, Hits
from localsessions._postgres.listing import Listings
from localsessions._postgres.place import Place
from localsessions._postgres.row import joined, unpack, unpacked_json
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.question import Question, read_question
from localsessions._rules.texts import SESSION_ITSELF, Text, neighbours_of, snippet_of, texts_in
from localsessions.engine import Asked, Query
from localsessions.models import Neighbour, PlainSummary, SearchHit
from localsessions.models.results import checked

__all__ = ["Search"]

_BATCH = 500
_AROUND = """
SELECT position, body FROM localsessions.messages
WHERE no = %s AND position BETWEEN %s AND %s ORDER BY position
"""
_SESSION = "SELECT told, before, after FROM localsessions.sessions WHERE no = %s"
_NUMBERS = """
SELECT session_id, no FROM localsessions.sessions
WHERE store = %s AND session_id = ANY (%s::text[])
"""


class Search:
    """The search of one store."""

    def __init__(self, place: Place, listings: Listings) -> None:
        self._place = place
        self._listings = listings

    def hits(self, text: str, query: Query, asked: Asked) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first; see ``Engine.search``."""
        asked.refuse_unwanted()
        question = read_question(text)
        narrowed = query.narrowed(since=question.since, until=question.until)
        if not question.groups:
            return self._listed(question, narrowed, asked)
        meant = condition_of(self._place.store, narrowed)
        found: list[SearchHit] = []
        for one in Hits(self._place, question, meant, asked):
            asked.refuse_unwanted()
            found += self._shown(one, question, asked)
            if len(found) == asked.limit:
                break
        if asked.on_progress is not None:
            asked.on_progress(len(found), len(found))
        return found

    def _shown(self, found: Found, question: Question, asked: Asked) -> list[SearchHit]:
        """Return a hit as it is shown; none if the session is gone, or is not asked for."""
        rows = self._place.rows(_SESSION, found.no)
        if not rows:
            return []
        summary, _ = unpack(rows[0][0])
        texts = self._texts(found, rows[0], asked.neighbours)
        text = texts.get(found.position)
        is_there = found.finder.count_in if found.is_apart else found.finder.occurs_in
        if text is None or not question.matches(summary) or not is_there(text.body):
            return []
        snippet, highlights = snippet_of(text, found.finder)
        own = found.position == SESSION_ITSELF
        place = None if own else found.position, text.role
        beside: tuple[Neighbour, ...] = ()
        if asked.neighbours and not own:
            beside = neighbours_of(texts, found.position)
        return [SearchHit(checked(summary), *place, snippet, highlights, found.score, beside)]

    def _texts(
        self, found: Found, row: tuple[bytes, bytes, bytes], neighbours: int
    ) -> dict[int, Text]:
        """Return the text of a hit, and of the messages beside it, by position."""
        _, before, after = row
        if not after:
            return texts_in(unpacked_json(before))
        if found.position == SESSION_ITSELF:
            return texts_in({**unpacked_json(joined(before, (), after)), "messages": []})
        first, last = max(0, found.position - neighbours), found.position + neighbours
        rows = self._place.rows(_AROUND, found.no, first, last)
        texts = texts_in({"messages": [unpacked_json(body) for _, body in rows]})
        return {rows[at][0]: text for at, text in texts.items() if at != SESSION_ITSELF}

    # -- without words -------------------------------------------------------------------------

    def _listed(self, question: Question, query: Query, asked: Asked) -> list[SearchHit]:
        """Return the sessions that a question without words asks for, the newest first."""
        hits: list[SearchHit] = []
        after, size = None, _BATCH if question.is_narrowed else 0
        while size == _BATCH and len(hits) < asked.limit:
            asked.refuse_unwanted()
            rows = self._listings.plain(query, "-last_activity", _BATCH, after)
            found = self._without(question, [one for one in rows if question.matches(one)], asked)
            hits += [SearchHit(checked(one), None, None, one.preview, (), 0.0) for one in found]
            size = len(rows)
            after = Cursor("", *key_of(rows[-1], "-last_activity")) if rows else None
        return hits[: asked.limit]

    def _without(
        self, question: Question, found: list[PlainSummary], asked: Asked
    ) -> list[PlainSummary]:
        """Leave out the sessions that have what must not occur."""
        if question.left_out is None or not found:
            return found
        ids = [one.session_id for one in found]
        numbers = dict(self._place.rows(_NUMBERS, self._place.store, ids))
        hits = Hits(self._place, question.left_out, Condition("true", []), asked)
        having = hits.having([*numbers.values()])
        return [one for one in found if numbers.get(one.session_id) not in having]
