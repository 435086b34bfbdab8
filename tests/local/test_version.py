"""What tells one version of a file from another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from localsessions._local.version import Fingerprint


def test_a_fingerprint_tells_the_time_in_milliseconds() -> None:
    fingerprint = Fingerprint(1, 1_735_634_700_123_999_999, 0, 0)
    assert fingerprint.modified_at == datetime(2024, 12, 31, 8, 45, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize("mtime_ns", [-(1 << 63) + 1, -1, 0, (1 << 63) - 1])
def test_a_fingerprint_tells_any_time_that_it_can_hold(mtime_ns: int) -> None:
    assert 1677 <= Fingerprint(1, mtime_ns, 0, 0).modified_at.year <= 2262


@pytest.mark.parametrize(
    ("mtime_ns", "year"), [(-(1 << 75), 1678), (1 << 63, 2261), (1 << 75, 2261)]
)
def test_a_time_beyond_all_years_is_the_nearest(mtime_ns: int, year: int) -> None:
    assert Fingerprint(1, mtime_ns, 0, 0).modified_at.year == year
