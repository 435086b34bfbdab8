"""Whatever two stores are asked to do, they agree with a dict, on every engine.

The rules are those of tests/proof, where other programs write and databases are lost besides.
"""

from __future__ import annotations

import os
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import rule, run_state_machine_as_test
from proof.asking import Asking
from proof.changing import Changing
from proof.deleting import Deleting
from proof.model import WHICH

from contract.places import ENGINES, PLACES, Place
from localsessions import SessionStore

IS_NIGHT = os.environ.get("HYPOTHESIS_PROFILE") == "night"
SIZE = (
    settings(stateful_step_count=100)
    if IS_NIGHT
    else settings(max_examples=15, stateful_step_count=30)
)


class StoresAndADict(Changing, Deleting, Asking):
    """All rules that no file, no index and no other program is in."""

    engine: ClassVar[str]
    place: Place | None = None

    def open(self) -> SessionStore:
        self.place = self.place or PLACES[self.engine](self.folder)
        return self.place.open()

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()

    @rule(which=WHICH)
    def reindex(self, which: int) -> None:
        assert self.stores[which].reindex() == len(self.model)
        self.is_damaged = True  # whoever was away lists again


@pytest.mark.parametrize("engine", ENGINES)
def test_two_stores_agree_with_a_dict(engine: str) -> None:
    machine = type("Machine", (StoresAndADict,), {"engine": engine})
    run_state_machine_as_test(machine, settings=SIZE)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_that_came_back_is_what_it_was(engine: str) -> None:
    """A walk that hypothesis seldom takes: who loaded it before it was deleted may save it."""
    machine = type("Machine", (StoresAndADict,), {"engine": engine})()
    try:
        machine.begin_empty()
        machine.create(0, "a", "plain", None, expired=False)
        loaded, another = machine.load(0, "a"), machine.load(1, "a")
        machine.edit(1, "a", [])
        machine.delete(1, "a")
        machine.restore(0, "a")
        machine.save(1, loaded, "parser")
        machine.save(0, another, "plain")
        machine.both_stores_agree_with_the_dict()
    finally:
        machine.teardown()
