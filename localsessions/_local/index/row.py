"""IndexRow: what the index knows of one file: how it is made, packed into a row and read again.

The shape of a row: the summary as JSON, the columns that listings filter and order by, the
fingerprint and the hash of the file it was made from, the number of its last change, and a seal
over all that is ever read of it, so that a garbled page cannot pass for a row. Asks no database.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import orjson
from pydantic_core import from_json

from localsessions._codec import decode, messages_end
from localsessions._codec.names import folded
from localsessions._codec.summary import summarize, summarize_unreadable, summarized
from localsessions._local.index.changelog import State
from localsessions._local.index.schema import seal_of
from localsessions._local.version import Fingerprint, Spare, Tail, digest_of
from localsessions._rules.words import fold
from localsessions.errors import UnreadableSessionError
from localsessions.models import Session, SessionSummary
from localsessions.models.standing import original_of

__all__ = [
    "COLUMNS",
    "SEALED",
    "Columns",
    "IndexRow",
    "Sealed",
    "comparable",
    "is_proven",
    "listed",
    "microseconds",
    "packed",
    "row_grown",
    "row_of",
    "row_unreadable",
    "row_written",
    "sealed_among",
    "state_of",
    "tail_of",
    "unpacked",
    "unsealed",
]

SEALED = ("fingerprint", "settled", "digest", "change", "summary", "good", "tail", "seal")
"""The columns that are read again, behind the session id; the seal is over all of them."""

COLUMNS = (
    *("session_id", "folded", "title", "user_id", "agent_id", "status"),
    *("created_at", "last_activity", "expires_at", "size_bytes", "message_count", "unreadable"),
    *SEALED,
)
"""All columns of a row, in the order in which they are packed."""

Columns: TypeAlias = tuple[Any, ...]
"""A row as it stands, in the order of ``COLUMNS``."""

Sealed: TypeAlias = tuple[str, str, int, bytes, int, str, str | None, str | None, int]
"""The session id and what stands in ``SEALED``."""


class IndexRow(NamedTuple):
    """What the index knows of one file.

    ``settled`` says that the fingerprint can be believed; ``digest`` is the hash of the content;
    ``tail`` is known of files that a store wrote.
    """

    summary: SessionSummary
    fingerprint: Fingerprint
    settled: bool
    digest: bytes
    folded: str
    change: int = 0
    tail: Tail | None = None


# -- making -------------------------------------------------------------------------------------


def row_of(
    data: bytes, fingerprint: Fingerprint, settled: bool, session_id: str, path: str
) -> IndexRow:
    """Return the row of a file that was read; what is no session has one too.

    Where it can be, the summary comes straight from the parsed document, without a Session.
    """
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


def row_written(
    session: Session, fingerprint: Fingerprint, spare: Spare | None, size_bytes: int, digest: bytes
) -> IndexRow:
    """Return the row of a file that was written whole, as what ``session`` says now.

    Our own writes have a modification time that no other write can have: they are settled.
    """
    row = _row(session, fingerprint, digest, size_bytes, settled=True, has_tail=True)
    tail = row.tail and row.tail._replace(spare=spare)
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
    fingerprint: Fingerprint,
    digest: bytes,
    tail: Tail | None,
) -> IndexRow:
    """Return the row of a file of which the end was written.

    Args:
        former: The row of the version before.
        session: What the end says; its messages are only those that were written.
        spoken: Title and preview.
        message_count: Of the whole session.
        size_bytes: Of the whole file.
        fingerprint: Of the file.
        digest: Of the whole file.
        tail: Where its messages end now.
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
    return IndexRow(summary, fingerprint, True, digest, former.folded, tail=tail)


# Of a summary what stands behind the messages; what stands before them does not change here.
_IN_THE_END = (
    *("current_agent", "status", "pinned", "expires_at"),
    *("last_activity", "updated_at", "revision"),
)


# -- packing -------------------------------------------------------------------------------------


def state_of(row: IndexRow, former: State | None) -> State:
    """Return what a row that takes the place of a former one tells the log of changes."""
    text = _packed_summary(row.summary)
    good = former.last_readable if former is not None and row.summary.unreadable else None
    return State(row.fingerprint, row.settled, row.digest, text, good)


