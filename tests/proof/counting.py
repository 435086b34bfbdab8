"""How much each attack tried: counted while it runs, published by `report.py`.

``make proof`` names a folder in ``LOCALSESSIONS_PROOF``. With it the attacks run at full size and
their counts are written there, a line each; without it they are small and nothing is written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["IS_FULL", "counts", "sized", "tried"]

_FOLDER = os.environ.get("LOCALSESSIONS_PROOF")
IS_FULL = _FOLDER is not None


def sized(small: int, full: int, *, spawned: tuple[int, int] | None = None) -> int:
    """Return how much to try: in every run of the tests, or under ``make proof``.

    ``spawned`` is for systems where each process is a new interpreter, which costs seconds.
    """
    if spawned is not None and not hasattr(os, "fork"):
        small, full = spawned
    return full if IS_FULL else small


def tried(attack: str, what: str, number: int) -> None:
    """Count what an attack has tried, after it was found to be well.

    Args:
        attack: The row of the published table, as in "crash states".
        what: What is counted, a plural, as in "states opened".
        number: How many more.
    """
    if _FOLDER is None:
        return
    line = json.dumps({"attack": attack, "what": what, "number": number}) + "\n"
    # One write of a short line at the end of the file: processes that count at once lose nothing.
    with (Path(_FOLDER) / "counts.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)


def counts(folder: Path) -> dict[str, dict[str, int]]:
    """Return the sums by attack and what was counted, in order of their first line."""
    sums: dict[str, dict[str, int]] = {}
    for line in (folder / "counts.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        attack = sums.setdefault(entry["attack"], {})
        attack[entry["what"]] = attack.get(entry["what"], 0) + entry["number"]
    return sums
