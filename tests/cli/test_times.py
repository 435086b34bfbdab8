"""Times as a person types them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest
from tzlocal import reload_localzone

from localsessions.cli.times import age, instant

pytestmark = pytest.mark.needs("time zones")


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    reload_localzone()  # what dateparser asks remembers the zone of an earlier test
    yield
    monkeypatch.undo()
    time.tzset()
    reload_localzone()


def midnight(days_ago: int) -> datetime:
    """The beginning of a day there."""
    now = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: DTZ005
    return (now - timedelta(days=days_ago)).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "days_ago"),
    [("today", 0), ("yesterday", 1), ("2 days ago", 2), ("gestern", 1), ("昨天", 1)],
)
def test_a_day_in_words_means_its_beginning_where_the_person_is(text: str, days_ago: int) -> None:
    expected = {midnight(days_ago)}
    found = instant(text)
    assert found in expected | {midnight(days_ago)}  # midnight may have passed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-30T23:00Z"),
        ("2026-07-31", "2026-07-30T22:00Z"),
        ("2026-01-31T12:00", "2026-01-31T11:00Z"),
        ("2026-01-31T12:00Z", "2026-01-31T12:00Z"),
        ("20260131T1200+0200", "2026-01-31T10:00Z"),
        ("5 november 2025", "2025-11-04T23:00Z"),
        ("Nov 5 2025", "2025-11-04T23:00Z"),
        ("march 2025", "2025-02-28T23:00Z"),
        ("2025", "2024-12-31T23:00Z"),
        ("5 november 2025 14:30", "2025-11-05T13:30Z"),
        ("5 november 2025 14:30 UTC", "2025-11-05T14:30Z"),
    ],
)
def test_a_time_without_an_offset_is_of_the_time_zone_of_the_person(
    text: str, expected: str
) -> None:
    assert instant(text) == datetime.fromisoformat(expected)


def test_a_week_and_a_month_in_words_mean_their_beginnings() -> None:
    week, month, year = instant("last week"), instant("last month"), instant("last year")
    assert week.astimezone().weekday() == 0
    assert timedelta(days=6) < datetime.now(UTC) - week < timedelta(days=15)
    assert month.astimezone().day == 1
    assert (year.astimezone().month, year.astimezone().day) == (1, 1)


def test_an_hour_ago_is_no_beginning() -> None:
    assert abs(datetime.now(UTC) - timedelta(hours=1) - instant("an hour ago")) < timedelta(
        minutes=1
    )


def test_what_words_were_taken_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    instant("5 november 2025")
    instant("2026-01-31")
    instant("2d")
    assert capsys.readouterr().err == "5 november 2025: Wed 2025-11-05 00:00+01:00\n"


@pytest.mark.parametrize(
    "text",
    ["", "a", "soon", "5.11.2025", "11/5/2025", "5.11.", "12", "1700000000", "2026-02-31", "\x1b["],
)
def test_what_is_no_time_or_two_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time: give a day"):
        instant(text)


def test_an_age_of_a_year_has_365_days() -> None:
    assert age("1y") == timedelta(days=365)
    assert age("1.5w") == timedelta(days=10, hours=12)
