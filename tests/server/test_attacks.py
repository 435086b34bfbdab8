"""The table of attacks: each case of the list is in it, and so is the test that tries it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "attacks.md"
CASES = 23
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| `([^`:]+)::(test_\w+)` \|$", re.MULTILINE)
ROWS = _ROW.findall(TABLE.read_text("utf-8"))


def test_each_case_of_the_list_has_a_row() -> None:
    assert {int(number) for number, *_ in ROWS} == {*range(1, CASES + 1)}
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if re.match(r"\| \d", line)]
    assert len(lines) == len(ROWS)


@pytest.mark.parametrize(("number", "file", "name"), [(row[0], *row[3:]) for row in ROWS])
def test_the_test_of_a_case_is_there(number: str, file: str, name: str) -> None:
    source = (TESTS / file).read_text("utf-8")
    assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), (number, name)
