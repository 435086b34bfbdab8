"""Exports that hold the conversations of a person in a list, or one conversation alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object
from localsessions.transcripts.transcript import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from localsessions.transcripts.source import Source
    from localsessions.transcripts.transcript import Transcript

__all__ = ["conversations_of", "read_conversations"]


def conversations_of(source: Source) -> list[Object]:
    """Return the objects of an export that may be conversations."""
    listed = source.document if isinstance(source.document, list) else [source.document]
    return [found for found in listed if isinstance(found, dict)]


def read_conversations(
    source: Source, transcript: Callable[[Object, Counter[str]], Transcript]
) -> Reading:
    """Read each conversation of an export.

    Args:
        source: The export.
        transcript: Called with a conversation and a count of what is no message; makes the
            transcript.
    """
    conversations = conversations_of(source)
    bookkeeping: Counter[str] = Counter()
    if isinstance(source.document, list):
        bookkeeping["(no object)"] = len(source.document) - len(conversations)
    found = [transcript(one, bookkeeping) for one in conversations]
    for position, one in enumerate(found, start=1):
        one.position = position if one.session_id is None else None
    return Reading(found, +bookkeeping)
