"""How the time of an act grows with the size of what it is given.

A machine is slower or faster from one moment to the next, and memory is slower where there is more
of it; what is looked at is the exponent between two sizes that lie far apart. Between 1 (a line)
and 2 (a square) lie 16 times, which no machine makes up.
"""

from __future__ import annotations

import functools
import gc
import math
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["FACTOR", "exponent", "least", "seconds"]

T = TypeVar("T")

FACTOR = 16
"""How many times the larger size is the smaller one."""


@functools.cache
def least() -> float:
    """Return the seconds that this process's clock measures well enough."""
    begun = time.process_time()
    while (now := time.process_time()) == begun:
        pass
    return max(0.002, 5 * (now - begun))


def seconds(act: Callable[[T], object], given: T) -> float:
    """Return the processor time of this process that an act takes."""
    begun = time.process_time()
    act(given)
    return time.process_time() - begun


def exponent(
    act: Callable[[T], object], make: Callable[[int], T], size: int, *, largest: int | None = None
) -> float:
    """Return the power of the size with which an act grows: 1 with it, 2 with its square.

    Args:
        act: What is measured.
        make: Makes what is given to the act, of a size.
        size: The smaller size. It is doubled until the act takes a time that can be measured.
        largest: The size at which doubling ends. What takes no time there, counts as taking the
            least time.
    """
    gc.collect()
    gc.freeze()  # the collector is not to go through what all other tests left behind
    try:
        while seconds(act, make(size)) < least() and 2 * size <= (largest or size):
            size *= 2
        small, large = make(size), make(FACTOR * size)
        begun, trials, power = time.process_time(), 0, math.inf
        # Other programs can only make a trial slower.
        shortest = longest = math.inf
        while trials < 2 or (power >= 1.5 and trials < 40 and time.process_time() - begun < 3):
            shortest = min(shortest, seconds(act, small))
            longest = min(longest, seconds(act, large))
            trials, power = trials + 1, math.log(longest / max(shortest, least()), FACTOR)
        return power
    finally:
        gc.unfreeze()
