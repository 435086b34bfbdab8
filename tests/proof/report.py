"""Writes what a full run tried, and what each deliberate breakage met, into docs/testing.md.

python -m proof.report FOLDER

Only a run in which nothing was violated gets here: `make proof` stops at the first failure.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from proof.counting import counts
from proof.mutations import Outcome

__all__ = ["counted", "mutated", "with_section", "write_counts"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def with_section(page: str, name: str, text: str) -> str:
    """Return a page with the text between the marks of a section replaced.

    Raises:
        ValueError: The page has no such section.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    if begin not in page or end not in page:
        raise ValueError(f"the page has no section {name!r}: the lines {begin!r} and {end!r}")
    head, _, rest = page.partition(begin)
    return head + begin + text + end + rest.partition(end)[2]


def counted(sums: Mapping[str, Mapping[str, int]], run: str) -> str:
    """Return the table of what each attack tried."""
    rows = [
        f"| {attack} | {', '.join(f'{number:,} {what}' for what, number in numbers.items())} | 0 |"
        for attack, numbers in sorted(sums.items())
    ]
    return "\n".join(
        [f"{run}\n", "| attack | tried | violations |", "| --- | --- | --- |", *rows, ""]
    )


def mutated(outcomes: Iterable[Outcome]) -> str:
    """Return the table of breakages and the tests that caught them."""
    rows = [f"| {one.what} | `{one.file}` | `{one.test}` |" for one in outcomes]
    head = ["| what was broken | where | caught by |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, ""])


def write_counts(folder: Path, section: str, run: str) -> None:
    """Put what was counted in a folder into a section of the page."""
    page = with_section(PAGE.read_text("utf-8"), section, counted(counts(folder), run))
    PAGE.write_text(page, "utf-8")


def _run() -> str:
    return (
        f"`make proof` of {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.release().split('-')[0]}."
    )


def main(folder: str) -> None:
    """Put whatever the folder holds into the page."""
    if (Path(folder) / "counts.jsonl").exists():
        write_counts(Path(folder), "counts", _run())
    page = PAGE.read_text("utf-8")
    if (found := Path(folder) / "mutations.json").exists():
        outcomes = [Outcome(**one) for one in json.loads(found.read_text("utf-8"))]
        page = with_section(page, "mutations", mutated(outcomes))
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
