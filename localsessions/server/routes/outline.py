"""A long session at a glance: what each message is, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions.models import message_text
from localsessions.server.responses import Answer, etag_of
from localsessions.server.routes.lines import detail_of
from localsessions.server.routes.sessions import found
from localsessions.server.routes.spans import moment_of, spans_of
from localsessions.server.routes.usage import usage_of

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.server.endpoints import Call

__all__ = ["outline"]

_PROMPT_LENGTH = 160
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
