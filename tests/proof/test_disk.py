"""The model of a disk itself, by small cases that are counted out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proof.disk import (
    ROOT,
    Bounds,
    Disk,
    Link,
    Make,
    Mark,
    Operation,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
    contents,
    crash_points,
    cuts,
)  # fmt: skip

EVERYTHING = Bounds(contents=1000, combinations=100_000)
A, B, C = 1, 2, 3
OLD, NEW = b"old", b"new"


def after(base: Disk, *operations: Operation, bounds: Bounds = EVERYTHING) -> set[str]:
    """Return what a cut after all operations may leave, as 'name=content' texts."""
    return {
        " ".join(sorted(_said(Disk(dict(cut.folders), dict(cut.files)))))  # type: ignore[arg-type]
        for cut in cuts(base, operations, len(operations), bounds)
    }


def _said(disk: Disk) -> list[str]:
    return [
        path + ("/" if inode in disk.folders else "=" + disk.files[inode].decode())
        for path, inode in disk.paths()
    ]


def disk(*operations: Operation) -> Disk:
    made = Disk()
    for operation in operations:
        made.do(operation)
    return made


ONE = disk(Make(ROOT, "a", A), Write(A, 0, OLD))
TWO_FOLDERS = disk(
    Make(ROOT, "d", B, is_folder=True), Make(ROOT, "t", C, is_folder=True),
    Make(B, "a", A), Write(A, 0, OLD),
)  # fmt: skip
MOVED = Rename(B, "a", C, "a")
IN_OLD, IN_NEW, IN_BOTH, IN_NONE = (
    "d/ d/a=old t/",
    "d/ t/ t/a=old",
    "d/ d/a=old t/ t/a=old",
    "d/ t/",
)

CASES: dict[str, tuple[Disk, Sequence[Operation], set[str]]] = {
    "nothing happened": (ONE, [], {"a=old"}),
    "what was there is durable": (ONE, [Mark("begin")], {"a=old"}),
    "an unsynced write may be missing": (ONE, [Write(A, 0, NEW)], {"a=old", "a=new"}),
    "a synced one is there": (ONE, [Write(A, 0, NEW), Sync(A)], {"a=new"}),
    "a write after the sync may be missing": (
        ONE, [Write(A, 0, NEW), Sync(A), Write(A, 0, b"N")], {"a=new", "a=New"},
    ),
    "writes may happen out of order": (
        ONE, [Write(A, 0, b"1"), Write(A, 1, b"2")], {"a=old", "a=1ld", "a=o2d", "a=12d"},
    ),
    "the size may have grown without the data": (
        ONE, [Write(A, 3, b"er")], {"a=old", "a=old\0\0", "a=older"},
    ),
    "a file may be cut and not yet written": (
        ONE, [Truncate(A, 0), Write(A, 0, NEW)], {"a=old", "a=", "a=new", "a=\0\0\0"},
    ),
    "a sync of the folder is none of the file": (
        ONE, [Write(A, 0, NEW), Sync(ROOT)], {"a=old", "a=new"},
    ),
    "a new file may have no name": (Disk(), [Make(ROOT, "a", A)], {"", "a="}),
    "a sync of a new file is none of its name": (
        Disk(), [Make(ROOT, "a", A), Write(A, 0, NEW), Sync(A)], {"", "a=new"},
    ),
    "a synced name of an unsynced file": (
        Disk(), [Make(ROOT, "a", A), Write(A, 0, NEW), Sync(ROOT)], {"a=", "a=new", "a=\0\0\0"},
    ),
    "what is in a folder without a name is gone": (
        Disk(), [Make(ROOT, "d", B, is_folder=True), Make(B, "a", A), Sync(B)], {"", "d/ d/a="},
    ),
    "an unsynced removal may not have happened": (ONE, [Unlink(ROOT, "a")], {"", "a=old"}),
    "a synced removal has": (ONE, [Unlink(ROOT, "a"), Sync(ROOT)], {""}),
    "names may happen out of order": (
        ONE, [Link(ROOT, "b", A), Unlink(ROOT, "a")],
        {"a=old", "a=old b=old", "b=old", ""},
    ),
    "two names of one file have one content": (
        ONE, [Link(ROOT, "b", A), Sync(ROOT), Write(A, 0, NEW)],
        {"a=old b=old", "a=new b=new"},
    ),
    "a rename over a file is one step": (
        disk(Make(ROOT, "a", A), Write(A, 0, OLD), Make(ROOT, "t", B), Write(B, 0, NEW)),
        [Rename(ROOT, "t", ROOT, "a")], {"a=old t=new", "a=new"},
    ),
    "a rename to a name of the same file is nothing": (
        disk(Make(ROOT, "a", A), Link(ROOT, "b", A)), [Rename(ROOT, "a", ROOT, "b")], {"a= b="},
    ),
    "a rename across folders is one step": (TWO_FOLDERS, [MOVED], {IN_OLD, IN_NEW}),
    "of which the new name alone is synced": (TWO_FOLDERS, [MOVED, Sync(C)], {IN_BOTH, IN_NEW}),
    "of which the old name alone is synced": (TWO_FOLDERS, [MOVED, Sync(B)], {IN_NONE, IN_NEW}),
    "of which both are synced": (TWO_FOLDERS, [MOVED, Sync(C), Sync(B)], {IN_NEW}),
    "a folder is never in two places": (
        disk(Make(ROOT, "d", B, is_folder=True), Make(ROOT, "t", C, is_folder=True),
             Make(B, "a", A, is_folder=True)),
        [MOVED, Sync(C)], {"d/ t/ t/a/"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_cut_leaves_just_these(case: str) -> None:
    base, operations, expected = CASES[case]
    assert after(base, *operations) == expected


def test_a_long_write_is_torn_at_half_pages_in_three_ways() -> None:
    found = contents(b"", [Write(A, 0, b"x" * 4096 + b"y")], most=100)
    begun, half = b"x" * 2048, b"\0" * 2048
    assert set(found) == {
        b"", b"\0" * 4097, b"x" * 4096 + b"y",
        begun, begun + half + b"\0", half + begun + b"y",
        begun * 2, begun * 2 + b"\0", half * 2 + b"y",
    }  # fmt: skip


def test_a_torn_write_keeps_what_it_was_written_over() -> None:
    found = contents(b"o" * 4096, [Write(A, 0, b"x" * 4096)], most=100)
    assert set(found) == {
        b"o" * 4096, b"x" * 4096, b"x" * 2048 + b"o" * 2048, b"o" * 2048 + b"x" * 2048,
    }  # fmt: skip


def test_of_many_writes_all_beginnings_are_tried_and_all_that_lack_two() -> None:
    writes = [Write(A, place, b"x") for place in range(5)]
    found = contents(b"-----", writes, most=100)
    assert {b"-----", b"x----", b"xx---", b"xxx--", b"xxxx-", b"xxxxx"} <= set(found)
    assert {b"-xxxx", b"x-xx-", b"--xxx"} <= set(found)


@pytest.mark.parametrize("most", [2, 3, 7])
def test_where_there_are_too_many_the_unwritten_and_the_whole_stay(most: int) -> None:
    writes = [Write(A, place, b"x") for place in range(9)]
    found = contents(b"-" * 9, writes, most=most)
    assert (found[0], found[-1]) == (b"-" * 9, b"x" * 9)
    assert len(found) <= most


def test_with_few_combinations_each_name_and_each_file_is_still_varied() -> None:
    made = [Make(ROOT, name, number) for number, name in enumerate("abcd", 1)]
    written = [Write(number, 0, NEW) for number in range(1, 5)]
    found = after(Disk(), *made, *written, bounds=Bounds(contents=3, combinations=1))
    assert {
        "",
        "a=",
        "a=new b=new c=new d=new",
        "a= b= c= d=",
        "a=\0\0\0 b=new c=new d=new",
    } <= found


def test_a_cut_is_tried_before_each_step_but_in_the_midst_of_writes() -> None:
    steps: list[Operation] = [
        Make(ROOT, "a", A),
        Write(A, 0, OLD),
        Write(A, 3, NEW),
        Sync(A),
        Mark("end"),
    ]
    assert crash_points(steps) == [0, 3, 4, 5]
