"""pytest -p upstream.per_file: one line a test file at the end, and the counts of all as JSON."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _counts[report.nodeid.partition("::")[0]][report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, found in sorted(_counts.items()):
        said = ", ".join(f"{found[one]} {one}" for one in ("passed", "failed", "skipped"))
        terminalreporter.write_line(f"{name}: {said}")
    total = sum(_counts.values(), Counter())
    Path(os.environ["UPSTREAM_COUNTS"]).write_text(json.dumps(total), encoding="utf-8")
