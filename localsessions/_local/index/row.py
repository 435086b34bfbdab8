"""IndexRow: what the index knows about one file; how it is made, packed into a row and read again.

A row has the summary as JSON, the columns that listings filter and order by, the fingerprint and
the hash of the file from which the row was made, the number of its last change, and a seal. The
seal covers every column that is read again, so that a garbled page is not taken for a row. Nothing
here queries a database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from localsessions._codec import decode, messages_end
from localsessions._codec.names import folded
from localsessions._codec.summary import (
    summarize,
    summarize_unreadable,
    summarized,
    summary_told,
)
from localsessions._local.index.changelog import State
from localsessions._local.index.schema import seal_of
from localsessions._local.version import Fingerprint, Spare, Tail, digest_of
from localsessions._rules.words import fold
from localsessions.errors import UnreadableSessionError
from localsessions.models import PlainSummary, activity_key, listed_source
from localsessions.models.instants import microseconds
from localsessions.models.standing import original_of

if TYPE_CHECKING:
    from localsessions.models import Session

__all__ = [
    "COLUMNS",
    "SEALED",
    "Columns",
    "IndexRow",
    "Sealed",
    "comparable",
    "is_proven",
    "listed",
    "packed",
    "packed_tags",
    "packed_tail",
    "read_fingerprint",
    "row_grown",
    "row_of",
    "row_of_state",
    "row_unreadable",
    "row_written",
    "sealed_among",
    "state_of",
    "tail_of",
    "unpacked",
    "unpacked_tags",
    "unsealed",
]

SEALED = ("fingerprint", "settled", "digest", "change", "summary", "good", "tail", "seal")
"""The columns that are read again, after the session id; the seal covers the id and the others."""

COLUMNS = (
    *("session_id", "folded", "title", "user_id", "agent_id", "current_agent", "status"),
    *("created_at", "last_activity", "expires_at", "size_bytes", "message_count", "unreadable"),
    *("program", "project", "branch", "parent", "tags", "pinned"),
    *SEALED,
)
"""All columns of a row, in the order in which they are packed."""

Columns: TypeAlias = tuple[Any, ...]
"""A row as stored, in the order of ``COLUMNS``."""

Sealed: TypeAlias = tuple[str, str, int, bytes, int, str, str | None, str | None, int]
"""The session id and the columns of ``SEALED``."""


class IndexRow(NamedTuple):
    """What the index knows about one file.

    ``settled`` says that the fingerprint can be trusted; ``digest`` is the hash of the content;
    ``tail`` is known for a file that is laid out as a store writes it.
    """

    summary: PlainSummary
    fingerprint: Fingerprint
    settled: bool
    digest: bytes
    change: int = 0
    tail: Tail | None = None


# -- making -------------------------------------------------------------------------------------


def row_of(
    data: bytes, fingerprint: Fingerprint, settled: bool, session_id: str, path: str
) -> IndexRow:
    """Return the row of a file that was read; a file that is not a session has a row too.

    If possible, the summary is made directly from the parsed document, without a Session.
    """
    digest, modified_at = digest_of(data), fingerprint.modified_at
    if (found := summarized(data, session_id, modified_at)) is not None:
        tail = None if found.messages_end is None else Tail(found.messages_end, None, proven=True)
        return IndexRow(found.summary, fingerprint, settled, digest, tail=tail)
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
    """Return the row of a file that was written whole from the present state of ``session``.

    Our own writes have a modification time that no other write can have, so the row is settled.
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
    return IndexRow(summarize(session, size_bytes), fingerprint, settled, digest, tail=tail)


def row_unreadable(
    error: UnreadableSessionError, session_id: str, fingerprint: Fingerprint, *, settled: bool
) -> IndexRow:
    """Return the row of a file that cannot be read."""
    summary = summarize_unreadable(
        error, session_id, fingerprint.modified_at, fingerprint.size_bytes
    )
    return IndexRow(summary, fingerprint, settled, b"")


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
    """Return the row of a file after only its end was written.

    Args:
        former: The row of the previous version.
        session: The session with the fields of the end; it has only the messages that were written.
        spoken: Title and preview.
        message_count: Messages in the whole session.
        size_bytes: Size of the whole file.
        fingerprint: Fingerprint of the file.
        digest: Hash of the whole file.
        tail: Where its messages end now.
    """
    told = {
        "title": spoken[0],
        "preview": spoken[1],
        "message_count": message_count,
        "size_bytes": size_bytes,
        "tags": tuple(session.tags),
        **listed_source(session.source, session.forked_from, session.last_activity),
        **{name: getattr(session, name) for name in _IN_THE_END},
    }
    summary = PlainSummary(**{**former.summary.__dict__, **told})
    return IndexRow(summary, fingerprint, True, digest, tail=tail)


# The fields of a summary that follow the messages in the file. Writing the end does not change the
# fields before the messages.
_IN_THE_END = (
    *("current_agent", "status", "pinned", "expires_at"),
    *("last_activity", "updated_at", "revision"),
)


# -- packing -------------------------------------------------------------------------------------


def state_of(row: IndexRow, former: State | None) -> State:
    """Return the state that a new row gives to the log; ``former`` is the state it replaces."""
    text = _packed_summary(row.summary)
    good = former.last_readable if former is not None and row.summary.unreadable else None
    return State(row.fingerprint, row.settled, row.digest, text, good)


