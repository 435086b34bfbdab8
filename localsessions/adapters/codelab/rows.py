"""Session <-> rows of the two tables, as the former service wrote them. Pure.

Times in the rows are naive and local, as the former service and SQLAlchemy wrote them; in session
files they are UTC.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from localsessions import Session
from localsessions.models import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from localsessions import Message, SessionSummary

__all__ = [
    "CONTEXT_ONLY",
    "ContextRow",
    "Rows",
    "SessionRow",
    "history_of",
    "is_context_only",
    "join",
    "rows_of",
    "session_of",
    "switches_of",
]

CONTEXT_ONLY = "context"
"""Status of a session that has a context and no messages: only the context manager wrote it."""

# Fields that the store keeps with a message, and that no model's interface takes.
_BOOKKEEPING = frozenset({"id", "created_at", "run_id"})


class SessionRow(NamedTuple):
    """A row of ``sessions``."""

    session_id: str
    messages: str
    last_activity: str
    created_at: str


class ContextRow(NamedTuple):
    """A row of ``agent_contexts``."""

    session_id: str
    current_agent: str
    agent_history: str
    context_metadata: str
    created_at: str
    last_switch_at: str | None
    switch_count: int


class Rows(NamedTuple):
    """What both tables hold of a session; None if a table has no row for it."""

    session: SessionRow | None = None
    context: ContextRow | None = None

    @property
    def seal(self) -> str:
        """A hash that tells rows that we wrote from rows that others changed."""
        text = repr((self.session, self.context))  # works for any cell, also of foreign rows
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def is_context_only(session: Session | SessionSummary) -> bool:
    """Tell whether the session manager ignores a session: it has a context and nothing else."""
    count = len(session.messages) if isinstance(session, Session) else session.message_count
    return session.status == CONTEXT_ONLY and not count


def history_of(session: Session) -> list[Message]:
    """Return the messages as a model takes them: without the store's own fields and null names."""
    return [
        {
            key: value
            for key, value in message.items()
            if key not in _BOOKKEEPING and (key, value) != ("name", None)
        }
        for message in session.messages
    ]


def switches_of(session: Session) -> list[JsonValue]:
    """Return the records of the switches between agents."""
    switches = session.agent_context.get("switches")
    return switches if isinstance(switches, list) else []


# -- to rows -------------------------------------------------------------------------------------


def rows_of(session: Session) -> Rows:
    """Return what the tables should hold of a session."""
    if is_context_only(session):
        return Rows(None, _context_row(session))
    row = SessionRow(
        session.session_id,
        _json(history_of(session)),
        _local(session.last_activity),
        _local(session.created_at),
    )
    return Rows(row, _context_row(session))


def _context_row(session: Session) -> ContextRow | None:
    if session.current_agent is None:
        return None
    context, switches = session.agent_context, switches_of(session)
    created_at = _instant(context.get("created_at"))
    switched_at = _instant(context.get("last_switch_at"))
    return ContextRow(
        session.session_id,
        session.current_agent,
        _json(switches),
        _json(context.get("metadata") or {}),
        _local(created_at or session.created_at),
        None if switched_at is None else _local(switched_at),
        len(switches),
    )


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates: SQLite can hold them only as escapes
        return json.dumps(value)
    return text


def _local(instant: datetime) -> str:
    try:
        local = instant.astimezone()
    # The first and the last day that a datetime can have; Windows has no local time before 1970
    # and after 3000 either.
    except (OverflowError, OSError):
        local = instant
    return local.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _instant(text: JsonValue) -> datetime | None:
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except ValueError:  # a person wrote it
        return None


# -- from rows -----------------------------------------------------------------------------------


def session_of(rows: Rows) -> Session:
    """Return the session that the former service kept in these rows.

    Raises:
        ValueError: The rows are not what it wrote.
    """
    context = rows.context
    if rows.session is None:
        if context is None:
            raise ValueError("there is no row")
        created_at = _utc(context.created_at)
        return Session(
            session_id=context.session_id,
            created_at=created_at,
            last_activity=created_at,
            status=CONTEXT_ONLY,
            agent_context=_context_of(context),
        )
    row = rows.session
    return Session(
        session_id=row.session_id,
        messages=json.loads(row.messages),
        created_at=_utc(row.created_at),
        last_activity=_utc(row.last_activity),
        agent_context={} if context is None else _context_of(context),
    )


def _context_of(row: ContextRow) -> dict[str, JsonValue]:
    switches, metadata = json.loads(row.agent_history), json.loads(row.context_metadata)
    if not isinstance(switches, list) or not isinstance(metadata, dict):
        raise ValueError("agent_history is no list, or context_metadata no object")  # noqa: TRY004
    context: dict[str, JsonValue] = {
        "current_agent": row.current_agent,
        "created_at": format_instant(_utc(row.created_at)),
        "metadata": metadata,
        "switches": [_switch(switch) for switch in switches],
    }
    if row.last_switch_at is not None:
        context["last_switch_at"] = format_instant(_utc(row.last_switch_at))
    return context


def _switch(switch: JsonValue) -> JsonValue:
    """Return a record with its time in UTC, if it has a time."""
    if not isinstance(switch, dict) or not isinstance(switch.get("timestamp"), str):
        return switch
    try:
        return {**switch, "timestamp": format_instant(_utc(str(switch["timestamp"])))}
    except ValueError:
        return switch


def _utc(text: str) -> datetime:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")  # noqa: TRY004  (a cell of a foreign table)
    read = datetime.fromisoformat(text)
    try:
        return read.astimezone(UTC)
    except (OverflowError, OSError):  # as ``_local`` writes what has no local time
        return read.replace(tzinfo=UTC)


# -- a file and the rows of the same session -----------------------------------------------------


def join(mine: Session, theirs: Session) -> bool:
    """Add to ``mine`` what only ``theirs`` has; False if both continued differently."""
    messages, others = history_of(mine), history_of(theirs)
    switches, other_switches = switches_of(mine), switches_of(theirs)
    if not _goes_on(messages, others) or not _goes_on(switches, other_switches):
        return False
    if len(others) > len(messages):
        mine.messages = [*mine.messages, *theirs.messages[len(messages) :]]
        mine.last_activity = max(mine.last_activity, theirs.last_activity)
    if theirs.agent_context and len(other_switches) >= len(switches):
        mine.agent_context = {**mine.agent_context, **theirs.agent_context}
    if theirs.status != CONTEXT_ONLY and mine.status == CONTEXT_ONLY:
        mine.status = theirs.status
    return True


def _goes_on(mine: Sequence[object], theirs: Sequence[object]) -> bool:
    """Tell whether the shorter of two lists is the beginning of the longer."""
    shared = min(len(mine), len(theirs))
    return mine[:shared] == theirs[:shared]
