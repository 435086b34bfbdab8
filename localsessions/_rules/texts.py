"""The texts of a session that a search looks at: the session's own, and one of each message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from localsessions.models import Session, message_text

__all__ = ["SESSION_ITSELF", "Text", "texts_of"]

SESSION_ITSELF = -1
"""The position of the session's own text; the texts of messages have the messages' positions."""


class Text(NamedTuple):
    """What is searched at one position; ``role`` is None for the session's own text."""

    role: str | None
    body: str


def texts_of(session: Session) -> dict[int, Text]:
    """Return the texts of a session by position; an empty text is left out."""
    own = [session.title or "", *session.tags, *_strings(session.metadata)]
    texts = {SESSION_ITSELF: Text(None, "\n".join(part for part in own if part))}
    for position, message in enumerate(session.messages):
        texts[position] = Text(str(message["role"]), message_text(message))
    return {position: text for position, text in texts.items() if text.body}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
