"""What is said at the end of a run of which tests were skipped, and what brings them."""

from __future__ import annotations

import pytest
from skipped import Remedy, remedy_of, told


@pytest.mark.parametrize(
    ("reason", "line", "wanted"),
    [
        ("nano is not installed", "apt-get install", "nano"),
        ("no mkfs.xfs here", "apt-get install", "xfsprogs"),
        ("no mkfs.ext4 here", "apt-get install", "e2fsprogs"),
        ("no curl on this machine", "apt-get install", "curl"),
        ("no bash", "apt-get install", "bash"),
        ("strace delays the calls and is not installed", "apt-get install", "strace"),
        ('agno is missing: pip install "agno>=3,<4"', "pip install --group frameworks", ""),
        ("no right to mount: operation not permitted", "run as root", ""),
        ("needs another uid", "run as root", ""),
    ],
)
def test_what_is_missing_has_a_line_that_brings_it(reason: str, line: str, wanted: str) -> None:
    assert remedy_of(reason) == Remedy(line, wanted)


def test_all_that_one_line_brings_is_in_one_line() -> None:
    reasons = ["nano is not installed", "no mkfs.xfs here", "nano is not installed", "needs Mars"]
    assert list(told(reasons)) == [
        "3 skipped: apt-get install nano xfsprogs",
        "1 skipped: nothing here brings them: needs Mars",
    ]


def test_where_nothing_was_skipped_nothing_is_said() -> None:
    assert list(told([])) == []
