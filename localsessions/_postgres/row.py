"""A session as rows: the bytes around its messages, each message by itself, and what lists it.

The bytes of the rows, joined, are the bytes of the session's file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from localsessions._codec import (
    decode,
    messages_begin,
    messages_end,
    parse_json,
    places_of_messages,
)
from localsessions._codec.names import is_session_id
from localsessions._codec.summary import summarize, summary_told
from localsessions._rules.words import fold
from localsessions.models import (
    Message,
    PlainSummary,
    Session,
    activity_key,
    made_title_of,
    message_text,
    preview_of,
)
from localsessions.models.instants import microseconds
from localsessions.models.standing import Original, original_of, stand

__all__ = [
    "COLUMNS",
    "FRAME",
    "Said",
    "Split",
    "Stored",
    "columns_of",
    "is_whole",
    "joined",
    "key_of_text",
    "pack",
    "run_of",
    "said_of",
    "session_of",
    "split",
    "summary_of",
    "unpack",
    "unpacked_json",
    "with_bodies",
]

_MESSAGES = b'\n  "messages": ['
_END = b"\n  ]"
FRAME = len(_MESSAGES)
"""How many bytes stand before the first message, apart from what stands before all messages."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Split(NamedTuple):
    """The bytes of a session, in the parts that are rows.

    Attributes:
        before: What stands before the messages.
        bodies: Each message, with the blanks before it.
        after: What stands behind the list of messages.
    """

    before: bytes
    bodies: tuple[bytes, ...]
    after: bytes


def split(data: bytes, keys: Sequence[str]) -> Split:
    """Take the bytes of a session apart, as this version lays them out.

    Args:
        data: The session.
        keys: Its top-level keys, in order.
    """
    begin = messages_begin(data)
    start, end = begin + len(_MESSAGES), messages_end(data, keys)
    if end is None or end < start:  # an empty list has no lines
        return Split(data[:begin], (), data[start + 1 :])
    places = places_of_messages(data[:end], start)
    bodies = [
        data[at:to].removeprefix(b",") for at, to in zip(places, [*places[1:], end], strict=True)
    ]
    return Split(data[:begin], tuple(bodies), data[end + len(_END) :])


def joined(before: bytes, bodies: Sequence[bytes], after: bytes) -> bytes:
    """Return the bytes of a session, or of one that has some of its messages only.

    What is not laid out as this version does it stands whole before the messages, of which it has
    none, and nothing behind them.
    """
    if not after:
        return before
    said = b",".join(bodies) + _END if bodies else b"]"
    return b"".join((before, _MESSAGES, said, after))


class Said(NamedTuple):
    """Which messages give a session its made title and its preview; None where none does.

    Attributes:
        title: The made title.
        title_at: The position of its message.
        preview: The preview.
        preview_at: The position of its message.
    """

    title: str = ""
    title_at: int | None = None
    preview: str = ""
    preview_at: int | None = None


def said_of(former: Said, messages: Sequence[Message], first: int) -> Said | None:
    """Return what messages from a position on make of what those before it said.

    None where what was said before is not known: the message that said it was replaced.
    """
    texts = [at for at, message in enumerate(messages) if message_text(message)]
    title, title_at = former.title, former.title_at
    if title_at is None or title_at >= first:
        at = next((one for one in texts if messages[one]["role"] == "user"), None)
        title_at = None if at is None else first + at
        title = "" if at is None else made_title_of([messages[at]])
    preview, preview_at = former.preview, former.preview_at
    if texts:
        preview, preview_at = preview_of([messages[texts[-1]]]), first + texts[-1]
    elif preview_at is not None and preview_at >= first:
        if first:
            return None
        preview, preview_at = "", None
    return Said(title, title_at, preview, preview_at)


class Stored(NamedTuple):
    """A session as it is stored, with all or the last of its messages.

    Attributes:
        session_id: Its id.
        no: The number of its rows.
        version: The version of its content.
        before: The bytes before the messages.
        after: The bytes behind them.
        proven: Whether orjson reads it without loss.
        summary: What a listing says of it.
        said: Which messages gave title and preview.
        first: The position of the first message that is here.
        bodies: The messages that are here.
    """

    session_id: str
    no: int
    version: UUID
    before: bytes
    after: bytes
    proven: bool
    summary: PlainSummary
    said: Said
    first: int
    bodies: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        """The bytes of the session, without the messages that are not here."""
        return joined(self.before, self.bodies, self.after)


