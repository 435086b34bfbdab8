"""Count what the importers read from a folder of transcripts, for a person to check.

    python -m tests.transcripts.count FOLDER

It prints a line for each format. If the folder has a ``files.json``, a list of ``{"file", "format",
"sessions", "messages"}``, each file is compared with it. The exit status is 1 if a file of a known
format differs. Sessions without a message are not stored; they are counted here all the same,
because the list counts them.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field

from localsessions.transcripts import FORMATS, FileReport, read_transcript


@dataclass
class Row:
    """The counts of a format."""

    files: int = 0
    sessions: int = 0
    messages: int = 0
    expected: int = 0
    wrong: list[str] = field(default_factory=list)


def main(folder: str) -> int:
    """Print the table and return the exit status."""
    listed = _listed(folder)
    rows: dict[str, Row] = defaultdict(Row)
    not_read: list[str] = []
    for path in _files(folder):
        name = os.path.relpath(path, folder)
        found = read_transcript(path)
        expected = listed.get(name, {})
        form = found.report.format or str(expected.get("format"))
        if found.report.format is None and form not in {known.name for known in FORMATS}:
            not_read.append(f"{name}: {found.report.skipped}")
            continue
        _count(rows[form], name, found.report, len(found.sessions), expected)
    print(f"{'format':22}{'files':>7}{'sessions':>10}{'messages':>10}{'expected':>10}  ok")
    for form, row in sorted(rows.items()):
        counts = f"{row.files:7}{row.sessions:10}{row.messages:10}{row.expected:10}"
        print(f"{form:22}{counts}  {'no' if row.wrong else 'yes'}")
    print(f"\nnot read: {len(not_read)} files", *not_read, sep="\n  ")
    wrong = [line for row in rows.values() for line in row.wrong]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


def _count(
    row: Row, name: str, report: FileReport, sessions: int, expected: dict[str, object]
) -> None:
    got = {
        "format": report.format,
        "sessions": sessions + report.empty,
        "messages": report.messages,
    }
    row.files += 1
    row.sessions += sessions + report.empty
    row.messages += report.messages
    row.expected += int(str(expected.get("messages", report.messages)))
    row.wrong += [
        f"{name}: {key} {value}, expected {expected[key]}"
        for key, value in got.items()
        if key in expected and expected[key] != value
    ]


def _listed(folder: str) -> dict[str, dict[str, object]]:
    try:
        with open(os.path.join(folder, "files.json"), encoding="utf-8") as file:
            return {entry["file"]: entry for entry in json.load(file)}
    except FileNotFoundError:
        return {}


def _files(folder: str) -> list[str]:
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name != "files.json"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
