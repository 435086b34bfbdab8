"""localsessions' own session file, from a store or exported as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.errors import UnreadableSessionError
from localsessions.format import decode, encode_value
from localsessions.models import FORMAT, Session
from localsessions.transcripts.foreign import as_text
from localsessions.transcripts.transcript import Format, Reading, cleaned_id

if TYPE_CHECKING:
    from localsessions.transcripts.source import Source

__all__ = ["LOCALSESSIONS"]


def _recognises(source: Source) -> bool:
    return str(source.root.get("format")).startswith("localsessions/")


def _read(source: Source) -> Reading:
    """Return the session as if it was never loaded, so that a store can create it."""
    found = source.root.get("format")
    if found != FORMAT:
        return Reading([], refused=f"format {found!r}, but this version reads {FORMAT!r}")
    session_id = cleaned_id(as_text(source.root.get("session_id")) or source.stem)
    modified_at = source.modified_at
    modified_at = modified_at.replace(microsecond=modified_at.microsecond // 1000 * 1000)
    try:
        loaded = decode(encode_value(source.root), session_id, modified_at=modified_at)
    except UnreadableSessionError as error:
        return Reading([], refused=error.reason)
    fresh = Session.model_validate(loaded.model_dump())
    fresh.extra.update(loaded.extra)
    return Reading([fresh])


LOCALSESSIONS = Format("localsessions", None, _recognises, _read)
