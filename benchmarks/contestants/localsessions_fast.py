"""This project's store without the promise that what was acknowledged survives a power cut."""

from __future__ import annotations

from benchmarks.contestants import localsessions_store


class Store(localsessions_store.Store):
    """As the other, with ``durability="fast"``."""

    durability = "fast"
