"""Whether a hit of a search rests on what redaction hides.

The index knows the words of each session, those of its secrets too. If such a hit were shown, a
client could ask for the beginnings of a key until it knows all of it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from localsessions.format import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

    from localsessions.models import SearchHit, Session

__all__ = ["rests_on_secret"]


def rests_on_secret(query: str, hit: SearchHit, stored: Session, shown: Session) -> bool:
    """Tell whether a word that was searched or found stands only in what is hidden."""
    highlighted = (hit.snippet[start:end] for start, end in hit.highlights)
    before, after = _all_text(stored), _all_text(shown)
    return any(word in before and word not in after for word in _words((query, *highlighted)))


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from re.findall(r"\w+", _folded(text))


def _all_text(session: Session) -> str:
    """Return what the index has of a session."""
    told: list[JsonValue] = [session.title, [*session.tags], session.metadata, [*session.messages]]
    return _folded(encode_value(told).decode())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
