"""A long session at a glance: what each message is, where a text stands, and messages cut short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localsessions.models import message_text, reasoning_text
from localsessions.server.responses import Answer, etag_of
from localsessions.server.routes.lines import detail_of
from localsessions.server.routes.sessions import found
from localsessions.server.routes.spans import moment_of, spans_of
from localsessions.server.routes.usage import usage_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["cut", "find", "outline"]

_PROMPT_LENGTH = 160
_MOST_PLACES = 2000
_MADE = ("isMeta", "isCompactSummary")
"""Messages of a user that a program made."""


def outline(call: Call[Any, None]) -> Answer:
    """Say what a session is and what each message is, without its text."""
    session = found(call.store, call.session_id)
    texts = [message_text(message) for message in session.messages]
    kinds = [_kind(*both) for both in zip(session.messages, texts, strict=True)]
    prompts = [
        {"position": at, "text": " ".join(texts[at][: 2 * _PROMPT_LENGTH].split())[:_PROMPT_LENGTH]}
        for at, kind in enumerate(kinds)
        if kind == "p"
    ]
    moments = [moment_of(message) for message in session.messages]
    document = {
        "session": detail_of(session),
        "total": len(kinds),
        "kinds": "".join(kinds),
        "sizes": [len(text) for text in texts],
        "at": moments,
        "prompts": prompts,
        "usage": usage_of(session.messages),
        "spans": [*spans_of(session, moments)],
    }
    return Answer(document, etag=etag_of(session))


def _kind(message: Message, text: str) -> str:
    """Return p for a prompt, s for what was said in answer, w for the work between."""
    role = message.get("role")
    if not text.strip() or any(message.get(key) for key in _MADE):
        return "w"
    return {"user": "p", "assistant": "s"}.get(str(role), "w")


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


def cut(value: JsonValue, longest: int) -> tuple[JsonValue, bool]:
    """Return a value whose texts are this long at most, and whether one was longer."""
    if isinstance(value, str):
        return (value[:longest], True) if len(value) > longest else (value, False)
    if isinstance(value, Mapping):
        members = {key: cut(item, longest) for key, item in value.items()}
        return {key: one for key, (one, _) in members.items()}, any(
            was for _, was in members.values()
        )
    if isinstance(value, list):
        items = [cut(item, longest) for item in value]
        return [one for one, _ in items], any(was for _, was in items)
    return value, False