def packed(row: IndexRow, now: State, change: int) -> Columns:
    """Return what stands in the row of a session, in the order of ``COLUMNS``."""
    summary = row.summary
    tail = _packed_tail(row.tail)
    sealed = row.fingerprint.text, int(row.settled), row.digest, change, now.summary, now.good, tail
    return (
        summary.session_id,
        row.folded,
        _folded_title(summary.title),
        comparable(summary.user_id),
        comparable(summary.agent_id),
        comparable(summary.status),
        microseconds(summary.created_at),
        microseconds(summary.last_activity),
        microseconds(summary.expires_at),
        summary.size_bytes,
        summary.message_count,
        summary.unreadable is not None,
        *sealed,
        seal_of(summary.session_id, *sealed),
    )


_folded_title = lru_cache(maxsize=256)(fold)  # it seldom changes from one turn to the next


def comparable(text: str | None) -> str | bytes | None:
    """Return what stands for a text where it is compared; SQLite's hold no lone surrogates."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def microseconds(instant: datetime | None) -> int | None:
    """Return the number that stands for an instant."""
    if instant is None:
        return None
    delta = instant - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _packed_summary(summary: SessionSummary) -> str:
    told = summary.__dict__
    if summary.unreadable is not None:
        told = {**told, "unreadable": dict(summary.unreadable)}
    try:
        return orjson.dumps(told).decode()
    except TypeError:  # a title may hold lone surrogates, which are escaped, and numbers be long
        return json.dumps(told, default=datetime.isoformat, separators=(",", ":"))


def _packed_tail(tail: Tail | None) -> str | None:
    if tail is None:
        return None
    spare = tail.spare
    told = None if spare is None else [spare.name, spare.common, *spare.fingerprint]
    return orjson.dumps([tail.at, told, tail.proven]).decode()


# -- reading -------------------------------------------------------------------------------------


def sealed_among(columns: Columns) -> Sealed:
    """Return of all columns those that are read again."""
    return columns[0], *columns[-len(SEALED) :]


def unsealed(found: Sealed) -> tuple[State, int]:
    """Return the state and the number of a row that was not garbled."""
    session_id, *parts, seal = found
    if seal != seal_of(session_id, *parts):
        raise sqlite3.DatabaseError(f"the row of {session_id!r} is garbled")
    _, fingerprint, settled, digest, change, text, good, _, _ = found
    return State(_fingerprint(fingerprint), bool(settled), digest, text, good), change


def listed(found: Sealed) -> IndexRow:
    """Return a row as listings show it: without where the file's messages end."""
    return _remembered(found) if len(found[5]) <= _LONG else _listed(found)


def _listed(found: Sealed) -> IndexRow:
    state, change = unsealed(found)
    summary = _unpacked_summary(state.summary)
    return IndexRow(summary, state.fingerprint, state.settled, state.digest, "", change)


# Who lists again finds most rows as they were; nothing in one can change.
_remembered = lru_cache(maxsize=512)(_listed)
_LONG = 4096


def unpacked(found: Sealed) -> IndexRow:
    """Return a row with all that is read of it."""
    return _listed(found)._replace(tail=_unpacked_tail(found[7]))


def tail_of(found: Sealed) -> Tail | None:
    """Return where a file's messages end, by its row."""
    unsealed(found)
    return _unpacked_tail(found[7])


def is_proven(found: Sealed, fingerprint: Fingerprint) -> bool:
    """Tell whether a row is of the file of a fingerprint, which needs no proof, see ``Tail``."""
    (state, _), tail = unsealed(found), _unpacked_tail(found[7])
    is_it = state.settled and state.fingerprint == fingerprint
    return is_it and tail is not None and tail.proven


def _fingerprint(text: str) -> Fingerprint:
    try:
        return Fingerprint(*map(int, text.split(":")))
    except (TypeError, ValueError, AttributeError):
        raise sqlite3.DatabaseError("a fingerprint is garbled") from None


def _unpacked_summary(text: str) -> SessionSummary:
    try:
        return SessionSummary.model_validate(from_json(text))
    except ValueError:  # lone surrogates are nothing to pydantic's parser
        return SessionSummary.model_validate(json.loads(text))


def _unpacked_tail(text: str | None) -> Tail | None:
    if text is None:
        return None
    at, spare, *proven = json.loads(text)
    return Tail(at, spare and Spare(spare[0], spare[1], Fingerprint(*spare[2:])), proven == [True])
