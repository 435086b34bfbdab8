"""What is no engine's own, and that ``_rules`` has no word for: told and found alike by each.

Which texts of a session are searched and which hit is the best; what a change tells of it; where
a page ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import JsonValue

from localsessions import ConflictError, Page, SearchHit, Session, SessionSummary
from localsessions._codec import as_it_was
from localsessions._codec.summary import summarize
from localsessions._rules.words import Phrases, fold
from localsessions.engine import Query
from localsessions.models import message_text
from localsessions.models.standing import original_of

__all__ = ["best_hit", "conflict", "differing", "key_of", "page_of"]

_TOLD = {"title", "user_id", "agent_id", "current_agent", "status", "pinned", "tags"}
_TOLD |= {"expires_at", "message_count"}


def differing(
    before: SessionSummary | None, after: SessionSummary | None
) -> Mapping[str, tuple[JsonValue, JsonValue]]:
    """Return what ``SessionChange.changed`` says, in values of its own."""
    if after is None:
        return {}
    was: dict[str, Any] = before.model_dump(mode="json", include=_TOLD) if before else {}
    now = after.model_dump(mode="json", include=_TOLD)
    pairs = {name: (was.get(name), value) for name, value in now.items()}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new and (old or new)}


def key_of(summary: SessionSummary, order: str) -> tuple[Any, str]:
    """Return what sessions are sorted by in a listing; ties go by id."""
    value = getattr(summary, order.removeprefix("-"))
    return value.timestamp() if isinstance(value, datetime) else value, summary.session_id


def page_of(
    summaries: Sequence[SessionSummary], query: Query, order: str, limit: int, cursor: str | None
) -> Page[SessionSummary]:
    """Return some of the sessions that match; the cursor says which listing it is of."""
    listing, is_down = repr((query, order)), order.startswith("-")
    found = sorted(((key_of(one, order), one) for one in summaries), key=itemgetter(0))
    if is_down:
        found.reverse()
    if cursor is not None:
        if not cursor.startswith(listing):
            raise ValueError("the cursor belongs to a listing with another order or other filters")
        last = tuple(json.loads(cursor.removeprefix(listing)))
        found = [(key, one) for key, one in found if (key < last if is_down else key > last)]
    items = tuple(one for _, one in found[:limit])
    more = listing + json.dumps(found[limit - 1][0]) if len(found) > limit else None
    return Page(items, more)


def conflict(
    session: Session, found: SessionSummary | None, conflicts: tuple[str, ...]
) -> ConflictError:
    """Return what a save is refused with."""
    original = original_of(session)
    expected = summarize(as_it_was(session), len(original.data)) if original else None
    return ConflictError(session.session_id, expected=expected, found=found, conflicts=conflicts)


class _Text(NamedTuple):
    position: int | None
    role: str | None
    body: str

    def score(self, phrases: Phrases) -> float:
        """A title, tags and metadata before messages; then by how much of the text it is."""
        density = len(phrases.places(self.body)[1]) / len(fold(self.body))
        return density + (self.position is None)


def best_hit(phrases: Phrases, summary: SessionSummary, session: Session) -> SearchHit | None:
    """Return the best place of a session for what is searched; None where it does not occur."""
    own = [session.title or "", *session.tags, *_strings(session.metadata)]
    texts = [_Text(None, None, "\n".join(part for part in own if part))]
    for position, message in enumerate(session.messages):
        texts.append(_Text(position, str(message["role"]), message_text(message)))
    found = [text for text in texts if phrases.occurs_in(text.body)]
    best = max(found, key=lambda text: text.score(phrases), default=None)
    if best is None:
        return None
    snippet, highlights = phrases.snippet(best.body)
    return SearchHit(summary, best.position, best.role, snippet, highlights, best.score(phrases))


def _strings(value: object) -> list[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [text for one in inner for text in _strings(one)]
    return [value] if isinstance(value, str) else []
