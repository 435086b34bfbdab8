"""What the harness needs to know of a contestant before its child runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["floor", "ours", "peer"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant: its place in the code, in the tables and in an environment.

    Args:
        name: Short and fixed; used in the results.
        label: Used in the tables.
        module: The file beside this file.
        kind: A peer runs in its own environment, the others in that of the harness.
        offers: The workloads that it has calls for.
        way: The calls, for the page.
        environment: Peers with the same name here share an environment.
        requirements: What pip installs there; the version of the first is shown.
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
