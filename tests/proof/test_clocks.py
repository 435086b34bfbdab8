"""Clocks that are wrong, set back or set ahead, and watchers that are killed and go on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from killing import kill

from localsessions import SessionStore
from proof.clocks import YEAR, clock, work_at_another_time
from proof.counting import sized, tried
from proof.history import assert_linearizable, read
from proof.log_of_changes import assert_log_tells
from proof.nursery import Nursery
from proof.watching import watch_on
from proof.work import work

SKEWS = [[0], [YEAR], [-YEAR], [0, YEAR, -YEAR]]
NAMES = ["s", "t"]


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


def test_processes_whose_clocks_differ_by_years_see_a_legal_order(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    for seed in range(sized(1, 15, spawned=(1, 1))):
        histories, where = tmp_path / str(seed), folder / str(seed)
        histories.mkdir()
        with SessionStore(where) as store:
            store.list()
            begin = store.last_change()
            for number, skews in enumerate(SKEWS):
                who = f"w{seed}-{number}"
                nursery.start(
                    work_at_another_time, str(where), str(histories), who, NAMES, 25, skews
                )
            assert nursery.wait() == [0] * len(SKEWS)
            checked, calls = assert_linearizable(histories, NAMES)
            found = list(store.changes(since=begin))
            assert_log_tells(store, found, read(histories, NAMES))
            assert store.verify() == []
        tried("clocks", "histories found linearizable", checked)
        tried("clocks", "calls in these histories", calls)


def test_times_numbers_and_ids_grow_whatever_the_clock_does(store: SessionStore) -> None:
    chance = random.Random(1)
    skew = 0.0
    store.create("s")
    times, numbers, ids = [], [], set()
    with clock(lambda: skew):
        for _ in range(sized(40, 1000)):
            skew = chance.choice([0, YEAR, -YEAR, chance.uniform(-1, 1)])
            store.tag("s", str(skew))
            store.rename("s", f"{chance.random()}")
            times.append(Path(store.path("s")).stat().st_mtime_ns)
            numbers.append(store.last_change())
            ids.add(store.create().session_id)
    assert times == sorted(set(times))
    assert numbers == sorted(set(numbers))
    assert len(ids) == len(times)
    tried("clocks", "writes by a clock that jumps", 3 * len(times))


@pytest.mark.parametrize("skew", [-YEAR, 0, YEAR])
def test_an_edit_by_others_is_seen_after_the_clock_was_set(
    folder: Path, store: SessionStore, skew: float
) -> None:
    store.create("s", title="old")
    path = folder / "s.json"
    with clock(lambda: skew):
        assert [one.title for one in store.list().items] == ["old"]
        path.write_text(path.read_text("utf-8").replace("old", "new"), "utf-8")
        assert [one.title for one in store.list().items] == ["new"]
        with store.edit("s") as session:
            assert session.title == "new"
            session.tags = ["edited"]
    assert (store.load("s").title, store.load("s").tags) == ("new", ["edited"])


def test_what_a_cleanup_in_the_next_year_took_can_be_restored(store: SessionStore) -> None:
    store.create("s", title="kept", ttl=86400)
    store.create("later")
    with clock(lambda: YEAR):
        store.create("made there")
        assert store.cleanup(max_age=timedelta(days=30)).actions
        assert store.trash()
    # Back again: what went there is in the trash, and nothing purges it before its time.
    assert store.empty_trash() == []
    assert store.restore("s").title == "kept"
    report = store.cleanup(max_age=timedelta(days=30))
    assert [one.deleted for one in report.actions] == [False]
    assert store.purge_expired().actions == ()
    assert {one.session_id for one in store.list().items} == {"s", "made there"}


def test_a_watcher_that_is_killed_and_started_again_misses_and_doubles_nothing(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    told, histories = tmp_path / "told", tmp_path / "histories"
    histories.mkdir()
    told.touch()
    chance = random.Random(1)
    kills = sized(4, 80, spawned=(2, 6))
    with SessionStore(folder) as store:
        store.list()
        begin = store.last_change()
        writers = {
            nursery.start(work, str(folder), str(histories), who, NAMES, 40 * kills)
            for who in ("a", "b")
        }
        for _ in range(kills):
            watcher = nursery.start(watch_on, str(folder), str(told), last_told(told, begin))
            time.sleep(chance.uniform(0, 0.2))  # the moment is what is random
            kill(watcher)
        watcher = nursery.start(watch_on, str(folder), str(told), last_told(told, begin))
        until_told(store, nursery, writers, told, begin)
        kill(watcher)
        nursery.wait()
        numbers = [change.number for change in store.changes(since=begin)]
    assert list(map(int, told.read_text("utf-8").split())) == numbers
    tried("watching", "watchers killed", kills)
    tried("watching", "changes told once over these kills", len(numbers))


def last_told(told: Path, begin: int) -> int:
    return max(map(int, told.read_text("utf-8").split()), default=begin)


def until_told(
    store: SessionStore, nursery: Nursery, writers: set[int], told: Path, begin: int
) -> None:
    """Wait until the writers have ended and the watcher has told of their last change."""
    deadline = time.monotonic() + 120
    while not writers <= nursery.ended() or last_told(told, begin) != store.last_change():
        assert time.monotonic() < deadline
        time.sleep(0.01)
