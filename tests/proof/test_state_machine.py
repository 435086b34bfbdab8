"""Whatever happens to a folder, every store of it agrees with a dict.

Two stores are open at once; either may be closed and opened again; another program writes,
truncates, replaces, copies, moves and removes files and puts their times back; the databases
vanish, are garbled, are made anew by another version or put back as they were. After each step
both stores say what the dict says, whichever way they are asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, rule
from inside import local

from localsessions import SessionStore
from proof.asking import Asking
from proof.changing import Changing
from proof.counting import sized
from proof.deleting import Deleting
from proof.following import Follower, Poller
from proof.meddling import Meddling
from proof.model import WHICH, TwoStores

# At full size it takes two minutes alone, and more beside the other attacks.
pytestmark = [pytest.mark.untraced, pytest.mark.timeout(sized(300, 1200))]

# What the machine leaves to others, and to whom.
NOT_HERE = {
    "get": "is load",
    "watch": "the follower below",
    "close": "reopen, by every rule that needs it",
    "save_dir": "is no verb",
    "engine": "is no verb",
    "path": "names the files that other programs write",
    "list": "the invariant",
}


class StoresAndADict(Changing, Deleting, Asking, Meddling):
    """All rules in one machine."""


def test_a_walk_through_the_rules_by_hand() -> None:
    """What hypothesis needs minutes to make small is found here in one."""
    machine = StoresAndADict()
    machine.begin_empty()
    walk: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (machine.create, (0, "a", "plain", "ann", False)),
        (machine.create, (1, "b", None, None, True)),
        (machine.get_or_create, (1, "a", "plain")),
        (machine.get_or_create, (0, "имя", "plain")),
        (machine.delete, (1, "имя")),
        (machine.append, (1, "a", "parser")),
        (machine.write_outside, ("c d", "parser")),
        (machine.write_in_place_and_put_times_back, ("a", "токен")),
        (machine.changes, (1,)),
        (machine.tear_outside, ("c d", False)),
        (machine.remove_outside, ("c d",)),
        (machine.changes, (0,)),
        (machine.upsert_run, (0, "b", "r", "plain", "索引")),
        (machine.streaming, (1, "b", "parser", True)),
        (machine.streaming, (0, "b", "plain", False)),
        (machine.history, (0, "b", 1)),
        (machine.fork, (1, "b", "имя", 0)),
        (machine.save_checkpoint, (0, "b", 1)),
        (machine.delete, (1, "b")),
        (machine.restore, (0, "b")),
        (machine.load_checkpoint, (1, "b")),
        (machine.replace_outside, ("b", "Лексер", "索引")),
        (machine.page_through, (0, "-last_activity", 1, None, None)),
        (machine.changes, (1,)),
        (machine.put_the_databases_back, ("keep",)),
        (machine.append, (0, "b", "plain")),
        (machine.put_the_databases_back, ("put back",)),
        (machine.lose_a_database, ("index.sqlite3",)),
        (machine.verify_and_repair, (1,)),
        (machine.cleanup, (0, True, False)),
    ]
    try:
        for step, values in walk:
            step(*values)
            machine.both_stores_agree_with_the_dict()
    finally:
        machine.teardown()


def test_the_machine_does_every_verb() -> None:
    verbs = {name for name in vars(SessionStore) if not name.startswith("_")}
    # Asked by a rule of another name, or by the invariant.
    named = {"search": "page_through", "count": "page_through", "trash": "agrees"} | {
        "stats": "count_since_and_live", "last_change": "changes", "verify": "verify_and_repair",
        "repair": "verify_and_repair", "checkpoints": "load_checkpoint",
        "raw": "kept", "short_ids": "resolve", "context": "history", "runs": "history",
    }  # fmt: skip
    rules = {name for part in StoresAndADict.__bases__ for name in vars(part) if name[0] != "_"}
    assert verbs == (verbs & rules) | named.keys() | NOT_HERE.keys()
    assert {*named.values()} <= rules | vars(TwoStores).keys()


TestStoresAndADict = StoresAndADict.TestCase


class AFollowerAndADict(StoresAndADict):
    """The first store is watched all the time; after each step the picture is the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.follower = Follower(self.stores[0])

    @initialize()
    def begin_empty(self) -> None:
        assert self.follower.picture == {}
        self.poller = Poller(self.stores[0])

    def open_both(self) -> None:
        super().open_both()
        self.follower.follow(self.stores[0], self.follower.watch.number)

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()
        if which == 0:
            self.follower.follow(self.stores[0], self.follower.watch.number)

    @invariant()
    def both_stores_agree_with_the_dict(self) -> None:
        expected = {
            session_id: None
            if isinstance(known, str)
            else (known.title or (known.texts[0] if known.texts else ""), len(known.texts))
            for session_id, known in self.model.items()
        }
        deadline = time.monotonic() + 120
        while self.follower.seen() != expected or not self.is_quiet():
            assert self.follower.failures == []
            assert time.monotonic() < deadline, (self.follower.seen(), expected)
            time.sleep(0.002)
        assert self.follower.failures == []
        # An edit outside may leave title and texts as they were, and change user or status: what
        # is asked next about these is asked of stores that have looked.
        for store in self.stores:
            store.list(fresh=True, limit=1)

    def is_quiet(self) -> bool:
        """Tell whether all was told; after a list also what is in it already."""
        if self.follower.has_listed:
            listings = self.follower.listings
            self.stores[0].list(fresh=True)
            last = self.stores[0].last_change()
            if local(self.stores[0]).reconciler.log_waiting() or self.follower.watch.number < last:
                return False
            return self.follower.is_settled(listings)
        return True

    def teardown(self) -> None:
        try:
            super().both_stores_agree_with_the_dict()
        finally:
            super().teardown()


TestAFollowerAndADict = AFollowerAndADict.TestCase


def of_size(examples: int, steps: int) -> settings:
    """The size of a run: what the profile says at night, else what there is time for."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "night":
        return settings(stateful_step_count=100)
    return settings(max_examples=examples, stateful_step_count=steps)


TestStoresAndADict.settings = of_size(sized(45, 120, spawned=(3, 12)), sized(30, 50))
TestAFollowerAndADict.settings = of_size(sized(10, 30, spawned=(2, 4)), sized(25, 40))
