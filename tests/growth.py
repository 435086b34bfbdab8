"""How the time of an act grows with the size of what it is given.

It is measured as an exponent between two sizes, one 16 times the other: 1 is linear, 2 is a square.
A machine changes its speed from one moment to the next, and more memory is slower memory. At these
sizes a square takes 16 times as long as what is linear, which is more than a machine adds. The
exception is an act that does little more than copy its bytes: new memory may take it 25 times as
long. So what takes no longer than to add the bytes up, one by one, counts as linear.
"""

from __future__ import annotations

import functools
import gc
import math
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["exponent", "least", "seconds"]

T = TypeVar("T")

_FACTOR = 16


@functools.cache
def least() -> float:
    """Return the seconds that this process's clock measures well enough."""
    begun = time.process_time()
    while (now := time.process_time()) == begun:
        pass
    return max(0.002, 5 * (now - begun))


def seconds(act: Callable[[T], object], given: T) -> float:
    """Return the processor time of this process that an act takes; a short act is repeated."""
    begun, times, took = time.process_time(), 0, 0.0
    while took < least():
        act(given)
        times, took = times + 1, time.process_time() - begun
    return took / times


def exponent(
    act: Callable[[T], object], make: Callable[[int], T], size: int, *, largest: int | None = None
) -> float:
    """Return the power of the size with which an act grows: 1 with it, 2 with its square.

    Args:
        act: What is measured.
        make: Makes what is given to the act, of a size.
        size: The smaller size. It is doubled while the act takes less than ``least``: a square
            shows better where there is more of it.
        largest: The limit of that; None does not double.
    """
    gc.collect()
    gc.disable()  # it runs only above some number of objects: the larger size would pay for it
    try:
        while seconds(act, make(size)) < least() and 2 * size <= (largest or size):
            size *= 2
        small, large = make(size), make(_FACTOR * size)
        begun, trials, power = time.process_time(), 0, math.inf
        # Other programs can only make a trial slower.
        shortest = longest = math.inf
        while trials < 2 or (power >= 1.5 and trials < 40 and time.process_time() - begun < 3):
            shortest = min(shortest, seconds(act, small))
            longest = min(longest, seconds(act, large))
            trials, power = trials + 1, math.log(longest / shortest, _FACTOR)
        return min(power, 1.0) if longest < _adding_up(large) else power
    finally:
        gc.enable()


def _adding_up(given: object) -> float:
    """Return the seconds that it takes to add up bytes; 0 for all else."""
    return seconds(sum, given) if isinstance(given, bytes) else 0
