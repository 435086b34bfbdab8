"""The file format, for programs that read or write session files without a store.

A value comes back equal, or it is refused with its place; see ``docs/format.md``. Nothing here
touches a disk.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from localsessions._codec import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_FILE_BYTES,
    encode,
    encode_value,
    inner_id,
    parse_json,
    revised,
)
from localsessions._codec import decode as _decode
from localsessions._codec.names import checkpoint_id_of, file_stem, folded, is_session_id
from localsessions._codec.summary import summarize as _summarize
from localsessions.models import utc_now
from localsessions.models.standing import original_of

if TYPE_CHECKING:
    from localsessions.models import Session, SessionSummary

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_FILE_BYTES",
    "checkpoint_id_of",
    "decode",
    "encode",
    "encode_value",
    "file_stem",
    "folded",
    "inner_id",
    "is_session_id",
    "original_bytes",
    "original_keys",
    "parse_json",
    "revised",
    "summarize",
]


def decode(data: bytes, session_id: str, *, modified_at: datetime | None = None) -> Session:
    """Return the session that a file holds.

    An absent field gets the default of the format. An absent time is taken from the messages, or
    else from ``modified_at``. A newer format is read as far as possible.

    Args:
        data: The bytes of the file.
        session_id: The id that the file's name says.
        modified_at: When the file was written; None means now.

    Raises:
        UnreadableSessionError: The file is not a session; its content is not guessed.
    """
    return _decode(data, session_id=session_id, modified_at=modified_at or utc_now())


def summarize(session: Session, size_bytes: int) -> SessionSummary:
    """Return the line of a listing for a session whose file has ``size_bytes``."""
    from localsessions.models.results import checked

    return checked(_summarize(session, size_bytes))


def original_bytes(session: Session) -> bytes | None:
    """Return the bytes that a session was read from or last written as; None if it is new."""
    original = original_of(session)
    return None if original is None else original.data


def original_keys(session: Session) -> tuple[str, ...]:
    """Return the top-level keys of the file that a session was read from, in their order."""
    original = original_of(session)
    return () if original is None else original.keys
