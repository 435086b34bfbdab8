"""Histories of threads, processes and killed processes on one session have a legal order.

Each call of each caller is written down with its beginning and end; a search looks for an order
in which a register with compare-and-swap would have answered the same. First the search itself is
shown to tell the anomalies of the literature, then that it sees a store whose locks or whose
comparison are taken away, then the store is run as it is.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localsessions import SessionStore
from proof.counting import sized, tried
from proof.history import Recorder, assert_linearizable, read, violations
from proof.linearizability import Call, SearchTooLongError, check
from proof.nursery import Nursery
from proof.register import State, Version, parts, step, with_message
from proof.work import Worker, work

# The search


A = Version("a", 0, "", 1)
B = A._replace(title="b", revision=2)
C = A._replace(title="c", revision=2)
THERE = State(A, row=True)
OK = "ok"


def call(verb: str, argument: object, result: object, start: float, end: float) -> Call:
    return Call(verb, argument, result, start, end)


def load(found: Version, start: float, end: float) -> Call:
    return call("load", None, (OK, found), start, end)


def save(mark: str, start: float, end: float, base: Version = A) -> Call:
    return call("save", (mark, base), (OK, base._replace(title=mark, revision=2)), start, end)


def refused(mark: str, start: float, end: float) -> Call:
    return call("save", (mark, A), ("ConflictError", None), start, end)


def killed(verb: str, argument: object, start: float) -> Call:
    return Call(verb, argument, None, start)


def listed(version: Version | None, start: float, end: float, *, fresh: bool = False) -> Call:
    told = "absent" if version is None else (version.title, version.messages, version.revision)
    return call("list", fresh, (OK, told), start, end)


ONE = with_message(A, "x")._replace(revision=2)
TWO = with_message(ONE, "x")._replace(revision=3)
DELETED = call("delete", None, (OK, True), 0, 1)
NOT_THERE = ("SessionNotFoundError", None)

GOOD = {
    "one after the other": [save("b", 0, 1), load(B, 2, 3)],
    "a reader beside a writer sees the old": [save("b", 0, 10), load(A, 5, 6)],
    "a reader beside a writer sees the new": [save("b", 0, 10), load(B, 5, 6)],
    "of two that save at once one is refused": [save("b", 0, 10), refused("c", 1, 9)],
    "a killed save took effect": [killed("save", ("b", A), 0), load(B, 5, 6)],
    "a killed save took effect later": [
        killed("save", ("b", A), 0), load(A, 5, 6), load(B, 7, 8),
    ],
    "a killed save never took effect": [killed("save", ("b", A), 0), load(A, 5, 6)],
    "a deleted session comes back as it was": [
        DELETED, call("restore", None, (OK, A), 2, 3), load(A, 4, 5),
    ],
    "a listing before the creator has recorded it": [
        DELETED, call("create", "n", (OK, Version("n", 0, "", 1)), 2, 9),
        load(Version("n", 0, "", 1), 3, 4), listed(None, 5, 6),
    ],
    "who waits too long changes nothing": [
        call("rename", "b", ("LockTimeoutError", None), 0, 1), load(A, 2, 3),
    ],
}  # fmt: skip

BAD = {
    "lost update": [save("b", 0, 10), save("c", 1, 9)],
    "stale read": [save("b", 0, 1), load(A, 2, 3)],
    "a read goes back": [save("b", 0, 10), load(B, 2, 3), load(A, 4, 5)],
    "dirty read": [call("give up", None, (OK, A), 0, 5), load(B, 2, 3)],
    "a save that was refused took effect": [refused("b", 0, 1), load(B, 2, 3)],
    "refused without a reason": [refused("b", 0, 1)],
    "double apply": [call("append", "x", (OK, True), 0, 1), load(TWO, 2, 3)],
    "a killed append is applied twice": [
        killed("append", "x", 0), load(ONE, 1, 2), load(TWO, 3, 4),
    ],
    "a killed save takes effect before it began": [load(B, 0, 1), killed("save", ("b", A), 2)],
    "a killed save comes and goes": [
        killed("save", ("b", A), 0), load(B, 1, 2), load(A, 3, 4),
    ],
    "two readers see two writers in two orders": [
        killed("rename", "b", 0), killed("rename", "c", 0),
        load(B, 1, 9), load(C, 1, 9),
    ],
    "a deleted session is read": [DELETED, load(A, 2, 3)],
    "a session is deleted twice": [DELETED, call("delete", None, (OK, True), 2, 3)],
    "created over": [call("create", "b", (OK, Version("b", 0, "", 1)), 0, 1)],
    "not there though it is": [call("load", None, NOT_THERE, 0, 1)],
    "a listing is behind a verb that returned": [save("b", 0, 1), listed(A, 2, 3)],
    "a listing misses what was made before it": [
        DELETED, call("create", "n", (OK, Version("n", 0, "", 1)), 2, 3), listed(None, 5, 6),
    ],
    "a listing tells of what was deleted before it": [DELETED, listed(A, 2, 3)],
    "a listing that looked misses a file": [
        DELETED, call("create", "n", (OK, Version("n", 0, "", 1)), 2, 9),
        load(Version("n", 0, "", 1), 3, 4), listed(None, 5, 6, fresh=True),
    ],
    "a count is behind": [DELETED, call("count", None, (OK, 1), 2, 3)],
    "a reader meets half a file": [call("load", None, ("UnreadableSessionError", None), 0, 1)],
    "an edit stands on what is not there any more": [
        save("b", 0, 1), call("edit", "x", (OK, A), 2, 3),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_legal_has_an_order(name: str) -> None:
    verdict = check(parts(GOOD[name]), THERE, step)
    assert verdict.is_linearizable, str(verdict)


@pytest.mark.parametrize("name", BAD)
def test_each_anomaly_has_no_order(name: str) -> None:
    verdict = check(parts(BAD[name]), THERE, step)
    assert not verdict.is_linearizable
    assert verdict.blocked
    assert "no legal order" in str(verdict)


def test_the_order_that_is_found_agrees_with_the_clock() -> None:
    calls = [save("b", 0, 1), load(B, 2, 3), load(A, 0, 10)]
    order = check(calls, THERE, step).order
    assert [one.start for one in order] == [0, 0, 2]
    assert order[0].verb == "load"


def test_a_history_with_too_many_orders_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proof.linearizability._MOST_STATES", 1000)
    calls = [killed("append", f"m{number}", 0) for number in range(20)]
    with pytest.raises(SearchTooLongError):
        check([*calls, load(B, 1, math.inf)], THERE, step)


# The store

CALLERS = 4


@pytest.fixture
def histories(tmp_path: Path) -> Path:
    made = tmp_path / "histories"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


@pytest.mark.parametrize("what", ["locks", "compare"])
def test_a_store_without_its_protection_is_caught(
    folder: Path, histories: Path, nursery: Nursery, what: str
) -> None:
    for number in range(CALLERS):
        nursery.start(work, str(folder), str(histories), f"w{number}", ["s"], 40, what)
    nursery.wait()
    found = violations(read(histories, ["s"]))
    assert found, "nobody was in anybody's way"
    assert "no legal order" in found[0]


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
def test_what_processes_see_has_a_legal_order(
    folder: Path, histories: Path, nursery: Nursery, names: list[str]
) -> None:
    for round_ in range(sized(1, 20, spawned=(1, 2))):
        place = histories / str(round_)
        place.mkdir()
        where = f"{folder}-{round_}"
        for number in range(CALLERS):
            nursery.start(work, where, str(place), f"w{round_}-{number}", names, 60)
        assert nursery.wait() == [0] * CALLERS
        checked, calls = assert_linearizable(place, names)
        tried("races", "histories found linearizable", checked)
        tried("races", "calls in these histories", calls)


@pytest.fixture
def switching() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(former)


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
def test_what_threads_see_has_a_legal_order(
    folder: Path, histories: Path, switching: None, names: list[str]
) -> None:
    for round_ in range(sized(1, 20, spawned=(1, 3))):
        place = histories / str(round_)
        place.mkdir()
        recorder = Recorder(place, f"w{round_}")
        with SessionStore(f"{folder}-{round_}", lock_timeout=60) as store:
            in_threads(store, recorder, names, round_)
        recorder.close()
        checked, calls = assert_linearizable(place, names)
        tried("races", "histories found linearizable", checked)
        tried("races", "calls in these histories", calls)


def in_threads(store: SessionStore, recorder: Recorder, names: list[str], seed: int) -> None:
    ready = threading.Barrier(8)

    def act(number: int) -> None:
        worker = Worker(store, recorder, names, (seed, number))
        ready.wait()
        for _ in range(30):
            worker.act()

    threads = [threading.Thread(target=act, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
