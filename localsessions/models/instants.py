"""Instants: aware datetimes in UTC, and their ISO 8601 texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = [
    "expiry_of",
    "format_instant",
    "formatted_now",
    "in_utc",
    "instant_of",
    "microseconds",
    "parse_instant",
    "utc_now",
]


def utc_now() -> datetime:
    """Return the present instant, aware, in UTC, cut to milliseconds as in the files."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def format_instant(instant: datetime) -> str:
    """Return ISO 8601 in UTC with ``Z``: in milliseconds, or in microseconds if it has them."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def formatted_now() -> str:
    """Return the present instant as text."""
    return format_instant(utc_now())


def parse_instant(text: str) -> datetime:
    """Return the instant of an ISO 8601 text, in UTC; a text without an offset means UTC.

    Raises:
        ValueError: The text is not an ISO 8601 date and time, or its year in UTC is not 1 to 9999.
    """
    instant = datetime.fromisoformat(text)
    return in_utc(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def microseconds(instant: datetime) -> int:
    """Return an instant as microseconds since 1970 in UTC."""
    delta = instant - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant_of(microseconds: int) -> datetime:
    """Return the instant so many microseconds after 1970 in UTC, or before it.

    ``datetime.fromtimestamp`` fails on Windows for an instant before 1970.

    Raises:
        OverflowError: It is beyond the years 1 to 9999.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def expiry_of(now: datetime, ttl: float | None) -> datetime | None:
    """Return the instant ``ttl`` seconds after ``now``.

    If ``ttl`` is None, or 0 or less, return None, which means never.

    Raises:
        ValueError: The instant is beyond all times.
    """
    if ttl is None or not ttl > 0:
        return None
    try:
        return now + timedelta(seconds=ttl)
    except OverflowError:
        raise ValueError(
            f"ttl of {ttl!r} seconds ends beyond all times; None means never"
        ) from None


def in_utc(instant: datetime) -> datetime:
    """Return an aware instant in UTC.

    Raises:
        ValueError: Its year in UTC is not 1 to 9999.
    """
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"in UTC, {instant.isoformat()} is not of the years 1 to 9999") from None
