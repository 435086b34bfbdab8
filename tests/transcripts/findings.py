"""What was read: its only session, and what its messages say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.transcript import told_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from localsessions.models import Message, Session
    from localsessions.transcripts import TranscriptFile

    from .records import Object


def only(found: TranscriptFile) -> Session:
    (session,) = found.sessions
    return session


def said(found: TranscriptFile, *keys: str) -> list[tuple[JsonValue, ...]]:
    """Return some keys of each message, and its text."""
    return [
        (*(message[key] for key in keys), told_text(message)) for message in only(found).messages
    ]


def shown(messages: Iterable[Message], *keys: str) -> list[list[JsonValue]]:
    """Return some keys of each message; None where it lacks one."""
    return [[message.get(key) for key in keys] for message in messages]


def calls_of(message: Message) -> list[Object]:
    calls = message["tool_calls"]
    assert isinstance(calls, list)
    return [call for call in calls if isinstance(call, dict)]


def function_of(call: Object) -> Object:
    function = call["function"]
    assert isinstance(function, dict)
    return function
