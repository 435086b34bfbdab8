"""The power is cut, on real file systems: what was acknowledged is there, and all of it is whole.

An ext4 and an xfs of the test's own are shut down by ``FS_IOC_SHUTDOWN``, which loses what the
disk does not hold yet, and are mounted again, so that their journals are replayed. Once right after
each verb, and at random moments under several writers at once. The attack is shown to see: with a
step of the protocol left out it finds writes lost and files torn.

It does not find what a disk does that lies about having synced, nor writes of a page torn by the
disk itself, which the journals of both systems and SQLite's answer for.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from localsessions import SessionStore, UnreadableSessionError, _system
from proof import load
from proof.counting import IS_FULL, sized, tried
from proof.ledger import Ledger, Verdict, found_in, torn_in
from proof.load import SHARED, Known
from proof.mounts import Disk, disk
from proof.nursery import Nursery
from proof.verbs import VERBS, prepared, said, sound

pytestmark = pytest.mark.synced

Durability = Literal["full", "fast"]

# ext4 syncs a file that replaces another by itself (auto_da_alloc), which hides what is missing.
# With data=writeback it gives the blocks of a replaced file away before the disk knows that it
# was replaced, which no program can help: nothing is promised there.
BARE = "noauto_da_alloc,nobarrier"
ATTACK = "power cuts"
WRITERS = 3
# One of each way in which a verb changes names and files.
SOME = [
    "create the first",
    "append",
    "delete with checkpoints",
    "restore with checkpoints",
    "empty_trash with checkpoints",
    "save_checkpoint",
    "clear_checkpoints",
]
TRIED = list(VERBS) if IS_FULL else SOME


@pytest.fixture(
    params=[
        pytest.param(("ext4", ""), id="ext4"),
        pytest.param(("ext4", BARE), id="ext4, bare", marks=pytest.mark.proof),
        pytest.param(("xfs", ""), id="xfs"),
    ]
)
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    kind, options = request.param
    with disk(tmp_path / "disk", kind, options) as made:
        yield made


# Right after a verb


def cut_after(verb: str, durability: Durability, disk: Disk) -> list[bool]:
    """Cut the power when a verb has returned; return which of what may be said is said then.

    With "fast", another program syncs a file of its own before, so that the journal is on the
    disk: the names with it, and what they name only if somebody has seen to it.
    """
    folder = disk.folder / verb.replace(" ", "-")
    allowed = prepared(verb, folder)
    disk.sync()
    with SessionStore(folder, durability=durability) as store:
        begin_the_journal_of_the_index(store)
        disk.sync()
        VERBS[verb].act(store)
        if durability == "fast":
            sync_another_file(disk)
        disk.cut()
    disk.come_back()
    now = said(folder)
    return [now == state for state in allowed]


def begin_the_journal_of_the_index(store: SessionStore) -> None:
    """Let SQLite sync the head of a new journal now: later it would bring our names to the disk."""
    store.create("first")
    Path(store.path("first")).unlink()
    store.list(fresh=True)


def sync_another_file(disk: Disk) -> None:
    with (disk.folder / "another").open("ab") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())


def test_what_a_verb_did_is_there_after_a_cut_right_after_it(mounted: Disk) -> None:
    lost = [verb for verb in TRIED if not cut_after(verb, "full", mounted)[-1]]
    assert lost == []
    tried(ATTACK, "cuts right after a verb", len(TRIED))


def test_with_fast_durability_each_session_is_one_whole_version_after_a_cut(mounted: Disk) -> None:
    torn = [verb for verb in TRIED if not any(cut_after(verb, "fast", mounted))]
    assert torn == []
    tried(ATTACK, "cuts right after a verb, with durability fast", len(TRIED))


def test_a_cut_shows_that_a_folder_was_not_synced(
    mounted: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_system, "sync_folder", lambda path: None)
    assert not cut_after("append", "full", mounted)[-1]


def test_a_cut_shows_that_a_file_was_not_synced(
    mounted: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_system, "sync", lambda fd: None)
    with pytest.raises(UnreadableSessionError, match="the file is empty"):
        cut_after("save_checkpoint", "fast", mounted)


# Under load


class Round:
    """Writers on one folder until the power is cut, again and again, on what the cut left."""

    def __init__(self, disk: Disk, nursery: Nursery, logs: Path) -> None:
        self.disk = disk
        self.folder = disk.folder / "sessions"
        self.known: dict[str, Known] = {}
        self._nursery = nursery
        self._logs = logs
        self._number = 0
        self._chance = random.Random(20260102)

    def cut(self, start: Callable[..., object], writers: int = WRITERS) -> Ledger:
        """Let writers work, cut the power at a random moment, mount the disk again."""
        self._number += 1
        with SessionStore(self.folder) as store:
            store.create(SHARED)
        self.disk.sync()
        logs = []
        for writer in range(writers):
            logs.append(self._logs / f"{self._number}-{writer}")
            own = {name: one for name, one in self.known.items() if name[0] == str(writer)}
            start(str(self.folder), str(logs[-1]), str(writer), self._number, own)
        pids = [ready_writer(log) for log in logs]
        time.sleep(self._chance.uniform(0, 0.25))  # the moment is what is random here
        for log in logs:
            load.dark_after(str(log)).touch()
        self.disk.cut()
        if self._number % 2:  # others go on until they notice
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        self._nursery.wait()
        self.disk.come_back()
        return Ledger(logs, self.known)

    def take_over(self, found: dict[str, Known]) -> None:
        """Go on from what was found; what all shared is new each time."""
        self.known = {name: one for name, one in found.items() if name != SHARED}
        with SessionStore(self.folder) as store:
            store.delete(SHARED)
            (shared,) = [one for one in store.trash() if one.session_id == SHARED]
            Path(shared.path).unlink()


def ready_writer(log: Path) -> int:
    """Wait for a writer's first acknowledgement; return its process id."""
    while not (log.exists() and b'"done"' in log.read_bytes()):
        time.sleep(0.002)
    return int(json.loads(log.read_text("utf-8").splitlines()[0])["ready"])


