"""The summary of a session or of a file: the line of a listing. Pure.

To fill an index, a summary is made directly from a file's parsed document. For a file in our layout
whose fields all have plain types, this gives the result of ``decode`` and ``summarize`` in a fifth
of the time. For any other file there is no result, and the caller decodes the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions._codec.layout import is_as_written, known_fields, messages_end
from localsessions._codec.session_file import parse_proven
from localsessions.errors import UnreadableSessionError
from localsessions.models import (
    FORMAT,
    PlainSummary,
    PlainUnreadable,
    listed_source,
    made_title_of,
    parse_instant,
    preview_of,
)

if TYPE_CHECKING:
    from localsessions.models import Session

__all__ = [
    "Summarized",
    "plain_document",
    "summarize",
    "summarize_unreadable",
    "summarized",
    "summary_told",
]


def summarize(session: Session, size_bytes: int) -> PlainSummary:
    """Return the line of a listing for a session whose file has ``size_bytes``."""
    return PlainSummary(
        session_id=session.session_id,
        title=session.title or session.made_title,
        user_id=session.user_id,
        agent_id=session.agent_id,
        current_agent=session.current_agent,
        status=session.status,
        pinned=session.pinned,
        tags=tuple(session.tags),
        created_at=session.created_at,
        last_activity=session.last_activity,
        updated_at=session.updated_at,
        expires_at=session.expires_at,
        message_count=len(session.messages),
        size_bytes=size_bytes,
        revision=session.revision,
        preview=session.preview,
        **_source_of(session.source, session.forked_from, session.last_activity),
    )


def _source_of(
    source: Mapping[str, Any], forked_from: Mapping[str, Any], last_activity: datetime
) -> dict[str, Any]:
    has_one = source or forked_from
    return listed_source(source, forked_from, last_activity) if has_one else {}


def summarize_unreadable(
    error: UnreadableSessionError, session_id: str, modified_at: datetime, size_bytes: int
) -> PlainSummary:
    """Return the line of a listing for a file that is not a session."""
    return PlainSummary(
        session_id=session_id,
        status="unreadable",
        created_at=modified_at,
        last_activity=modified_at,
        updated_at=modified_at,
        size_bytes=size_bytes,
        unreadable=PlainUnreadable(reason=error.reason, line=error.line, column=error.column),
    )


# The exact type that each field has after reading; pydantic handles every other type.
_KINDS: dict[str, type] = {
    **dict.fromkeys(("format", "title", "user_id", "agent_id", "status"), str),
    **dict.fromkeys(("created_at", "last_activity", "updated_at", "expires_at"), str),
    **dict.fromkeys(
        ("forked_from", "source", "modules", "state", "metadata", "agent_context"), dict
    ),
    **dict.fromkeys(("messages", "runs", "tags"), list),
    "pinned": bool,
    "revision": int,
}


class Summarized(NamedTuple):
    """A file's summary and, if writing the session would give the same file, its messages' end."""

    summary: PlainSummary
    messages_end: int | None


def summarized(data: bytes, session_id: str, modified_at: datetime) -> Summarized | None:
    """Return the summary of a file; None if only ``decode`` can read it."""
    document = plain_document(data)
    if document is None:
        return None
    is_ours = is_as_written(document, session_id)
    times = document
    try:
        if not is_ours:
            times = known_fields(document, modified_at)
        summary = _summary(document, times, session_id, len(data))
    except ValueError:
        return None  # a time is not an instant
    end = messages_end(data, tuple(document)) if is_ours else None
    return Summarized(summary, end)


def plain_document(data: bytes, *, is_proven: bool = False) -> dict[str, Any] | None:
    """Return the document of a file whose fields all have plain types; None of any other file.

    With ``is_proven`` the caller knows that orjson reads the file without loss.
    """
    document: Any = parse_proven(data, is_proven=is_proven)
    return document if type(document) is dict and _is_plain(document) else None


def _is_plain(document: Mapping[str, Any]) -> bool:
    """Tell whether each field has exactly the type that it has after reading."""
    kind_of = _KINDS.get
    for name, value in document.items():
        kind = kind_of(name)
        if kind is not None and type(value) is not kind:
            return False
    get = document.get
    return (
        get("format", FORMAT) == FORMAT
        and _are_objects(get("messages"), "role")
        and _are_objects(get("runs"), "run_id")
        and get("revision", 0) >= 0
        and type(get("ttl")) in (int, float, type(None))
        and ("tags" not in document or {*map(type, document["tags"])} <= {str})
        and ("agent_context" not in document or _is_plain_context(document["agent_context"]))
    )


def _are_objects(items: list[Any] | None, key: str) -> bool:
    """Tell whether all items are objects with a text under ``key``; None and empty lists pass."""
    if not items:
        return True
    if {*map(type, items)} != {dict}:
        return False
    return {type(item.get(key)) for item in items} == {str}


def _is_plain_context(context: Mapping[str, Any]) -> bool:
    switches = context.get("switches", [])
    return (
        type(context.get("current_agent")) in (str, type(None))
        and type(switches) is list
        and {*map(type, switches)} <= {dict}
    )


def _summary(
    document: Mapping[str, Any], times: Mapping[str, Any], session_id: str, size_bytes: int
) -> PlainSummary:
    get = document.get
    messages = get("messages", ())
    active, updated, expires = times["last_activity"], times["updated_at"], get("expires_at")
    last_activity = _instant(active)
    return PlainSummary(
        session_id=session_id,
        title=get("title") or made_title_of(messages),
        user_id=get("user_id"),
        agent_id=get("agent_id"),
        current_agent=get("agent_context", _NONE).get("current_agent"),
        status=get("status", "active"),
        pinned=get("pinned", False),
        tags=tuple(get("tags", ())),
        created_at=_instant(times["created_at"]),
        last_activity=last_activity,
        updated_at=last_activity if updated == active else _instant(updated),
        expires_at=None if expires is None else parse_instant(expires),
        message_count=len(messages),
        size_bytes=size_bytes,
        revision=get("revision", 0),
        preview=preview_of(messages),
        **_source_of(get("source", _NONE), get("forked_from", _NONE), last_activity),
    )


_NONE: Mapping[str, Any] = {}


def _instant(value: str | datetime) -> datetime:
    return parse_instant(value) if isinstance(value, str) else value


def summary_told(told: dict[str, Any]) -> PlainSummary:
    """Return the summary whose fields were written as JSON; ``told`` is used up.

    Raises:
        LookupError, TypeError, ValueError: Its writer has other fields.
    """
    told["tags"] = tuple(told["tags"])
    for name in _INSTANTS:
        if told[name] is not None:
            told[name] = datetime.fromisoformat(told[name])
    if told["unreadable"] is not None:
        told["unreadable"] = PlainUnreadable(**told["unreadable"])
    return PlainSummary(**told)


_INSTANTS = ("created_at", "last_activity", "updated_at", "expires_at")
