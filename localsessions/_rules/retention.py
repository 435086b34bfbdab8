"""What a cleanup does with a session, and why. Pure: it decides and does nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from localsessions import models
from localsessions.models import format_instant

if TYPE_CHECKING:
    from localsessions.models import CleanupAction, SessionSummary

__all__ = ["cutoff_of", "verdict"]


def cutoff_of(now: datetime, max_age: float | timedelta) -> datetime:
    """Return the instant ``max_age`` before ``now``; the age is in seconds or a timedelta.

    Raises:
        TypeError: The age is neither a number nor a timedelta.
        ValueError: The age is negative, not a number (NaN), or beyond all times.
    """
    _refuse_other_type(max_age)
    if not (max_age >= timedelta(0) if isinstance(max_age, timedelta) else max_age >= 0):
        raise ValueError(f"max_age must be 0 or more seconds, not {max_age!r}")
    try:
        return now - (max_age if isinstance(max_age, timedelta) else timedelta(seconds=max_age))
    except OverflowError:
        raise ValueError(f"max_age of {max_age!r} is beyond all times") from None


def _refuse_other_type(max_age: object) -> None:
    if not isinstance(max_age, int | float | timedelta):
        kind = type(max_age).__name__
        raise TypeError(f"max_age must be a number of seconds or a timedelta, not {kind}")


def verdict(
    summary: SessionSummary, now: datetime, cutoff: datetime | None
) -> CleanupAction | None:
    """Return what a cleanup does with a session; None if the cleanup does not concern it.

    Args:
        summary: The session's summary, as in its file now.
        now: The instant of the cleanup.
        cutoff: A session is due if it was last active before this instant. None: a session is due
            if its ``expires_at`` has passed.
    """
    session_id, active = summary.session_id, summary.last_activity
    if cutoff is None:
        expires_at = summary.expires_at
        reason = f"expired at {format_instant(expires_at)}" if expires_at else ""
        is_due = expires_at is not None and expires_at <= now
    elif active > now:
        return models.CleanupAction(
            session_id, False, "its last activity lies in the future", active
        )
    else:
        reason = f"last active at {format_instant(active)}"
        is_due = active < cutoff
    if not is_due:
        return None
    if summary.unreadable is not None:
        return models.CleanupAction(session_id, False, "it is unreadable", active)
    if summary.pinned:
        return models.CleanupAction(session_id, False, "it is pinned", active)
    return models.CleanupAction(session_id, True, reason, active)
