"""Measure, and write docs/benchmarks.md.

    python -m benchmarks [--quick] [--only NAME ...] [--folder FOLDER] [--output DOCS]
    python -m benchmarks --page-only

The folder decides which file system is measured. A quick run takes under a minute once the
environments of the peers exist, and says little. ``--page-only`` writes the page again from the
results of the last run. The exit status is 1 if an answer was wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.contest import Contest
from benchmarks.contestants import ENTRIES
from benchmarks.environments import Environments
from benchmarks.machine import machine
from benchmarks.plan import FULL, QUICK
from benchmarks.player import ROOT
from benchmarks.report import page, pictures
from benchmarks.results import Results

PLACE = ROOT / ".bench"


def main() -> int:
    """Do what the arguments say and return the exit status."""
    chosen = _arguments()
    kept = chosen.output / "benchmarks" / "results.json"
    if chosen.page_only:
        write(chosen.output, Results.read(kept))
        return 0
    PLACE.mkdir(exist_ok=True)
    (PLACE / ".gitignore").write_text("*\n", "utf-8")
    folder = (chosen.folder or PLACE) / "localsessions-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(machine(folder), chosen.quick)
    plan = QUICK if chosen.quick else FULL
    contest = Contest(plan, folder, Environments(PLACE / "environments"), results)
    contest.run([one for one in ENTRIES if not chosen.only or one.name in chosen.only])
    kept.parent.mkdir(parents=True, exist_ok=True)
    results.write(kept)
    write(chosen.output, results)
    shutil.rmtree(folder)
    for line in contest.wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if contest.wrong else 0


def write(docs: Path, results: Results) -> None:
    """Write the page and its pictures."""
    (docs / "benchmarks.md").write_text(page(results), "utf-8")
    for name, picture in pictures(results).items():
        (docs / "benchmarks" / name).write_text(picture, "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure stores of sessions.")
    parser.add_argument("--quick", action="store_true", help="few rounds, small sizes")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=[one.name for one in ENTRIES], default=[]
    )
    parser.add_argument("--folder", type=Path, help="where to store; default: .bench")
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    parser.add_argument("--page-only", action="store_true", help="write the page again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
