"""Instants: aware datetimes in UTC, and their ISO 8601 texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = [
    "expiry_of",
    "file_time",
    "file_time_of",
    "format_instant",
    "formatted_now",
    "in_utc",
    "instant_of",
    "instant_of_stamp",
    "microseconds",
    "parse_instant",
    "stamp_of",
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
# What nanoseconds since 1970 in 63 bits can say: no clock told other times to a file.
_FIRST_FILE_TIME = datetime(1678, 1, 1, tzinfo=UTC)
_LAST_FILE_TIME = datetime(2261, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)


def file_time(instant: datetime) -> datetime:
    """Return an instant as every system can store it for a file: in the years 1678 to 2261."""
    return min(max(instant, _FIRST_FILE_TIME), _LAST_FILE_TIME)


def file_time_of(mtime_ns: int) -> datetime:
    """Return a file's modification time, cut to milliseconds; see ``file_time``."""
    lowest, highest = microseconds(_FIRST_FILE_TIME), microseconds(_LAST_FILE_TIME)
    return instant_of(min(max(mtime_ns // 1_000_000 * 1000, lowest), highest))


def stamp_of(instant: datetime) -> str:
    """Return an instant as a file name has it: ``20261231T235959000000Z``.

    Not with ``strftime``: on some systems it writes years before 1000 with fewer digits.
    """
    text = instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return re.sub("[-:.]", "", text) + "Z"


def instant_of_stamp(stamp: str) -> datetime:
    """Return the instant that was written with ``stamp_of``.

    Not with ``strptime``: it imports a module at its first use and has a lock of its own. A fork
    during either hangs the child.

    Raises:
        ValueError: The text has another format.
    """
    if not re.fullmatch(r"[0-9]{8}T[0-9]{12}Z", stamp):
        raise ValueError(f"{stamp!r} is no instant of a file name")
    instant = datetime.fromisoformat(f"{stamp[:15]}.{stamp[15:21]}+00:00")
    if stamp_of(instant) != stamp:  # later versions of Python take 24 o'clock for the next day
        raise ValueError(f"{stamp!r} is no instant of a file name")
    return instant


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
