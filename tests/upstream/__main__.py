"""Runs the frameworks' own tests over our adapters, and one session through all frameworks.

python -m upstream                     all
python -m upstream openai_agents       some
python -m upstream --own claude_agent  over the framework's own class
python -m upstream relay               one session through all of them
python -m upstream crowd               sixteen processes of several at once

The exit code is 1 if anything is not as frameworks.toml says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from upstream.relay import crowd, race
from upstream.suites import Suite, suites

Act: TypeAlias = Callable[[], tuple[bool, str]]


def main(arguments: list[str]) -> int:
    own = "--own" in arguments
    names = [one for one in arguments if one != "--own"]
    acts: dict[str, Act] = {one.name: partial(tested, one, own=own) for one in suites()}
    acts["relay"] = relayed
    acts["crowd"] = crowded
    if unknown := [name for name in names if name not in acts]:
        print(f"there is no suite {unknown[0]!r}; there are {', '.join(acts)}", file=sys.stderr)
        return 2
    told = {name: acts[name]() for name in names or acts}
    print("\n".join(f"{name}: {said}" for name, (_, said) in told.items()))
    return 0 if all(is_well for is_well, _ in told.values()) else 1


def tested(suite: Suite, *, own: bool) -> tuple[bool, str]:
    """Run a suite; return whether it is as it should be, and what to say."""
    counts = suite.run(own=own)
    said = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
    wanted = "" if own else f" (of {suite.passed})"
    return own or suite.is_as_it_should_be(counts), f"{said}{wanted}, {counts.seconds:.0f} s"


def relayed() -> tuple[bool, str]:
    """Run the relay; return whether all saw all, and what to say."""
    try:
        return True, f"{race.run()} turns, each saw all before it"
    except race.RelayError as error:
        return False, str(error)


def crowded() -> tuple[bool, str]:
    """Run the crowd; return whether all is there once, and what to say."""
    try:
        return True, f"{crowd.run()} batches of {crowd.PROCESSES} processes, each there once"
    except crowd.CrowdError as error:
        return False, str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
