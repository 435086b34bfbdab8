"""The row of a file in the index: of one that was read, written or added to, or is no session."""

from __future__ import annotations

from localsessions._codec import decode, messages_end
from localsessions._codec.names import folded
from localsessions._codec.summary import summarize, summarize_unreadable, summarized
from localsessions._local.files import FileRead, FileWritten
from localsessions._local.index import IndexRow
from localsessions._local.version import Fingerprint, Tail, digest_of
from localsessions.errors import UnreadableSessionError
from localsessions.models import Session
from localsessions.models.standing import original_of

__all__ = ["row_grown", "row_of", "row_unreadable", "row_written"]


def row_of(read: FileRead, session_id: str, path: str) -> IndexRow:
    """Return the row of a file that was read; what is no session has one too.

    Where it can be, the summary comes straight from the parsed document, without a Session.
    """
    data, fingerprint, settled = read
    digest, modified_at = digest_of(data), fingerprint.modified_at
    if (found := summarized(data, session_id, modified_at)) is not None:
        tail = None if found.messages_end is None else Tail(found.messages_end, None, proven=True)
        fold = folded(session_id)
        return IndexRow(found.summary, fingerprint, settled, digest, fold, tail=tail)
    try:
        session = decode(data, session_id=session_id, modified_at=modified_at, path=path)
    except UnreadableSessionError as error:
        row = row_unreadable(error, session_id, fingerprint, settled=settled)
        return row._replace(digest=digest)
    original = original_of(session)
    is_ours = original is not None and original.canonical
    return _row(session, fingerprint, digest, len(data), settled=settled, has_tail=is_ours)


def row_written(session: Session, written: FileWritten, size_bytes: int, digest: bytes) -> IndexRow:
    """Return the row of a file that was written whole, as what ``session`` says now.

    Our own writes have a modification time that no other write can have: they are settled.
    """
    row = _row(session, written.fingerprint, digest, size_bytes, settled=True, has_tail=True)
    tail = row.tail and row.tail._replace(spare=written.spare)
    return row._replace(tail=tail)


def _row(
    session: Session,
    fingerprint: Fingerprint,
    digest: bytes,
    size_bytes: int,
    *,
    settled: bool,
    has_tail: bool,
) -> IndexRow:
    original = original_of(session)
    end = messages_end(original.data, original.keys) if original and has_tail else None
    tail = None if end is None else Tail(end, None, proven=original is not None and original.proven)
    summary, fold = summarize(session, size_bytes), folded(session.session_id)
    return IndexRow(summary, fingerprint, settled, digest, fold, tail=tail)


def row_unreadable(
    error: UnreadableSessionError, session_id: str, fingerprint: Fingerprint, *, settled: bool
) -> IndexRow:
    """Return the row of a file that cannot be read."""
    summary = summarize_unreadable(
        error, session_id, fingerprint.modified_at, fingerprint.size_bytes
    )
    return IndexRow(summary, fingerprint, settled, b"", folded(session_id))


def row_grown(
    former: IndexRow,
    session: Session,
    spoken: tuple[str, str],
    *,
    message_count: int,
    size_bytes: int,
    written: FileWritten,
    digest: bytes,
    messages_end: int | None,
) -> IndexRow:
    """Return the row of a file of which the end was written.

    Args:
        former: The row of the version before.
        session: What the end says; its messages are only those that were written.
        spoken: Title and preview.
        message_count: Of the whole session.
        size_bytes: Of the whole file.
        written: What became of the file.
        digest: Of the whole file.
        messages_end: Where its last message ends; None where there is none.
    """
    summary = former.summary.model_copy(
        update={
            "title": spoken[0],
            "preview": spoken[1],
            "message_count": message_count,
            "size_bytes": size_bytes,
            "tags": tuple(session.tags),
            **{name: getattr(session, name) for name in _IN_THE_END},
        }
    )
    original = original_of(session)
    proven = (
        former.tail is not None and former.tail.proven and original is not None and original.proven
    )
    tail = None if messages_end is None else Tail(messages_end, written.spare, proven)
    return IndexRow(summary, written.fingerprint, True, digest, former.folded, tail=tail)


# Of a summary what stands behind the messages; what stands before them does not change here.
_IN_THE_END = (
    *("current_agent", "status", "pinned", "expires_at"),
    *("last_activity", "updated_at", "revision"),
)
