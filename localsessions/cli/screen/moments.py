"""Instants as a person reads them."""

from __future__ import annotations

from datetime import datetime

from localsessions.models import format_instant

__all__ = ["short_instant"]


def short_instant(instant: datetime) -> str:
    """Return an instant to the minute, in UTC, as a person reads it."""
    return f"{format_instant(instant)[:16].replace('T', ' ')}Z"