@contextmanager
def rounds(mounted: Disk, tmp_path: Path) -> Iterator[tuple[Round, Nursery]]:
    with Nursery() as nursery:
        yield Round(mounted, nursery, tmp_path), nursery


def allowed_findings(found: dict[str, Known], folder: Path) -> set[str]:
    """Return what ``verify`` may find: checkpoints that a cut parted from their session."""
    return {
        f"orphan checkpoints {path.stem}"
        for path in folder.glob("*.checkpoints")
        if found.get(path.stem, load.EMPTY)["live"] is None
    }


def looked_over(folder: Path, ledger: Ledger) -> dict[str, Known]:
    """Return what the folder says, by a store opened after the cut, of which all is sound."""
    with SessionStore(folder) as store:
        found = found_in(store)
        assert torn_in(found) == []
        assert ledger.unheard(store, found) == []
        findings = sound(store)["findings"]
        assert isinstance(findings, list)
        assert {*findings} == allowed_findings(found, folder)
        for name, one in found.items():
            if isinstance(one["live"], dict) and name != SHARED:
                hits = store.search(f'"{one["live"]["title"]}"', limit=1000)
                assert name in [hit.session.session_id for hit in hits]
    return found


def test_nothing_that_was_acknowledged_under_load_is_lost_by_a_cut(
    mounted: Disk, tmp_path: Path
) -> None:
    total = Verdict()
    cuts = sized(2, 18)
    with rounds(mounted, tmp_path) as (round_, nursery):
        for _ in range(cuts):
            ledger = round_.cut(lambda *given: nursery.start(load.write, "full", *given))
            found = looked_over(round_.folder, ledger)
            total.add(ledger.verdict(found))
            assert total.lost == []
            round_.take_over(found)
    assert total.acknowledged >= WRITERS * cuts
    tried(ATTACK, "cuts under load", cuts)
    tried(ATTACK, "acknowledged writes, none lost", total.acknowledged)
    tried(ATTACK, "writes in flight, none of them there", total.old)
    tried(ATTACK, "writes in flight, wholly there", total.new)
    tried(ATTACK, "writes in flight, found in a named half", total.half)


def test_with_fast_durability_a_cut_under_load_tears_nothing(mounted: Disk, tmp_path: Path) -> None:
    cuts, acknowledged = sized(1, 18), 0
    with rounds(mounted, tmp_path) as (round_, nursery):
        for _ in range(cuts):
            ledger = round_.cut(lambda *given: nursery.start(load.write, "fast", *given))
            found = looked_over(round_.folder, ledger)
            assert ledger.strange(found) == []
            acknowledged += ledger.verdict(found).acknowledged
            round_.take_over(found)
    assert acknowledged >= WRITERS * cuts
    tried(ATTACK, "cuts under load, with durability fast", cuts)
    tried(ATTACK, "writes with durability fast, nothing torn", acknowledged)


@pytest.mark.proof
def test_cuts_under_load_show_that_a_folder_was_not_synced(mounted: Disk, tmp_path: Path) -> None:
    # One writer: the syncs of others would bring its names to the disk. Where a name still leads
    # to the version before, that one may have been brought up to date in place: torn.
    lost, torn = broken_load(mounted, tmp_path, "the folder", writers=1)
    assert lost + torn > 0
    tried(f"{ATTACK}, no folder synced", "sessions found lost or torn, as they must", lost + torn)


@pytest.mark.proof
def test_cuts_under_load_show_that_a_file_was_not_synced(mounted: Disk, tmp_path: Path) -> None:
    _, torn = broken_load(mounted, tmp_path, "the file", WRITERS)
    assert torn > 0
    tried(f"{ATTACK}, no file synced", "sessions found torn, as they must", torn)


def broken_load(mounted: Disk, tmp_path: Path, step: str, writers: int) -> tuple[int, int]:
    """Return how many sessions were found lost or wrong, and torn, with a step left out."""
    lost = torn = 0
    with rounds(mounted, tmp_path) as (round_, nursery):
        for cuts in range(1, 25):
            ledger = round_.cut(
                lambda *given: nursery.start(load.write_unsynced, step, *given), writers
            )
            with SessionStore(round_.folder) as store:
                found = found_in(store)
            lost += len(ledger.verdict(found).lost)
            torn += len(torn_in(found))
            shutil.rmtree(round_.folder)
            round_.known = {}
            if cuts >= 8 and (lost or torn):
                break
    return lost, torn
