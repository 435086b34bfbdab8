"""Every state of the disk that a power cut can leave while a verb is performed, opened and checked.

After ALICE (Pillai and others, OSDI '14): a process that performs one verb is traced, `disk` says
what a cut after each of its calls may leave, and each of these states is written out as a folder:
first read as any program would read it, then opened by the store. The file has to be whole before
anybody opens it; the store has to say what it said before the verb, after it, or after one of its
named halves; once the verb has returned, only the last. Then it has to take another write.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proof.counting import IS_FULL, tried
from proof.disk import (
    Bounds,
    Disk,
    Make,
    Mark,
    Operation,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
    crash_points,
    cuts,
)  # fmt: skip
from proof.judge import Judge
from proof.tracing import Trace, trace
from proof.verbs import VERBS, State, prepared

SMALL = [
    "create the first",
    "append",
    "append, and again",
    "upsert_run, and again",
    "delete with checkpoints",
    "empty_trash with checkpoints",
    "create_many",
    "delete_many with checkpoints",
    "bring",
    "leave",
]
pytestmark = [pytest.mark.untraced, pytest.mark.needs("strace")]

FEW, MANY = Bounds(contents=4, combinations=24), Bounds(contents=24, combinations=96)
SOME, DEEP = Bounds(contents=8, combinations=64), Bounds(contents=160, combinations=256)
# The index is written in the same way by all verbs: these look at it as closely as at the sessions.
IN_DEPTH = ("create the first", "append")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Where states are written out: in memory, where that can be had."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made) / "state"


# -- the attack ----------------------------------------------------------------------------------


def _traced(name: str, tmp_path: Path, durability: str = "full") -> tuple[Trace, list[State]]:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    aside = tmp_path / "aside" / "sessions"
    aside.parent.mkdir()
    allowed = prepared(name, aside)
    if aside.exists():
        aside.rename(root / "sessions")
    arguments = ("-m", "proof.perform", str(root / "sessions"), name, durability)
    found = trace(root, *arguments)
    assert found.ended == "done"
    return found, allowed


def _attacked(
    found: Trace, allowed: list[State], room: Path, bounds: Bounds, *, durable: bool = True
) -> tuple[Judge, int]:
    """Look at all states; return who looked, and how many crash points there were."""
    judge = Judge(allowed, found.stamps, room, durable)
    marks = [at for at, one in enumerate(found.operations) if isinstance(one, Mark)]
    points = crash_points(found.operations)
    for point in points:
        when = "before" if point <= marks[0] else "after" if point > marks[1] else "during"
        for cut in cuts(found.base, found.operations, point, bounds):
            judge.look(cut, when)
    return judge, len(points)


SMALL_CASES = [
    *((name, "full") for name in SMALL),
    *((name, "fast") for name in ("append", "append, and again", "restore, append, and again")),
]
CASES = [(name, kind) for name in VERBS for kind in ("full", "fast")]


@pytest.mark.parametrize(("name", "durability"), CASES if IS_FULL else SMALL_CASES)
def test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one(
    name: str, durability: str, tmp_path: Path, room: Path
) -> None:
    found, allowed = _traced(name, tmp_path, durability)
    bounds = _bounds(name, durability) if IS_FULL else FEW
    bounds = replace(bounds, crossed=name.endswith("append, and again"))
    judge, points = _attacked(found, allowed, room, bounds, durable=durability == "full")
    assert judge.wrong == Counter(), judge.first
    assert _open_to_others(found) == []
    tried("crash states", "verbs traced", 1)
    tried("crash states", "operations traced", len(found.operations))
    tried("crash states", "crash points", points)
    tried("crash states", "states opened", judge.opened)


def _bounds(name: str, durability: str) -> Bounds:
    if durability == "full" and name in IN_DEPTH:
        return DEEP
    return FEW if name == "reindex" else MANY if durability == "full" else SOME


def _open_to_others(found: Trace) -> list[str]:
    """Return what was made that others can read; the index lies in a folder that they cannot."""
    return [
        one.name
        for one in found.operations
        if isinstance(one, Make) and one.mode & 0o077 and ".sqlite3" not in one.name
    ]


# -- broken by hand ------------------------------------------------------------------------------
#
# The same protocol with one step left out or in another place: if the harness were blind to any
# of these, it would prove nothing about the code that does them right.


@dataclass
class Protocol:
    """A real trace of one verb without what it does to the index, and the inodes in it."""

    trace: Trace
    allowed: list[State]

    @property
    def operations(self) -> list[Operation]:
        return list(self.trace.operations)

    def inode(self, path: str) -> int:
        for disk in (self.trace.base, self.after):
            found = disk.find(path)
            if found is not None:
                return found
        raise AssertionError(f"nothing has the name {path}")

    @property
    def after(self) -> Disk:
        disk = self.trace.base.copy()
        for operation in self.trace.operations:
            disk.do(operation)
        return disk

    @property
    def temp(self) -> int:
        """The inode that was written first and then renamed."""
        return next(
            one.inode
            for one in self.trace.operations
            if isinstance(one, Make) and one.name.endswith(".tmp")
        )


def _protocol(name: str, folder: Path) -> Protocol:
    found, allowed = _traced(name, folder)
    operations: list[Operation] = []
    of_index: set[int] = set()
    begun = False
    for one in found.operations:
        if isinstance(one, Make) and ".sqlite3" in one.name:
            of_index.add(one.inode)
        begun = begun or isinstance(one, Mark) or name == "create the first"
        named = [part for part in one if isinstance(part, str) and ".sqlite3" in part]
        if begun and not named and getattr(one, "inode", None) not in of_index:
            operations.append(one)
    for path, inode in found.base.paths():
        if ".sqlite3" in path:
            operations = [one for one in operations if getattr(one, "inode", None) != inode]
    return Protocol(replace(found, operations=tuple(operations)), allowed)


@pytest.fixture(scope="module")
def protocols(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Protocol]:
    known: dict[str, Protocol] = {}

    def get(name: str) -> Protocol:
        if name not in known:
            known[name] = _protocol(name, tmp_path_factory.mktemp("protocol"))
        return known[name]

    return get


def _index(operations: list[Operation], wanted: type[Operation], *after: int) -> int:
    start = after[0] + 1 if after else 0
    return next(at for at in range(start, len(operations)) if isinstance(operations[at], wanted))


def no_sync_of_the_file(one: Protocol) -> list[Operation]:
    return [step for step in one.operations if step != Sync(one.temp)]


def no_sync_of_the_folder(one: Protocol) -> list[Operation]:
    steps = one.operations
    steps.pop(max(at for at, step in enumerate(steps) if step == Sync(one.inode("sessions"))))
    return steps


def the_wrong_folder_is_synced(one: Protocol) -> list[Operation]:
    wrong = Sync(one.inode("sessions/.localsessions/tmp"))
    return [wrong if step == Sync(one.inode("sessions")) else step for step in one.operations]


def the_rename_comes_before_the_sync(one: Protocol) -> list[Operation]:
    steps = no_sync_of_the_file(one)
    steps.insert(_index(steps, Rename) + 1, Sync(one.temp))
    return steps


def the_file_is_written_in_place(one: Protocol) -> list[Operation]:
    old = one.trace.base.find("sessions/s.json")
    assert old is not None
    written = next(step for step in one.operations if isinstance(step, Write))
    in_place: list[Operation] = [Truncate(old, 0), Write(old, 0, written.data), Sync(old)]
    return [Mark("begin"), *in_place, Sync(one.inode("sessions")), Mark("end")]


def the_old_file_is_removed_first(one: Protocol) -> list[Operation]:
    steps = one.operations
    at = _index(steps, Rename)
    sessions = one.inode("sessions")
    steps[at:at] = [Unlink(sessions, "s.json"), Sync(sessions)]
    return steps


def no_sync_of_the_parent(one: Protocol) -> list[Operation]:
    return [step for step in one.operations if step != Sync(0)]


def no_sync_of_the_trash(one: Protocol) -> list[Operation]:
    return [step for step in one.operations if step != Sync(one.inode("sessions/.trash"))]


def what_is_remembered_is_not_synced(one: Protocol) -> list[Operation]:
    """Leave out the first sync of the trash: that of the new file."""
    steps, trash = [*one.operations], Sync(one.inode("sessions/.trash"))
    steps.remove(trash)
    return steps


def no_sync_after_purging(one: Protocol) -> list[Operation]:
    """Leave out the last sync of the trash."""
    steps, trash = [*one.operations][::-1], Sync(one.inode("sessions/.trash"))
    steps.remove(trash)
    return steps[::-1]


def the_old_folder_is_synced_first(one: Protocol) -> list[Operation]:
    steps = one.operations
    at = _index(steps, Sync, _index(steps, Rename))
    steps[at], steps[at + 1] = steps[at + 1], steps[at]
    return steps


BREAKAGES: dict[str, tuple[str, Callable[[Protocol], list[Operation]], str]] = {
    "the file is not synced": ("append", no_sync_of_the_file, "torn"),
    "the folder is not synced": ("append", no_sync_of_the_folder, "lost"),
    "another folder is synced": ("append", the_wrong_folder_is_synced, "lost"),
    "renamed, then synced": ("append", the_rename_comes_before_the_sync, "torn"),
    "written in place": ("append", the_file_is_written_in_place, "torn"),
    "the old file is removed first": ("append", the_old_file_is_removed_first, "neither"),
    "a new folder's parent is not synced": ("create the first", no_sync_of_the_parent, "lost"),
    "deleted, the trash is not synced": ("delete", no_sync_of_the_trash, "neither"),
    "deleted, the folder is not synced": ("delete", no_sync_of_the_folder, "both"),
    "deleted, the folder is synced first": ("delete", the_old_folder_is_synced_first, "neither"),
    "restored, the trash is synced first": ("restore", the_old_folder_is_synced_first, "neither"),
    "purged, the trash is not synced": ("empty_trash", no_sync_after_purging, "lost"),
    "purged, not remembered": ("empty_trash", what_is_remembered_is_not_synced, "neither"),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_a_step_left_out_or_out_of_order_is_seen(
    what: str, protocols: Callable[[str], Protocol], room: Path
) -> None:
    name, broken, kind = BREAKAGES[what]
    protocol = protocols(name)
    trace_of_it = replace(protocol.trace, operations=tuple(broken(protocol)))
    assert trace_of_it.operations != protocol.trace.operations
    judge, _ = _attacked(trace_of_it, protocol.allowed, room, MANY)
    assert set(judge.wrong) == {kind}, judge.first
    tried("crash states", "breakages of the protocol seen", 1)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in BREAKAGES.values()}))
def test_the_same_steps_in_their_order_are_well(
    name: str, protocols: Callable[[str], Protocol], room: Path
) -> None:
    judge, _ = _attacked(protocols(name).trace, protocols(name).allowed, room, MANY)
    assert judge.wrong == Counter(), judge.first
