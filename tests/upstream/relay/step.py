"""What a turn of the relay says, and what a program of it prints.

Each program reads the session through its framework, with a stand-in for the model, and does one
turn: a question, a call of a tool, its result, an answer. What the model was told before its first
answer is what the framework sees.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Seen", "Step", "play"]

Seen: TypeAlias = list[tuple[str, str]]
"""What was said, in order: the kind ("user", "call", "result", "assistant") and the words."""


class Step(NamedTuple):
    """One turn of one framework."""

    place: str
    name: str
    number: int

    @property
    def asked(self) -> str:
        """What the user says."""
        return f"{self.name} asks as number {self.number}"

    @property
    def city(self) -> str:
        """What the tool is called with."""
        return f"City {self.number}"

    @property
    def told(self) -> str:
        """What the tool returns."""
        return f"sunny in City {self.number}"

    @property
    def answer(self) -> str:
        """What the model says in the end."""
        return f"{self.name} answers as number {self.number}"

    @property
    def call_id(self) -> str:
        """The id of the call; it fits the rules of each framework."""
        return f"call{self.number:05}"

    @property
    def said(self) -> Seen:
        """All of it, as the next one has to see it."""
        return [
            ("user", self.asked),
            ("call", f"weather {self.city}"),
            ("result", self.told),
            ("assistant", self.answer),
        ]


SESSION = "relay"


def play(run: Callable[[Step], Coroutine[Any, Any, Seen]]) -> None:
    """Do the turn that the command line names, and print what was seen before it."""
    place, name, number = sys.argv[1:4]
    print(json.dumps(asyncio.run(run(Step(place, name, int(number))))))
