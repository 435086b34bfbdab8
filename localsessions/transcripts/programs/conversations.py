"""Exports that hold the conversations of a person in a list, or one conversation alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object
from localsessions.transcripts.transcript import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localsessions.transcripts.source import Source
    from localsessions.transcripts.transcript import Transcript

__all__ = ["conversations_of", "read_conversations"]


def conversations_of(source: Source) -> list[Object]:
    """Return the objects of an export that may be conversations; of a long list, the first."""
    listed = source.document if isinstance(source.document, list) else [source.document]
    return [found for found in listed if isinstance(found, dict)]


def read_conversations(
    source: Source, transcript: Callable[[Object, Counter[str]], Transcript]
) -> Reading:
    """Read each conversation of an export when it is asked for.

    Args:
        source: The export.
        transcript: Called with a conversation and a count of what is no message; makes the
            transcript.
    """
    bookkeeping: Counter[str] = Counter()
    return Reading(_conversations(source, transcript, bookkeeping), bookkeeping)


def _conversations(
    source: Source,
    transcript: Callable[[Object, Counter[str]], Transcript],
    bookkeeping: Counter[str],
) -> Iterator[Transcript]:
    position = 0
    for element in source.elements():
        if not isinstance(element, dict):
            bookkeeping["(no object)"] += isinstance(source.document, list)
            continue
        position += 1
        made = transcript(element, bookkeeping)
        made.position = position if made.session_id is None else None
        yield made
