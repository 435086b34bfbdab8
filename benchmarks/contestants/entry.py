"""What the harness has to know of a contestant before its child runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["floor", "ours", "peer"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant: its place in the code, in the tables and in an environment.

    Args:
        name: Short and fixed; stands in the results.
        label: Stands in the tables.
        module: The file beside this one.
        kind: A peer runs in an environment of its own, the others in that of the harness.
        offers: The workloads that it has calls for.
        way: The calls, for the page.
        environment: Peers that name the same one share it.
        requirements: What pip installs there; the first is the one whose version is shown.
        imports: The statement whose cost is measured.
    """

    name: str
    label: str
    module: str
    kind: Kind
    offers: frozenset[str]
    way: str
    environment: str = ""
    requirements: tuple[str, ...] = ()
    imports: str = ""

    @property
    def distribution(self) -> str:
        """The package whose version is shown."""
        first = self.requirements[0] if self.requirements else ""
        for mark in "<>=[":
            first = first.partition(mark)[0]
        return first
