"""What the tests were skipped for want of, and the line that brings it.

What a test needs is named by its marker (tests/needs.py); some find out as they go. The reasons
are those that they give, word for word; one that is not known here is told as it
is, so that nothing is skipped in silence.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import needs

__all__ = ["INSTALL", "Remedy", "remedy_of", "told"]

INSTALL = "apt-get install" if os.name == "posix" else "install"


class Remedy(NamedTuple):
    """What brings skipped tests.

    Attributes:
        line: What to type or to do; of one that installs, without what.
        wanted: What the line installs; empty where the line is all.
    """

    line: str
    wanted: str = ""


# Programs whose package has another name.
_PACKAGES = {
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
}
_REMEDIES: tuple[tuple[str, Remedy], ...] = (
    (r"^(agno|agentscope) is (?:not installed|missing)", Remedy("pip install --group frameworks")),
    (r"^atheris is not installed", Remedy("make proof PYTHON=python3.11, on Linux")),
    (r"^strace is not (?:there|installed,) or may not look", Remedy(INSTALL, "strace")),
    (
        r"takes root|cannot become another user|use up the instances|no right to mount",
        Remedy("run as root"),
    ),
    (r"cannot be mounted here|nobody may make one", Remedy("run as root")),
    (r"does not let a process be traced", Remedy("allow ptrace, as by --cap-add SYS_PTRACE")),
    (
        r"^(?:no |there is no )?([\w.]+)(?: is not installed| here| on this machine|$)",
        Remedy(INSTALL, r"\1"),
    ),
    (r"^(\w+) delays the calls and is not installed", Remedy(INSTALL, r"\1")),
)


def remedy_of(reason: str) -> Remedy | None:
    """Return what brings a test that was skipped for a reason; None where nothing is known."""
    for pattern, remedy in _REMEDIES:
        if found := re.search(pattern, reason):
            wanted = found.expand(remedy.wanted)
            return Remedy(remedy.line, _PACKAGES.get(wanted, wanted))
    return None


def told(reasons: Iterable[str]) -> Iterator[str]:
    """Say what was skipped: a line for each way to bring it, that of the most tests first."""
    counts: Counter[str] = Counter()
    wanted: dict[str, set[str]] = {}
    for reason in reasons:
        need, bare = needs.need_of(reason)
        remedy = remedy_of(bare)
        if need and remedy is None:
            continue  # the table of needs has said it
        line = f"nothing here brings them: {reason}" if remedy is None else remedy.line
        counts[line] += 1
        wanted.setdefault(line, set()).update([remedy.wanted] if remedy and remedy.wanted else [])
    for line, count in counts.most_common():
        yield f"{count} skipped: {' '.join([line, *sorted(wanted[line])])}"
