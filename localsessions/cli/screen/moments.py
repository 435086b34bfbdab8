"""Instants as a person reads them: how long ago, and the local time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from localsessions.models import format_instant

__all__ = ["ago", "local_minute"]

_UNITS = (  # up to which age, the unit, its seconds
    (timedelta(hours=1), "min", 60),
    (timedelta(days=1), "h", 3600),
    (timedelta(days=14), "d", 86_400),
    (timedelta(days=70), "wk", 7 * 86_400),
    (timedelta(days=730), "mo", 30.44 * 86_400),
    (timedelta.max, "y", 365.25 * 86_400),
)


def ago(instant: datetime, now: datetime) -> str:
    """Return how long ago an instant was, as in "3 d ago"; an instant to come is "ahead"."""
    age = now - instant
    if age < -timedelta(minutes=1):
        return "ahead"
    if age < timedelta(minutes=1):
        return "just now"
    unit, seconds = next((unit, seconds) for limit, unit, seconds in _UNITS if age < limit)
    return f"{int(age.total_seconds() // seconds)} {unit} ago"


def local_minute(instant: datetime) -> str:
    """Return an instant to the minute, in the person's time zone: "2026-01-31 14:05"."""
    with suppress(OSError, OverflowError, ValueError):  # the system knows no zone for that year
        return instant.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{format_instant(instant)[:16].replace('T', ' ')}Z"
