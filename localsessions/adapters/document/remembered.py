"""What was found lately, so that it is not asked for again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar, overload

__all__ = ["Remembered"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


class Remembered(Generic[K, V]):
    """Values by name, for any number of threads; what was used longest ago is forgotten.

    Args:
        most: How many values are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def __contains__(self, name: K) -> bool:
        with self._lock:
            return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def get(self, name: K) -> V | None: ...
    @overload
    def get(self, name: K, default: D) -> V | D: ...
    def get(self, name: K, default: D | None = None) -> V | D | None:
        """Return a value; ``default`` if it is not known, or was forgotten."""
        with self._lock:
            if name not in self._values:
                return default
            self._values.move_to_end(name)
            return self._values[name]

    def put(self, name: K, value: V) -> V:
        """Remember a value; return it."""
        with self._lock:
            self._values[name] = value
            self._values.move_to_end(name)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value

    def pop(self, name: K) -> V | None:
        """Forget a value; return it, None if it is not known."""
        with self._lock:
            return self._values.pop(name, None)
