"""Version: a new version of a session as the rows that differ from those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from pydantic import JsonValue

from localsessions._codec import MessagesLaidOut
from localsessions._postgres.changelog import packed_differences
from localsessions._postgres.row import (
    FRAME,
    Said,
    Split,
    Stored,
    columns_of,
    joined,
    run_of,
    said_of,
    split,
    summary_of,
    unpacked_json,
)
from localsessions._postgres.texts import TextRow, counted, row_of
from localsessions._rules.drafts import Draft
from localsessions._rules.texts import SESSION_ITSELF, texts_in
from localsessions._rules.touched import Touched, added, touched
from localsessions.models import PlainSummary, Session, parse_instant

__all__ = ["Version", "text_rows", "version_of"]

_INSTANTS = ("updated_at", "last_activity", "created_at", "expires_at")


class Version(NamedTuple):
    """A new version of a session, as rows.

    Attributes:
        session_id: Which session.
        act: What the version is called, in the log of changes too.
        former: The version that it replaces; None where it is new.
        kind: What is told of the change.
        summary: What a listing says of it.
        columns: The values of ``row.COLUMNS``.
        positions: The positions of the messages that differ.
        runs: The run of each of them.
        bodies: The bytes of each of them.
        texts: The texts that differ.
        gone: The positions of texts that are no more.
        grown: How many texts and words there are more than before.
        changed: What the change tells, packed.
    """

    session_id: str
    act: UUID
    former: UUID | None
    kind: str
    summary: PlainSummary
    columns: list[object]
    positions: list[int]
    runs: list[bytes | None]
    bodies: list[bytes]
    texts: list[TextRow]
    gone: list[int]
    grown: tuple[int, int]
    changed: bytes


def version_of(store: int, draft: Draft, stored: Stored | None) -> Version | None:
    """Return what a draft changes; None if earlier messages than those of ``stored`` are needed.

    Args:
        store: The number of the store.
        draft: The draft; where ``stored`` lacks its first messages, so does it.
        stored: What it replaces; None for a new session.
    """
    session, parts = draft.session, split(draft.data, tuple(draft.document))
    first, former = (stored.first, stored.said) if stored else (0, Said())
    if (said := said_of(former, session.messages, first)) is None:
        return None
    count, stamped = first + len(parts.bodies), _stamped(session, draft.stamps)
    summary = summary_of(stamped, said, count, _size_of(parts, stored))
    places = _differing(parts, stored)
    was, now = _texts(store, parts, session, stored, places)
    proven = _is_proven(draft) and (stored is None or stored.proven or not stored.first)
    return Version(
        session_id=session.session_id,
        act=uuid4(),
        former=stored.version if stored else None,
        kind="modified" if stored else "created",
        summary=summary,
        columns=columns_of(parts.before, parts.after, proven, summary, said),
        positions=[first + at for at in places],
        runs=[run_of(session.messages[at]) for at in places],
        bodies=[parts.bodies[at] for at in places],
        texts=[row for at, row in now.items() if was.get(at) != row],
        gone=[at for at in was if at not in now],
        grown=_grown(was, now),
        changed=packed_differences(
            stored.summary if stored else None, summary, _touched(draft, parts, stored)
        ),
    )


def _touched(draft: Draft, parts: Split, stored: Stored | None) -> Touched:
    """Return the messages that a draft touches, of those that are here."""
    if stored is None:
        return added(draft.session.messages)
    if not stored.after:  # its messages are not parted: what was read of them is laid out anew
        return draft.touched()
    was, now = _laid_out(stored.bodies), _laid_out(parts.bodies)
    return touched(was, now, len(parts.bodies), stored.first)


def _laid_out(bodies: Sequence[bytes]) -> MessagesLaidOut:
    data = b",".join(bodies)
    return MessagesLaidOut(data, 0, len(data))


def _stamped(session: Session, stamps: Mapping[str, JsonValue]) -> Session:
    """Return a session as it will be once it is written."""
    stamped = session.model_copy()
    stamped.__dict__.update(
        (name, parse_instant(str(value)) if name in _INSTANTS else value)
        for name, value in stamps.items()
    )
    return stamped


def _is_proven(draft: Draft) -> bool:
    return type(draft.data) is bytes  # what orjson could not write is of a class of its own


def _size_of(parts: Split, stored: Stored | None) -> int:
    """Return how many bytes the whole session takes, of which ``stored`` may lack messages."""
    left_out, first = 0, 0
    if stored is not None and stored.first:
        first = stored.first
        missing = len(joined(stored.before, stored.bodies, stored.after))
        missing += _joints(first + len(stored.bodies)) - _joints(len(stored.bodies))
        left_out = stored.summary.size_bytes - missing
    count = first + len(parts.bodies)
    said = sum(map(len, parts.bodies)) + left_out
    return len(parts.before) + FRAME + said + _joints(count) + len(parts.after)


def _joints(count: int) -> int:
    """Return how many bytes stand between and behind so many messages."""
    return count - 1 + len(b"\n  ]") if count else len(b"]")


def _differing(parts: Split, stored: Stored | None) -> list[int]:
    """Return which of the messages differ from what is stored there."""
    former = stored.bodies if stored else ()
    known = len(former)
    return [at for at, body in enumerate(parts.bodies) if at >= known or body != former[at]]


# -- texts -----------------------------------------------------------------------------------------


def _texts(
    store: int, parts: Split, session: Session, stored: Stored | None, places: Sequence[int]
) -> tuple[dict[int, TextRow], dict[int, TextRow]]:
    """Return the texts that may be replaced, and those that replace them, by position."""
    first = stored.first if stored else 0
    chosen = [(first + at, session.messages[at]) for at in places]
    own = {"title": session.title, "tags": session.tags, "metadata": session.metadata}
    now = text_rows(store, own, chosen)
    if stored is None:
        return {}, now
    former = unpacked_json(joined(stored.before, (), stored.after))
    if not stored.after:  # all of it is here, messages too
        return text_rows(store, former, [*enumerate(former.get("messages") or ())]), now
    gone = range(len(parts.bodies), len(stored.bodies))
    replaced = [at for at in (*places, *gone) if at < len(stored.bodies)]
    said = [(first + at, unpacked_json(stored.bodies[at])) for at in replaced]
    return text_rows(store, former, said), now


def text_rows(
    store: int, own: Mapping[str, Any], messages: Sequence[tuple[int, Mapping[str, Any]]]
) -> dict[int, TextRow]:
    """Return the texts of a session's own fields, and of some of its messages."""
    found = texts_in({**_own(own), "messages": [message for _, message in messages]})
    places = {SESSION_ITSELF: SESSION_ITSELF, **dict(enumerate(at for at, _ in messages))}
    return {places[at]: row_of(store, places[at], text) for at, text in found.items()}


def _own(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": fields.get("title"),
        "tags": fields.get("tags") or (),
        "metadata": fields.get("metadata") or {},
    }


def _grown(was: Mapping[int, TextRow], now: Mapping[int, TextRow]) -> tuple[int, int]:
    (texts, words), (texts_now, words_now) = counted(was), counted(now)
    return texts_now - texts, words_now - words
