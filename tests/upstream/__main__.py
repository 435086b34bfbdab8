"""Runs the frameworks' own tests over our adapters.

python -m upstream                     all
python -m upstream openai_agents       some
python -m upstream --own claude_agent  over the framework's own class

The exit code is 1 if anything is not as frameworks.toml says.
"""

from __future__ import annotations

import sys

from upstream.suites import suites


def main(arguments: list[str]) -> int:
    own = "--own" in arguments
    names = [one for one in arguments if one != "--own"]
    known = {suite.name: suite for suite in suites()}
    if unknown := [name for name in names if name not in known]:
        print(f"there is no suite {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    told, is_well = [], True
    for name in names or known:
        counts = known[name].run(own=own)
        is_well &= own or known[name].is_as_it_should_be(counts)
        said = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
        wanted = "" if own else f" (of {known[name].passed})"
        told.append(f"{name}: {said}{wanted}, {counts.seconds:.0f} s")
    print("\n".join(told))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
