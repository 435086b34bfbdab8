"""Adding to a session, and reading its end, without what stands before.

All that is needed of the file is its two ends: the fields before the messages and those behind
them. The index says where the messages end; it is believed only for the very file that a store
wrote, by a fingerprint that no other write can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from localsessions import _codec
from localsessions._digest import block_start, digest_with_end
from localsessions._files import FileWritten, SessionFolder, folded
from localsessions._index import IndexRow, SessionIndex
from localsessions.models import Message, Session, Tail

__all__ = ["Growing", "begin", "last_messages", "publish"]

_HEAD_BYTES = 16 * 1024
_END_BYTES = 16 * 1024


class Growing(NamedTuple):
    """A session to be added to, inside its lock.

    Attributes:
        session: The session without its messages; those that are put there are added.
        row: What the index says of its file.
        before: The bytes of the file before its messages.
        end: The bytes of the file from ``start`` on.
        start: Where the block of the hash begins in which the last message ends.
    """

    session: Session
    row: IndexRow
    before: bytes
    end: bytes
    start: int


def begin(session_id: str, folder: SessionFolder, index: SessionIndex) -> Growing | None:
    """Return the ends of a session; None where it has to be loaded whole."""
    row = _known(session_id, folder, index)
    if row is None or row.tail is None or row.tail.spare is None:
        return None
    at, start = row.tail.at, block_start(row.tail.at)
    ends = folder.read_ends(session_id, row.fingerprint, _HEAD_BYTES, start)
    if ends is None:
        return None
    head, end = ends
    found = _codec.decode_ends(
        head, end[at - start :], session_id=session_id, fingerprint=row.fingerprint
    )
    return None if found is None else Growing(found[0], row, found[1], end, start)


def _known(session_id: str, folder: SessionFolder, index: SessionIndex) -> IndexRow | None:
    """Return the row of a session, if its file is sure to be what the row was made of."""
    found = folder.fingerprint(session_id)  # first: it refuses what no file can be called
    row = index.get(session_id)
    return row if row and row.settled and row.fingerprint == found else None


def last_messages(
    session_id: str, count: int, folder: SessionFolder, index: SessionIndex
) -> list[Message] | None:
    """Return the last messages of a session; None where it has to be loaded whole."""
    row = _known(session_id, folder, index)
    if row is None or row.tail is None:
        return None
    reach = _END_BYTES
    while reach < row.tail.at:
        start = row.tail.at - reach
        ends = folder.read_ends(session_id, row.fingerprint, _HEAD_BYTES, start)
        if ends is None:
            return None
        cut = _codec.last_messages_begin(ends[1][:reach], count)
        if cut is not None:
            found = _codec.decode_ends(
                ends[0], ends[1][cut:], session_id=session_id, fingerprint=row.fingerprint
            )
            return None if found is None else found[0].messages
        reach *= 4
    return None


def publish(
    growing: Growing, data: bytes, stamps: Mapping[str, JsonValue], folder: SessionFolder
) -> tuple[FileWritten, IndexRow] | None:
    """Write what was added, encoded with ``stamps`` as ``data``, and return its row.

    None where the file has to be written whole; nothing was changed.

    Raises:
        OSError: Nothing was changed.
    """
    row, tail = growing.row, growing.row.tail
    rest = _codec.added(data, growing.before)
    if tail is None or rest is None or tail.at + len(rest) > _codec.MAX_FILE_BYTES:
        return None
    session_id = row.summary.session_id
    written = folder.write_end(session_id, rest, row.fingerprint, tail)
    if written is None:
        return None
    _codec.rebase(growing.session, data, stamps, written.fingerprint)
    return written, _row_of(growing, rest, written)


def _row_of(growing: Growing, rest: bytes, written: FileWritten) -> IndexRow:
    """Return the row of a session of whose file the end was written."""
    session, row, start = growing.session, growing.row, growing.start
    base, tail = session._base, row.tail
    assert base is not None  # noqa: S101  (for the type checker)
    assert tail is not None  # noqa: S101
    size = tail.at + len(rest)
    now = _codec.summarize(session, size)
    summary = now.model_copy(
        update={
            "message_count": row.summary.message_count + now.message_count,
            "title": session.title or row.summary.title or now.title,
            "preview": now.preview or row.summary.preview,
        }
    )
    end = growing.end[: tail.at - start] + rest
    added, plain = _codec.messages_end(rest, base.keys), tail.plain and base.plain
    return IndexRow(
        summary,
        written.fingerprint,
        True,
        digest_with_end(row.digest, growing.end, end, start),
        folded(row.summary.session_id),
        tail=None if added is None else Tail(tail.at + added, written.spare, plain),
    )
