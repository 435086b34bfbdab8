"""The contestants. The harness and every child read it, so it may import only the standard library.

A contestant is a class in a file here that implements ``Contestant``. To add a contestant, write
the file and an ``Entry``. Each does the work through the public calls that its users would make; if
its own documents say how, the file cites them.
"""

from __future__ import annotations

from benchmarks.contestants.contract import Contestant
from benchmarks.contestants.entries import ENTRIES
from benchmarks.contestants.entry import Entry, Kind

__all__ = ["ENTRIES", "Contestant", "Entry", "Kind"]
