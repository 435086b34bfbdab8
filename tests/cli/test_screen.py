"""What a person reads of ages and folders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from localsessions.cli.screen.moments import ago, local_minute
from localsessions.cli.screen.names import project_names

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(minutes=-2), "ahead"),
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=1), "1 d ago"),
        (timedelta(days=3, hours=23), "3 d ago"),
        (timedelta(days=14), "2 wk ago"),
        (timedelta(days=69), "9 wk ago"),
        (timedelta(days=70), "2 mo ago"),
        (timedelta(days=729), "23 mo ago"),
        (timedelta(days=731), "2 y ago"),
        (NOW - datetime.min.replace(tzinfo=UTC), "2025 y ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(age: timedelta, told: str) -> None:
    assert ago(NOW - age, NOW) == told


def test_every_instant_has_a_local_minute() -> None:
    for year in (1, 1969, 2026, 9999):
        instant = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
        shown = local_minute(instant).removesuffix("Z")
        shown = shown.zfill(len("2026-01-31 14:05"))  # strftime pads no year
        told = datetime.fromisoformat(shown).replace(tzinfo=UTC)
        assert abs(told - instant) < timedelta(days=1)
    assert datetime.fromisoformat(local_minute(NOW)).astimezone(UTC) == NOW


def test_folders_of_the_same_name_are_told_apart() -> None:
    assert project_names(["/w/app", "/w/cli", "C:\\w\\cli", "/", "/w/cli/", "/v/cli"]) == {
        "/w/app": "app",
        "/w/cli": "w/cli",
        "/w/cli/": "w/cli",
        "C:\\w\\cli": "C:/w/cli",
        "/v/cli": "v/cli",
        "/": "/",
    }
