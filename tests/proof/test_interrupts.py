"""Ctrl-C at random in every verb, and forks in the middle of other threads' verbs.

Whoever catches Ctrl-C and goes on finds no lock taken and no transaction open; a forked child can
use what it inherited and what it opens, and takes nothing from its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localsessions import SessionStore
from proof.counting import sized, tried
from proof.forks import fork_at_work
from proof.history import assert_linearizable
from proof.interrupts import work_interrupted
from proof.nursery import Nursery
from proof.verbs import sound

NAMES = ["s", "t"]


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


@pytest.mark.needs("signals")
def test_interrupted_verbs_leave_nothing_taken_and_a_legal_order(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    times = 10  # more of unknown outcome, and the search for an order takes too long
    for seed in range(sized(5, 80)):
        histories, where = tmp_path / str(seed), folder / str(seed)
        histories.mkdir()
        for who in ("a", "b"):
            nursery.start(work_interrupted, str(where), str(histories), who, NAMES, times, seed)
        assert nursery.wait() == [0, 0]
        with SessionStore(where) as store:
            assert sound(store)["findings"] == []
        checked, calls = assert_linearizable(histories, NAMES, where)
        tried("interrupts", "verbs interrupted by Ctrl-C", 2 * times)
        tried("interrupts", "histories found linearizable", checked)
        tried("interrupts", "calls in these histories", calls)


@pytest.mark.needs("fork")
def test_forks_in_the_middle_of_verbs_take_nothing_from_anybody(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    times = 5
    for seed in range(sized(1, 20)):
        histories, where = tmp_path / str(seed), folder / str(seed)
        histories.mkdir()
        nursery.start(fork_at_work, str(where), str(histories), f"w{seed}", NAMES, times)
        assert nursery.wait() == [0]
        with SessionStore(where) as store:
            assert sound(store)["findings"] == []
        checked, calls = assert_linearizable(histories, NAMES)
        tried("forks", "forks in the middle of verbs", times)
        tried("forks", "histories found linearizable", checked)
        tried("forks", "calls in these histories", calls)