def with_bodies(stored: Stored, original: Original | None) -> Stored:
    """Return what is stored, with the messages of the original that was read of this version."""
    if not stored.after:  # it is not in parts
        return stored
    assert original is not None  # noqa: S101  (what has a version was read or written)
    bodies = split(original.data, original.keys).bodies
    return stored._replace(first=0, bodies=bodies)


def session_of(stored: Stored, path: str) -> Session:
    """Return the session of stored rows, based on their version.

    Raises:
        UnreadableSessionError: The rows hold no session.
    """
    session = decode(
        stored.data,
        session_id=stored.session_id,
        modified_at=_LONG_AGO,
        path=path,
        proven=stored.proven,
    )
    stand(session, original_of(session), stored.version)
    return session


def summary_of(session: Session, said: Said, message_count: int, size_bytes: int) -> PlainSummary:
    """Return what a listing says of a session of which some messages are here."""
    summary = summarize(session, size_bytes)
    summary.title = session.title or said.title
    summary.preview = said.preview
    summary.message_count = message_count
    return summary


# -- the columns of a session ----------------------------------------------------------------------

COLUMNS = (
    *("before", "after", "proven", "told", "message_count", "size_bytes"),
    *("created_at", "last_activity", "expires_at", "pinned", "status", "titled", "user_id"),
    *("agent_id", "program", "project", "branch", "parent", "parent_id", "tags"),
)
"""The columns that each write sets, in the order of ``columns_of``."""


def columns_of(
    before: bytes, after: bytes, proven: bool, summary: PlainSummary, said: Said
) -> list[object]:
    """Return the values of ``COLUMNS``."""
    expires = summary.expires_at
    return [
        before,
        after,
        proven,
        pack(summary, said),
        summary.message_count,
        summary.size_bytes,
        microseconds(summary.created_at),
        activity_key(summary),
        None if expires is None else microseconds(expires),
        summary.pinned,
        key_of_text(summary.status),
        key_of_text(fold(summary.title)),
        *map(
            _key_or_none,
            (
                *(summary.user_id, summary.agent_id, summary.program),
                *(summary.project, summary.branch, summary.parent),
            ),
        ),
        summary.parent if summary.parent and is_session_id(summary.parent) else None,
        [key_of_text(tag) for tag in dict.fromkeys(summary.tags)],
    ]


_LONGEST_KEY = 200


def key_of_text(text: str) -> bytes:
    """Return bytes that stand for a text where texts are compared; short ones are its own.

    An index takes no long ones, and PostgreSQL's texts can hold neither NUL nor half a surrogate
    pair.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= _LONGEST_KEY:
        return data
    return data[:_LONGEST_KEY] + hashlib.blake2b(data, digest_size=16).digest()


def is_whole(key: bytes) -> bool:
    """Tell whether bytes that stand for a text are its own."""
    return len(key) <= _LONGEST_KEY


def _key_or_none(text: str | None) -> bytes | None:
    return None if text is None else key_of_text(text)


def run_of(message: Mapping[str, Any]) -> bytes | None:
    """Return what stands for the run of a message."""
    run_id = message.get("run_id")
    return key_of_text(run_id) if isinstance(run_id, str) else None


# -- packing ---------------------------------------------------------------------------------------


def pack(summary: PlainSummary, said: Said) -> bytes:
    """Return a summary, and which messages it speaks of, as bytes."""
    told = {**summary.__dict__, "said": [*said]}
    if summary.unreadable is not None:
        told["unreadable"] = summary.unreadable.__dict__
    try:
        return orjson.dumps(told)
    except TypeError:  # lone surrogates in a title, or a long number: json writes both
        return json.dumps(told, default=datetime.isoformat, separators=(",", ":")).encode()


def unpack(packed: bytes) -> tuple[PlainSummary, Said]:
    """Return what was packed."""
    told = unpacked_json(packed)
    said = Said(*told.pop("said"))
    return summary_told(told), said


def unpacked_json(packed: bytes) -> dict[str, Any]:
    """Return an object of JSON, exactly; orjson reads neither long numbers nor lone surrogates."""
    if _LONG_NUMBER.search(packed) is None:
        with contextlib.suppress(orjson.JSONDecodeError):
            found: dict[str, Any] = orjson.loads(packed)
            return found
    exact: Any = parse_json(packed)
    return dict(exact)


_LONG_NUMBER = re.compile(rb"[0-9]{19}")
