"""How much a run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything.

    Attributes:
        sizes: Messages of a session.
        stores: Sessions of a store.
        rounds: Rounds of turns and loads, and of listings.
        slow_rounds: Rounds of slow workloads: rebuilding, bulk imports, imports of packages.
        real: Sessions of the store that is made of real transcripts; 0 leaves it out.
        real_rounds: Rounds of each question to that store.
        files: Transcripts of the bulk import.
        budget: Seconds that a contestant may take for a workload and size; for the first three
            rounds, six times that.
        patience: Expected seconds of an act above which it is left out.
        memory: Whether the memory of a load is measured.
    """

    sizes: tuple[int, ...] = (10, 100, 1_000, 10_000)
    stores: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    rounds: int = 15
    slow_rounds: int = 5
    real: int = 100_000
    real_rounds: int = 9
    files: int = 1_000
    budget: float = 5.0
    patience: float = 60.0
    memory: bool = True


FULL = Plan()
QUICK = Plan((10, 100, 1_000), (100, 1_000), 3, 1, 1_000, 3, 50, 0.5, 15.0, memory=False)
