"""Several processes at one session: nothing is lost, and no reader sees half of anything."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from localsessions import SessionStore

Start = Callable[..., "subprocess.Popen[str]"]
COUNT = 200
WAYS = ["load", "json", "list"]


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def test_two_processes_append_while_others_read_and_list(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s")
    pairs = (("a", "b"), ("b", "a"))
    writers = [start("write_messages.py", folder, "s", me, COUNT, other) for me, other in pairs]
    readers = [start("read_all_the_time.py", folder, "s", way) for way in WAYS]
    assert [said(child) for child in (*writers, *readers)] == ["ready"] * 5
    for writer in writers:
        tell(writer)
    assert [writer.wait() for writer in writers] == [0, 0]
    for reader in readers:
        tell(reader)
    seen = [said(reader).split() for reader in readers]
    assert [reader.wait() for reader in readers] == [0] * len(WAYS)

    contents = [str(message["content"]).split() for message in store.load("s").messages]
    assert len(contents) == 2 * COUNT
    for name in ("a", "b"):
        own = [int(number) for writer, number in contents if writer == name]
        assert own == list(range(COUNT))
    assert store.load("s").revision == 2 * COUNT + 1
    # They did work at the same time, and the readers saw it growing.
    assert {writer for writer, _ in contents[:COUNT]} == {"a", "b"}
    assert [way for way, (_, sizes) in zip(WAYS, seen, strict=True) if int(sizes) < 3] == []


def test_processes_that_make_one_session_at_once_make_it_once(
    folder: Path, store: SessionStore, start: Start
) -> None:
    children = [start("create.py", folder, 30) for _ in range(4)]
    assert [said(child) for child in children] == ["ready"] * 4
    for child in children:
        tell(child)
    made = [name for child in children for name in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0] * 4
    assert sorted(made) == sorted(f"s{number}" for number in range(30))
    assert store.count() == 30


def test_of_sixteen_processes_that_get_or_create_one_creates(folder: Path, start: Start) -> None:
    children = [start("get_or_create.py", folder, 20, f"p{number}") for number in range(16)]
    assert [said(child) for child in children] == ["ready"] * 16
    with SessionStore(folder) as store:
        since = store.last_change()
        for child in children:
            tell(child)
        made = [child.communicate()[0].split() for child in children]
        told = [*store.changes(since)]
        stored = [str(store.load(f"s{number}").title) for number in range(20)]
    assert [child.returncode for child in children] == [0] * 16
    assert made == [stored] * 16
    assert [one.kind for one in told] == ["created"] * 20
