"""How many sessions at once are parted into batches, of which each is done together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["batches"]

# Each session may need a descriptor for its lock; macOS allows 256 descriptors by default.
_MOST = 128
_MOST_BYTES = 8 << 20

T = TypeVar("T")


def batches(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield items in batches of at most 128 and 8 MiB; one that is larger is alone.

    Args:
        items: What is parted; a batch is yielded before the items after it are asked for.
        size_of: Returns the bytes of an item.
    """
    batch: list[T] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _MOST or size + size_of(item) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += size_of(item)
    if batch:
        yield batch
