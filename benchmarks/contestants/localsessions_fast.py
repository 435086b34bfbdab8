"""This project's store without the promise that an acknowledged write survives a power cut."""

from __future__ import annotations

from benchmarks.contestants import localsessions_store


class Store(localsessions_store.Store):
    """Like the other store, with ``durability="fast"``."""

    durability = "fast"
