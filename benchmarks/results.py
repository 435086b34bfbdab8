"""The figures of a run, what is computed from them, and the file that holds them."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, int, str]
"""Workload, size, contestant."""
REAL = "real store: "
"""The workloads of the store of real transcripts begin with this."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles."""

    low: float
    median: float
    high: float


@dataclass
class Results:
    """Everything that a run measured.

    Attributes:
        machine: Where it was measured, in words.
        quick: Whether it was a short run, whose figures say little.
        contestants: ``name``, ``label``, ``kind``, ``way`` and ``version`` of each that ran.
        missing: For each that could not take part, the reason, by label.
        durability: What a turn did, by name; see ``durability.Durability``.
        figures: Seconds, or bytes of memory, a value for each round.
        gaps: Why a figure is missing, though the contestant offers the workload.
    """

    machine: dict[str, str]
    quick: bool
    contestants: list[dict[str, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    durability: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[Key, list[float]] = field(default_factory=dict)
    gaps: dict[Key, str] = field(default_factory=dict)

    def spread(self, workload: str, size: int, name: str) -> Spread | None:
        """Return median and quartiles of a figure, or None."""
        values = self.figures.get((workload, size, name))
        if not values:
            return None
        if len(values) == 1:
            return Spread(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(low, median, high)

    def median(self, workload: str, size: int, name: str) -> float | None:
        """Return the median of a figure, or None."""
        found = self.spread(workload, size, name)
        return found.median if found else None

    def ratio(self, of: Key, to: Key) -> float | None:
        """Return the ratio of two medians; None if one of them is missing."""
        upper, lower = self.median(*of), self.median(*to)
        return upper / lower if upper is not None and lower else None

    def sizes(self, workload: str) -> list[int]:
        """Return the sizes that a workload ran at, in order."""
        return sorted({size for done, size, _ in [*self.figures, *self.gaps] if done == workload})

    def real(self) -> list[tuple[str, int]]:
        """Return the workloads of the store of real transcripts, and how many it holds."""
        return [
            (what, size)
            for what, size, name in self.figures
            if what.startswith(REAL) and name == "localsessions"
        ]

    def is_durable(self, name: str) -> bool:
        """Return whether a turn's messages were synced before the call returned."""
        return bool(self.durability.get(name, {}).get("durable"))

    def write(self, path: Path) -> None:
        """Write everything to a file."""
        document = asdict(self) | {
            "figures": [
                {"workload": workload, "size": size, "contestant": name, "values": values}
                for (workload, size, name), values in self.figures.items()
            ],
            "gaps": [
                {"workload": workload, "size": size, "contestant": name, "reason": reason}
                for (workload, size, name), reason in self.gaps.items()
            ],
        }
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a file that ``write`` wrote."""
        document = json.loads(path.read_text("utf-8"))
        document["figures"] = {_key(one): one["values"] for one in document["figures"]}
        document["gaps"] = {_key(one): one["reason"] for one in document["gaps"]}
        return cls(**document)


def _key(one: dict[str, Any]) -> Key:
    return (one["workload"], one["size"], one["contestant"])
