"""Copying between any two stores: nothing is lost, and what is equal is not written again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import needs
import pytest
from contract.places import PLACES

from localsessions import Session, SessionStore
from localsessions.copying import copy_sessions
from localsessions.engine import Query

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture(params=product(("folder", "postgres"), repeat=2), ids="-".join)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[SessionStore]]:
    """Open two empty stores."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(PLACES[name](tmp_path / f"{at}").open())
            for at, name in enumerate(request.param)
        ]


def fill(store: SessionStore) -> None:
    for at in range(5):
        store.create(f"s{at}", title=f"t{at}", metadata={"zero": -0.0, "big": 10**30})
        store.append(f"s{at}", {"role": "user", "content": f"wombat {at} \ud800"})
    for step in range(3):
        store.save_checkpoint("s1", {"step": step})


def test_a_copy_has_all_and_a_second_one_writes_nothing(stores: list[SessionStore]) -> None:
    source, target = stores
    fill(source)
    first = copy_sessions(source, target)
    assert (first.written, first.checkpoints, first.refused) == (5, 3, {})
    assert target.checkpoints("s1") == source.checkpoints("s1")
    for at in range(5):
        assert target.raw(f"s{at}") == source.raw(f"s{at}")
    assert len(target.search("wombat")) == 5
    before = target.last_change()
    second = copy_sessions(source, target)
    assert (second.written, second.equal, second.checkpoints) == (0, 5, 0)
    assert target.last_change() == before


def test_a_copy_goes_on_from_the_number_that_it_said(stores: list[SessionStore]) -> None:
    source, target = stores
    fill(source)
    number = copy_sessions(source, target).number
    source.append("s2", {"role": "user", "content": "later"})
    source.delete("s3")
    source.create("new")
    copied = copy_sessions(source, target, since=number)
    assert (copied.written, copied.deleted, copied.equal) == (2, 1, 0)
    assert sorted(target.engine.ids(Query())) == ["new", "s0", "s1", "s2", "s4"]
    assert target.raw("s2") == source.raw("s2")
    assert [one.session_id for one in target.trash()] == ["s3"]
    assert copied.number == source.last_change()


def test_what_is_newer_in_the_target_stays_and_is_told(stores: list[SessionStore]) -> None:
    source, target = stores
    fill(source)
    copy_sessions(source, target)
    target.rename("s1", "mine")
    copied = copy_sessions(source, target)
    assert (copied.written, [*copied.refused]) == (0, ["s1"])
    assert "newer" in copied.refused["s1"]
    assert target.load("s1").title == "mine"


def test_a_copy_that_was_stopped_is_begun_again(stores: list[SessionStore]) -> None:
    source, target = stores
    source.create_many([Session(session_id=f"s{at:03}") for at in range(150)])

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_sessions(source, target, on_progress=stop)
    assert 0 < target.count() < 150
    copied = copy_sessions(source, target)
    assert (copied.written + copied.equal, target.count()) == (150, 150)
    assert copied.equal > 0
