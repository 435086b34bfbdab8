"""Processes are killed at random while they work on the same sessions, and others go on.

What was acknowledged is there, what was not is there or not; what everybody saw has a legal order;
no file is torn, no lock stays taken, no temp file stays, and the index and the log tell the truth.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import DIED, kill

from localsessions import SessionStore
from localsessions._local.files.locks import StripedLocks
from proof.care import PASSING, REFUSALS, care
from proof.counting import IS_FULL, sized, tried
from proof.history import Recorder, assert_linearizable, read, rows_of
from proof.linearizability import Call
from proof.log_of_changes import assert_log_tells
from proof.nursery import CAN_FORK, Nursery
from proof.register import OK
from proof.verbs import sound
from proof.work import work

CALLERS = 4
KILLS = sized(10, 10, spawned=(3, 10))
FOR_EVER = 10**9


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


class Loop:
    """Some callers at work on one folder, of whom one after the other is killed.

    Args:
        nursery: Makes them.
        place: Where the folder and the histories are.
        seed: Chooses whom and when.
    """

    def __init__(self, nursery: Nursery, place: Path, seed: int) -> None:
        self.folder = place / "sessions"
        self.histories = place / "histories"
        self.records = place / "records"
        for made in (self.histories, self.records):
            made.mkdir(parents=True)
        self._nursery = nursery
        self._chance = random.Random(seed)
        self._living: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._made = 0
        self.orphans = 0

    def start(self, seat: int, names: list[str], what: str) -> None:
        """Let somebody work; in the last seat sits whoever cares for the whole, if anybody."""
        self._made += 1
        who = f"w{self._made}"
        if what == "keeps" and seat == CALLERS - 1:
            pid = self._nursery.start(
                care, str(self.folder), str(self.records), who, names, FOR_EVER
            )
        else:
            pid = self._nursery.start(
                work, str(self.folder), str(self.histories), who, names, FOR_EVER, what
            )
        self._living[seat], self._names[seat] = pid, who

    def run(self, names: list[str], what: str = "") -> None:
        """Kill so many of them, then all."""
        for seat in range(CALLERS):
            self.start(seat, names, what)
        for seat in range(CALLERS):
            self._until_at_work(seat)
        for _ in range(KILLS):
            self._until_written(self._chance.uniform(0, 6000))
            time.sleep(self._chance.uniform(0, 0.005))  # the moment is what is random
            seat = self._chance.randrange(CALLERS)
            self._until_at_work(seat)
            self._kill(seat)
            self.start(seat, names, what)
        for seat in range(CALLERS):
            self._kill(seat)
        assert set(self._nursery.wait()) == {DIED}, "somebody ended by himself"
        self.orphans += len(list((self.folder / ".localsessions" / "tmp").iterdir()))

    def _until_at_work(self, seat: int) -> None:
        """Wait until somebody has begun to write down what he does; he has no store yet."""
        deadline = time.monotonic() + 120
        who = self._names[seat]
        while not any((made / who).exists() for made in (self.histories, self.records)):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def _until_written(self, size: float) -> None:
        """Wait until they have written down so many bytes more of what they do."""
        deadline = time.monotonic() + 120
        begin = self._written()
        while self._written() < begin + size:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def _written(self) -> int:
        return sum(
            path.stat().st_size
            for made in (self.histories, self.records)
            for path in made.iterdir()
        )

    def _kill(self, seat: int) -> None:
        kill(self._living[seat])


def assert_all_locks_are_free(folder: Path) -> None:
    locks = StripedLocks(str(folder / ".localsessions" / "locks"), timeout=0)
    for number in range(256):
        with locks.try_stripe(number) as is_ours:
            assert is_ours, f"nobody lives, and lock {number:02x} is taken"


def look(store: SessionStore, histories: Path, names: list[str], who: str) -> None:
    """Look once more at each session, as a caller among the others."""
    recorder = Recorder(histories, who)
    for name in names:
        recorder.call("load", name, None, functools.partial(store.load, name))
    recorder.call("list", None, True, lambda: rows_of(store.list(limit=1000, fresh=True).items))
    recorder.close()


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
def test_kills_lose_nothing_and_each_change_is_told_once(
    tmp_path: Path, nursery: Nursery, names: list[str]
) -> None:
    orphans = cut = 0
    for seed in range(sized(2, 25, spawned=(1, 2))):
        loop = Loop(nursery, tmp_path / str(seed), seed)
        with SessionStore(loop.folder) as store:
            store.list()
            begin = store.last_change()
        loop.run(names)
        orphans += loop.orphans
        assert_all_locks_are_free(loop.folder)
        with SessionStore(loop.folder) as store:
            look(store, loop.histories, names, "last")
            assert sound(store)["findings"] == []
            checked, calls = assert_linearizable(loop.histories, names)
            found = list(store.changes(since=begin))
            histories = read(loop.histories, names)
            changes = assert_log_tells(store, found, histories)
            met = sum(not call.is_known for one in histories.values() for call in one)
        tried("kill loops", "processes killed", KILLS + CALLERS)
        tried("kill loops", "histories found linearizable", checked)
        tried("kill loops", "calls in these histories", calls)
        tried("kill loops", "changes told once", changes)
        tried("kill loops", "verbs cut short", met)
        cut += met
    assert cut > 0 or not IS_FULL, "no kill met a verb"
    # Of a few dozen kills none may meet the moment in which a temp file is there.
    assert orphans > 0 or not IS_FULL or not CAN_FORK, "no kill met a write"


def test_kills_in_the_middle_of_caring_for_the_whole_lose_nothing(
    tmp_path: Path, nursery: Nursery
) -> None:
    names = ["s", "t"]
    for seed in range(sized(2, 25, spawned=(1, 2))):
        loop = Loop(nursery, tmp_path / str(seed), seed)
        loop.run(names, "keeps")
        assert_all_locks_are_free(loop.folder)
        with SessionStore(loop.folder) as store:
            look(store, loop.histories, names, "last")
            findings = [finding for finding in store.verify() if finding.kind != "index"]
            # A kill between the two renames of deleting: the one thing there is to repair.
            assert {finding.kind for finding in findings} <= {"orphan checkpoints"}
            for finding in findings:
                store.repair(finding)
            assert sound(store)["findings"] == []
            checked, calls = assert_linearizable(loop.histories, names)
            cared = read(loop.records, [*names, *PASSING])
            checkpoints = sum(assert_checkpoints_are_there(store, one, cared[one]) for one in names)
        assert_only_refused(cared)
        tried("kill loops", "processes killed", KILLS + CALLERS)
        tried("kill loops", "histories found linearizable", checked)
        tried("kill loops", "calls in these histories", calls)
        tried("kill loops", "checkpoints found", checkpoints)


def assert_only_refused(histories: dict[str, list[Call]]) -> None:
    ended = {
        (call.verb, call.result)
        for calls in histories.values()
        for call in calls
        if isinstance(call.result, tuple) and call.result[0] not in (OK, *REFUSALS)
    }
    assert ended == set()


def assert_checkpoints_are_there(store: SessionStore, name: str, calls: list[Call]) -> int:
    """Find each acknowledged checkpoint once, in the order of the clock."""
    saved = {str(call.argument): call for call in calls if call.verb == "checkpoint"}
    marks = []
    for checkpoint_id in reversed(store.checkpoints(name)):
        data = store.load_checkpoint(name, checkpoint_id).data
        assert isinstance(data, dict)
        marks.append(str(data["mark"]))
    assert len(marks) == len(set(marks))
    acknowledged = {
        mark
        for mark, call in saved.items()
        if isinstance(call.result, tuple) and call.result[0] == OK
    }
    assert acknowledged <= set(marks) <= set(saved)
    latest_start = 0.0
    for mark in marks:
        assert saved[mark].end > latest_start
        latest_start = max(latest_start, saved[mark].start)
    return len(marks)
