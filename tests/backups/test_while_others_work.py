"""A backup while other processes write, and processes that are killed in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from killing import DIED, kill
from proof.nursery import Nursery

from localsessions import Finding, SessionStore
from localsessions.backups import back_up, check_backup, restore_backup
from localsessions.format import decode
from localsessions.moving import move

from .archive import made, parts_of
from .dying import die_moving, die_restoring

WRITER = """
import itertools, sys
from localsessions import Finding, SessionStore
with SessionStore(sys.argv[1], durability="fast") as store:
    print("ready", flush=True)
    for number in itertools.count():
        name = f"s{number % 3}"
        store.append(name, {"role": "user", "content": f"{number} " * 500})
        if number % 7 == 0:
            store.save_checkpoint(name, {"number": number})
        if number % 5 == 0:
            store.delete("coming")
        if number % 5 == 2:
            store.restore("coming")
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def writer(folder: Path, store: SessionStore) -> Iterator[None]:
    """Another process that appends, saves checkpoints, deletes and restores all the time."""
    for name in ("s0", "s1", "s2", "coming"):
        store.create(name)
    store.delete("coming")
    store.restore("coming")
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        assert process.poll() is None
        kill(process.pid)


@pytest.mark.usefixtures("writer")
def test_each_session_is_in_a_backup_as_one_whole_version(store: SessionStore) -> None:
    lengths = set()
    for _ in range(60):
        file = BytesIO()
        manifest = back_up(store, file, compression="none")
        assert manifest.left_out == ()
        check_backup(file)
        assert {one.session_id for one in manifest.entries} == {"s0", "s1", "s2", "coming"}
        for header, data in parts_of(file.getvalue()):
            if header.name in ("s0.json", "s1.json", "s2.json"):
                session = decode(data, header.name.removesuffix(".json"))
                contents = [one["content"] for one in session.messages]
                assert all(str(one) == f"{str(one).split()[0]} " * 500 for one in contents)
                lengths.add((header.name, len(contents)))
    assert len(lengths) > 3, "nothing was written meanwhile"


def died(nursery: Nursery, act: Callable[..., None], *arguments: Path, at: int) -> int:
    """Let a process do something and be killed at such a call; return how many it made, or 0."""
    told = arguments[-1].parent / "calls"
    nursery.start(act, *map(str, arguments), at, str(told))
    (code,) = nursery.wait()
    assert code in (0, DIED)
    return 0 if code else int(told.read_text("utf-8"))


def whole(store: SessionStore, session_id: str) -> tuple[bytes, int] | None:
    """Return a session's bytes and how many checkpoints it has; None if it is not there."""
    if store.get(session_id) is None:
        return None
    return store.raw(session_id), len(store.checkpoints(session_id))


def faults(store: SessionStore) -> list[Finding]:
    """Return what is wrong, but for an index that a kill left behind: a look mends that."""
    return [one for one in store.verify() if one.kind != "index"]


def fill(store: SessionStore) -> None:
    for name in ("a", "b", "deleted"):
        store.create(name, title=name)
        store.save_checkpoint(name, {"of": name})
        store.save_checkpoint(name, {"again": name})
    store.delete("deleted")


@pytest.mark.untraced
def test_a_restore_that_is_killed_is_completed_by_another(
    store: SessionStore, tmp_path: Path, nursery: Nursery
) -> None:
    fill(store)
    expected = {name: whole(store, name) for name in ("a", "b")}
    file = tmp_path / "chats.tar"
    file.write_bytes(made(store, compression="none"))
    calls = died(nursery, die_restoring, file, tmp_path / "whole", at=0)
    for at in range(1, calls + 1):
        target = tmp_path / f"target-{at}"
        assert died(nursery, die_restoring, file, target, at=at) == 0
        with SessionStore(target) as other, file.open("rb") as opened:
            for name, there in expected.items():
                assert whole(other, name) in (None, there), at
            report = restore_backup(other, check_backup(opened), merge=True)
            assert report.kept == [], at
            assert {name: whole(other, name) for name in expected} == expected
            assert [one.session_id for one in other.trash()] == ["deleted"]
            other.restore("deleted")
            assert len(other.checkpoints("deleted")) == 2
            assert faults(other) == []


@pytest.mark.untraced
def test_a_move_that_is_killed_loses_nothing_and_is_completed_by_another(
    store: SessionStore, tmp_path: Path, nursery: Nursery
) -> None:
    fill(store)
    expected = {name: whole(store, name) for name in ("a", "b")}
    data = check_backup(BytesIO(made(store, compression="none")))
    with SessionStore(tmp_path / "first") as first:
        restore_backup(first, data)
    calls = died(nursery, die_moving, tmp_path / "first", tmp_path / "whole", at=0)
    for at in range(1, calls + 1):
        one, two = tmp_path / f"one-{at}", tmp_path / f"two-{at}"
        with SessionStore(one) as source:
            restore_backup(source, data)
        assert died(nursery, die_moving, one, two, at=at) == 0
        with SessionStore(one) as source, SessionStore(two) as target:
            for name, there in expected.items():
                assert there in (whole(source, name), whole(target, name)), at
                assert whole(target, name) in (None, there), at
            left = [name for name in expected if source.get(name) or source.checkpoints(name)]
            assert move(source, target, left) == {}, at
            assert {name: whole(target, name) for name in expected} == expected
            assert [source.get(name) for name in expected] == [None, None]
            gone = source.deletions(["a", "b"])
            assert {one.session_id for one in gone} == {"a", "b"}
            assert {one.moved_to for one in gone} == {str(two)}
            assert (faults(source), faults(target)) == ([], [])
