"""Ages and instants as a person types them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click

from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.models import utc_now

__all__ = ["age", "instant"]

_AGE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([smhdwy])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
# An age beyond this leads to an instant that has no date.
_LONGEST = timedelta(days=365_000)


def _parse_age(text: str) -> timedelta | None:
    """Return the age of a number with a unit (30s, 30m, 12h, 2d, 6w, 1y), else None."""
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        return None
    try:
        age = float(match[1]) * _UNITS[match[2]]
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
    """Return the instant that an argument names, for ``type=`` of an option.

    A time without an offset is one of the person's time zone; a day, week, month or year means its
    beginning. What words were taken for is said.
    """
    text = text.strip()
    if (ago := _parse_age(text)) is not None:
        return utc_now() - ago
    context = click.get_current_context(silent=True)
    if context is not None and context.resilient_parsing:
        return utc_now()  # a line is completed: nothing is asked with it, and nothing said
    with suppress(*_NO_TIME):
        return datetime.fromisoformat(text).astimezone(UTC)
    with suppress(*_NO_TIME):
        if (said := _said(text)) is not None:
            note(one_line(f"{text}: {said.strftime('%a')} {said.isoformat(' ', 'minutes')}"))
            return said.astimezone(UTC)
    raise click.BadParameter(
        f"{text[:80]!r} is no time: give a day (yesterday, 'last monday', 2026-01-31), an instant "
        "(2026-01-31T12:00Z) or an age (2d, 12h, 30m)"
    )


_NO_TIME = (ValueError, OverflowError, OSError)  # Windows says so of some years
_LONGEST_SAYING = 100


def _said(text: str) -> datetime | None:
    """Return the time that a person says in words, in one of many languages; None if it is none.

    Raises:
        ValueError, OverflowError, OSError: It is beyond all times.
    """
    is_said = 2 <= len(text) <= _LONGEST_SAYING and not _UNSAID.search(text)
    if not is_said and not _NUMBERS.fullmatch(text):
        return None
    from dateparser.date import DateDataParser

    parser = DateDataParser(settings={"PREFER_DATES_FROM": "past", "RETURN_TIME_AS_PERIOD": True})
    found = parser.get_date_data(text)
    if found.date_obj is None:
        return None
    begin = _BEGINS.get(found.period or "", _itself)
    return begin(found.date_obj.astimezone()).replace(tzinfo=None).astimezone()


def _itself(at: datetime) -> datetime:
    return at


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


_BEGINS: Mapping[str, Callable[[datetime], datetime]] = {
    "day": _day,
    "week": lambda at: _day(at) - timedelta(days=at.weekday()),
    "month": lambda at: _day(at).replace(day=1),
    "year": lambda at: _day(at).replace(month=1, day=1),
}
# A year, a month, a time of the day.
_NUMBERS = re.compile(r"\d{4}(-\d{2})?|\d{1,2}:\d{2}", re.ASCII)
# Other numbers alone mean nothing, or two things: 5.11. is a day in May or in November.
_UNSAID = re.compile(r"^[\d\W]+$|^\d+ ?[a-z]$|\d{5}|\d[./]\d{1,2}\b", re.IGNORECASE)