def packed(row: IndexRow, now: State, change: int) -> Columns:
    """Return the columns of a row, in the order of ``COLUMNS``."""
    summary = row.summary
    tail = packed_tail(row.tail)
    sealed = row.fingerprint.text, int(row.settled), row.digest, change, now.summary, now.good, tail
    return (
        summary.session_id,
        folded(summary.session_id),
        _folded_title(summary.title),
        comparable(summary.user_id),
        comparable(summary.agent_id),
        comparable(summary.current_agent),
        comparable(summary.status),
        microseconds(summary.created_at),
        activity_key(summary),
        None if summary.expires_at is None else microseconds(summary.expires_at),
        summary.size_bytes,
        summary.message_count,
        summary.unreadable is not None,
        comparable(summary.program),
        comparable(summary.project),
        comparable(summary.branch),
        comparable(summary.parent),
        packed_tags(summary.tags),
        summary.pinned,
        *sealed,
        seal_of(summary.session_id, *sealed),
    )


_folded_title = lru_cache(maxsize=256)(fold)  # a title seldom changes between turns


def comparable(text: str | None) -> str | bytes | None:
    """Return the value that stands for a text in a comparison.

    A text with lone surrogates becomes a blob: SQLite's texts cannot store them.
    """
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


_PART = "\x1f"


def packed_tags(tags: Sequence[str]) -> str | None:
    """Return tags as one text, which has each tag's own packed text in it; None without tags.

    In JSON a tag cannot have the sign that parts them.
    """
    return _PART + _PART.join(map(json.dumps, tags)) + _PART if tags else None


def unpacked_tags(packed: object) -> Sequence[str]:
    """Return tags from their text.

    Raises:
        sqlite3.DatabaseError: It is none.
    """
    try:
        tags = [json.loads(one) for one in str(packed)[1:-1].split(_PART)]
    except ValueError:
        tags = [None]
    if not all(isinstance(one, str) for one in tags):
        raise sqlite3.DatabaseError("tags in the index are garbled")
    return tags


def _packed_summary(summary: PlainSummary) -> str:
    told = summary.__dict__
    if summary.unreadable is not None:
        told = {**told, "unreadable": summary.unreadable.__dict__}
    try:
        return orjson.dumps(told).decode()
    except TypeError:  # lone surrogates in a title, or a long number: json writes both
        return json.dumps(told, default=datetime.isoformat, separators=(",", ":"))


def packed_tail(tail: Tail | None) -> str | None:
    """Return where the messages end, as the index stores it."""
    if tail is None:
        return None
    spare = tail.spare
    told = None if spare is None else [spare.name, spare.common, *spare.fingerprint]
    return orjson.dumps([tail.at, told, tail.proven]).decode()


# -- reading -------------------------------------------------------------------------------------


def sealed_among(columns: Columns) -> Sealed:
    """Return, of all columns, the session id and the columns of ``SEALED``."""
    return columns[0], *columns[-len(SEALED) :]


def unsealed(found: Sealed) -> tuple[State, int]:
    """Return the state and the change number of a row, after its seal is checked.

    Raises:
        sqlite3.DatabaseError: The row is garbled.
    """
    session_id, *parts, seal = found
    if seal != seal_of(session_id, *parts):
        raise sqlite3.DatabaseError(f"the row of {session_id!r} is garbled")
    _, fingerprint, settled, digest, change, text, good, _, _ = found
    return State(read_fingerprint(fingerprint), bool(settled), digest, text, good), change


def listed(found: Sealed) -> IndexRow:
    """Return a row as listings show it: without ``tail``."""
    return _remembered(found) if len(found[5]) <= _LONG else _listed(found)


def _listed(found: Sealed) -> IndexRow:
    state, change = unsealed(found)
    summary = _unpacked_summary(state.summary)
    return IndexRow(summary, state.fingerprint, state.settled, state.digest, change)


# A repeated listing finds most rows unchanged. Rows are immutable, so they can be shared.
_remembered = lru_cache(maxsize=512)(_listed)
_LONG = 4096


def unpacked(found: Sealed) -> IndexRow:
    """Return a row with ``tail``."""
    return _listed(found)._replace(tail=_unpacked_tail(found[7]))


def row_of_state(state: State, tail: str | None) -> IndexRow:
    """Return the row of a state; ``tail`` is packed."""
    fingerprint, settled, digest, summary, _ = state
    at = _unpacked_tail(tail)
    return IndexRow(_unpacked_summary(summary), fingerprint, settled, digest, tail=at)


def tail_of(found: Sealed) -> Tail | None:
    """Return where the messages of a row's file end."""
    unsealed(found)
    return _unpacked_tail(found[7])


def is_proven(found: Sealed, fingerprint: Fingerprint) -> bool:
    """Tell whether a row says that the file of this fingerprint needs no proof, see ``Tail``."""
    (state, _), tail = unsealed(found), _unpacked_tail(found[7])
    is_it = state.settled and state.fingerprint == fingerprint
    return is_it and tail is not None and tail.proven


def read_fingerprint(text: str) -> Fingerprint:
    """Return a fingerprint from its text.

    Raises:
        sqlite3.DatabaseError: It is none.
    """
    try:
        return Fingerprint(*map(int, text.split(":")))
    except (TypeError, ValueError, AttributeError):
        raise sqlite3.DatabaseError("a fingerprint is garbled") from None


def _unpacked_summary(text: str) -> PlainSummary:
    try:
        return summary_told(_loads(text))
    except (LookupError, TypeError, ValueError):  # sealed, so its writer has other fields
        raise sqlite3.DatabaseError("a summary is not of this version") from None


def _loads(text: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:  # lone surrogates: only json reads them
        told = json.loads(text)
    # orjson makes a float of a long integer.
    return told if type(told["revision"]) is int else json.loads(text)


def _unpacked_tail(text: str | None) -> Tail | None:
    if text is None:
        return None
    at, spare, *proven = json.loads(text)
    return Tail(at, spare and Spare(spare[0], spare[1], Fingerprint(*spare[2:])), proven == [True])
