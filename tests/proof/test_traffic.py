"""Writers and readers at full speed for a time: no error, nothing lost, not one warning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localsessions import SessionStore
from proof.counting import sized, tried
from proof.nursery import Nursery
from proof.traffic import begin, read_for, told, write_for
from proof.verbs import sound

ROUNDS, SECONDS = sized(1, 6), sized(2, 10)
"""Between two rounds all stores are closed. Wine needs it: it keeps a file open for each look at an
index that others have open."""
ATTACK = "traffic"


@pytest.fixture(scope="module")
def one_nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    yield one_nursery
    one_nursery.clear()


def made(folder: Path, names: list[str]) -> None:
    with SessionStore(folder) as store:
        for name in names:
            store.create(name)


def assert_all_is_there(folder: Path, done: dict[str, list[list[str]]]) -> int:
    """Find each message once, those of each writer in their order; return how many there are."""
    with SessionStore(folder) as store:
        assert sound(store)["findings"] == []
        found = {
            one.session_id: [
                str(message["content"]) for message in store.load(one.session_id).messages
            ]
            for one in store.list()
        }
    for name, marks in found.items():
        for who, writes in done.items():
            of_it = [mark for session_id, mark in writes if session_id == name]
            assert [mark for mark in marks if mark.startswith(f"{who}.")] == of_it
    return sum(map(len, found.values()))


def test_two_writers_and_a_reader_meet_no_error_and_lose_nothing(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    names = ["s", "t", "u"]
    made(folder, names)
    for turn in range(ROUNDS):
        for who in ("a", "b"):
            nursery.start(write_for, str(folder), str(tmp_path), f"{who}{turn}", names, SECONDS)
        nursery.start(read_for, str(folder), str(tmp_path), f"reader{turn}", names, SECONDS)
        begin(tmp_path, 3)
        assert nursery.wait() == [0, 0, 0]
    done, warnings = told(tmp_path)
    assert warnings == []
    looks = sum(len(done.pop(f"reader{turn}")) for turn in range(ROUNDS))
    written = assert_all_is_there(folder, done)
    assert min(written, looks) > 0
    tried(ATTACK, "writes by two writers beside a reader", written)
    tried(ATTACK, "reads beside two writers", looks)


def test_four_writers_on_one_session_meet_no_error_and_lose_nothing(
    folder: Path, tmp_path: Path, nursery: Nursery
) -> None:
    made(folder, ["s"])
    for turn in range(ROUNDS):
        for who in "abcd":
            nursery.start(write_for, str(folder), str(tmp_path), f"{who}{turn}", ["s"], SECONDS)
        begin(tmp_path, 4)
        assert nursery.wait() == [0] * 4
    done, warnings = told(tmp_path)
    assert warnings == []
    written = assert_all_is_there(folder, done)
    assert all(done.values())
    assert len(done) == 4 * ROUNDS
    tried(ATTACK, "writes by four writers on one session", written)
