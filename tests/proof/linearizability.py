"""Is there one legal order of all calls that agrees with when each began and ended? Pure.

The search of Wing and Gong (1993) with the memory of Lowe (2017): a call may come next if no other
that is still to come had ended before it began; a set of calls in a state that was met before is
not searched again. A call whose process was killed may take effect at any time after its
beginning, or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Call", "SearchTooLongError", "Verdict", "check"]

S = TypeVar("S", bound=Hashable)

_MOST_STATES = 1_000_000


class SearchTooLongError(AssertionError):
    """The history has too many orders; nothing is known of it."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call as its caller saw it.

    Attributes:
        verb: What was called.
        argument: With what.
        result: What came back; None where nobody lived to see it.
        start: When it was called, by a clock that all callers share.
        end: When it returned; infinity for a call without a result.
        who: The caller, for those who read about it.
        after: A part of the same verb that comes before this one.
    """

    verb: str
    argument: Hashable
    result: Hashable
    start: float
    end: float = math.inf
    who: str = ""
    after: Call | None = None

    @property
    def is_known(self) -> bool:
        """Whether the caller saw a result."""
        return self.result is not None


@dataclass(frozen=True)
class Verdict(Generic[S]):
    """What the search found.

    Attributes:
        order: A legal order of all known calls, or the longest that there is.
        is_linearizable: Whether it holds all of them.
        state: The state at its end.
        blocked: The calls of which one would have to come next, and none can.
        states: How many states were met.
    """

    order: tuple[Call, ...]
    is_linearizable: bool
    state: S
    blocked: tuple[Call, ...]
    states: int

    def __str__(self) -> str:
        if self.is_linearizable:
            return f"a legal order of {len(self.order)} calls"
        lines = [f"no legal order; the longest has {len(self.order)} calls and ends with"]
        lines += [f"  {call}" for call in self.order[-8:]]
        lines += [f"in {self.state}, where none of these can be next:"]
        return "\n".join([*lines, *(f"  {call}" for call in self.blocked)])


def check(calls: Sequence[Call], initial: S, step: Callable[[S, Call], S | None]) -> Verdict[S]:
    """Search for a legal order.

    Args:
        calls: All calls on one object.
        initial: Its state before them.
        step: Returns the state after a call; None where the call could not have had that result.
            A call without a result has the effect that it has when it succeeds.

    Raises:
        SearchTooLongError: There are more than a million states.
    """
    ordered = sorted(calls, key=lambda call: call.start)
    places = {call: at for at, call in enumerate(ordered)}
    before = [1 << places[call.after] if call.after else 0 for call in ordered]
    needed = sum(1 << at for at, call in enumerate(ordered) if call.is_known)
    seen = {(0, initial)}
    path = [(0, initial, -1, _steps(ordered, before, 0, initial, step))]
    best = path.copy()
    while path:
        done, state, _, steps = path[-1]
        if done & needed == needed:
            return Verdict(_calls(ordered, path), True, state, (), len(seen))
        for at, after in steps:
            if (key := (done | 1 << at, after)) not in seen:
                seen.add(key)
                path.append((*key, at, _steps(ordered, before, *key, step)))
                break
        else:
            path.pop()
        best = path.copy() if len(path) > len(best) else best
        if len(seen) > _MOST_STATES:
            raise SearchTooLongError(f"more than {_MOST_STATES} states of {len(calls)} calls")
    done, state = best[-1][:2]
    blocked = tuple(ordered[at] for at in _next(ordered, before, done))
    return Verdict(_calls(ordered, best), False, state, blocked, len(seen))


def _steps(
    ordered: Sequence[Call],
    before: Sequence[int],
    done: int,
    state: S,
    step: Callable[[S, Call], S | None],
) -> Iterator[tuple[int, S]]:
    """Return the calls that may come next, and the states after them.

    One that changes nothing may come at once: every order in which it comes later has one with it
    here. So it is the only one that is tried.
    """
    found = []
    for at in _next(ordered, before, done):
        after = step(state, ordered[at])
        if after == state and ordered[at].is_known:
            return iter([(at, after)])
        if after is not None and after != state:
            found.append((at, after))
    return iter(found)


def _calls(
    ordered: Sequence[Call], path: Sequence[tuple[int, S, int, Iterator[tuple[int, S]]]]
) -> tuple[Call, ...]:
    return tuple(ordered[at] for _, _, at, _ in path[1:])


def _next(ordered: Sequence[Call], before: Sequence[int], done: int) -> list[int]:
    """Return the calls that may come next; what ended first is likely to have come first."""
    found = []
    earliest_end = math.inf
    for at in range((~done & (done + 1)).bit_length() - 1, len(ordered)):
        if done >> at & 1:
            continue
        call = ordered[at]
        if call.start > earliest_end:
            break
        earliest_end = min(earliest_end, call.end)
        if before[at] & done == before[at]:
            found.append(at)
    return sorted(found, key=lambda at: ordered[at].end)
