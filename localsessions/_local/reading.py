"""The row that the index has of a file, made of what was read of it. Pure."""

from __future__ import annotations

from localsessions import _codec
from localsessions._codec.summary import summarize, summarize_unreadable, summarized
from localsessions._local.files import FileRead, folded
from localsessions._local.index import IndexRow
from localsessions._local.version import Fingerprint, Tail, digest_of
from localsessions.errors import UnreadableSessionError

__all__ = ["row_of", "unreadable_row"]


def row_of(read: FileRead, session_id: str, path: str) -> IndexRow:
    """Return the row of a file; what is no session has one too.

    Where it can be, the summary comes straight from the parsed document, without a Session.
    """
    data, fingerprint, settled = read
    digest, fold = digest_of(data), folded(session_id)
    if (found := summarized(data, session_id, fingerprint)) is not None:
        tail = None if found.messages_end is None else Tail(found.messages_end, None, proven=True)
        return IndexRow(found.summary, fingerprint, settled, digest, fold, tail=tail)
    try:
        session = _codec.decode(data, session_id=session_id, fingerprint=fingerprint, path=path)
    except UnreadableSessionError as error:
        row = unreadable_row(error, session_id, fingerprint, settled=settled)
        return row._replace(digest=digest)
    summary, end, base = summarize(session, len(data)), None, session._base
    if base and base.canonical:
        end = _codec.messages_end(data, base.keys)
    tail = None if end is None else Tail(end, None, proven=base is not None and base.proven)
    return IndexRow(summary, fingerprint, settled, digest, fold, tail=tail)


def unreadable_row(
    error: UnreadableSessionError, session_id: str, fingerprint: Fingerprint, *, settled: bool
) -> IndexRow:
    """Return the row of a file that cannot be read."""
    summary = summarize_unreadable(error, session_id, fingerprint)
    return IndexRow(summary, fingerprint, settled, b"", folded(session_id))
