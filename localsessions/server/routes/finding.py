"""Where a text stands in a session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localsessions.models import message_text, reasoning_text
from localsessions.server.responses import Answer, etag_of
from localsessions.server.routes.sessions import found

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["find"]

_MOST_PLACES = 2000


def find(call: Call[shapes.FindQuery, None]) -> Answer:
    """Find a text in the messages of a session, in whatever case."""
    session = found(call.store, call.session_id)
    wanted = call.query.q.casefold()
    places: list[dict[str, JsonValue]] = []
    for position, message in enumerate(session.messages):
        count = sum(text.casefold().count(wanted) for text in _texts(message))
        if count:
            places.append({"position": position, "count": count})
    document = {
        "session_id": session.session_id,
        "total": len(places),
        "places": places[:_MOST_PLACES],
    }
    return Answer(document, etag=etag_of(session))


def _texts(message: Message) -> tuple[str, ...]:
    calls = message.get("tool_calls")
    called = json.dumps(calls, ensure_ascii=False) if calls else ""
    return message_text(message), reasoning_text(message), called
