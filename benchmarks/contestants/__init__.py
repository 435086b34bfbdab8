"""Who takes part. Read by the harness and by every child, so nothing but Python may be imported.

A contestant is a class in a file here that speaks ``Contestant``. To add one: write the file and
an ``Entry``. Each does the work through the public calls that its users would make; where its own
documents say how, the file cites them.
"""

from __future__ import annotations

from benchmarks.contestants.contract import Contestant
from benchmarks.contestants.entries import ENTRIES
from benchmarks.contestants.entry import Entry, Kind

__all__ = ["ENTRIES", "Contestant", "Entry", "Kind"]
