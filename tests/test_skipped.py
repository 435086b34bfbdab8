"""What is said at the end of a run of which tests were skipped, and what brings them."""

from __future__ import annotations

import pytest
from skipped import INSTALL, Remedy, remedy_of, told


@pytest.mark.parametrize(
    ("reason", "line", "wanted"),
    [
        ("nano is not installed", INSTALL, "nano"),
        ("no mkfs.xfs here", INSTALL, "xfsprogs"),
        ("no mkfs.ext4 here", INSTALL, "e2fsprogs"),
        ("curl is not installed", INSTALL, "curl"),
        ("strace is not installed, or may not look", INSTALL, "strace"),
        ("strace delays the calls and is not installed", INSTALL, "strace"),
        ("agno is not installed", "pip install --group frameworks", ""),
        ("no right to mount: operation not permitted", "run as root", ""),
        ("the process cannot become another user: Windows has no setuid", "run as root", ""),
    ],
)
def test_what_is_missing_has_a_line_that_brings_it(reason: str, line: str, wanted: str) -> None:
    assert remedy_of(reason) == Remedy(line, wanted)


def test_all_that_one_line_brings_is_in_one_line() -> None:
    reasons = ["nano is not installed", "no mkfs.xfs here", "nano is not installed", "needs Mars"]
    assert list(told(reasons)) == [
        f"3 skipped: {INSTALL} nano xfsprogs",
        "1 skipped: nothing here brings them: needs Mars",
    ]


def test_where_nothing_was_skipped_nothing_is_said() -> None:
    assert list(told([])) == []
