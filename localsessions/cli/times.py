"""Ages and instants as a person types them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from localsessions.models import parse_instant, utc_now

__all__ = ["age", "instant"]

_AGE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# An age beyond this leads to an instant that has no date.
_LONGEST = timedelta(days=365_000)


def _parse_age(text: str) -> timedelta | None:
    """Return the age of a number with a unit (30s, 30m, 12h, 2d, 6w), else None."""
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        return None
    try:
        age = timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        return None
    return age if age <= _LONGEST else None


def age(text: str) -> timedelta:
    """Return the age that an argument names, for ``type=`` of an option."""
    found = _parse_age(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age: give a number with a unit, as in 30d, 12h")
    return found


def instant(text: str) -> datetime:
    """Return the instant that an argument names, for ``type=`` of an option."""
    if (ago := _parse_age(text)) is not None:
        return utc_now() - ago
    try:
        return parse_instant(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time: give an ISO date (2026-01-31, 2026-01-31T12:00Z; UTC where no "
            "offset stands) or an age (2d, 12h, 30m)"
        ) from None
