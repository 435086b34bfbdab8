"""Links, pipes, devices and folders in every place where the store reads or writes a file.

Each kind of thing is put into each place, and every verb of the table is performed in that
folder, by a child that is killed if it hangs. It may work or raise an error of the store or of
the system, and nothing else. Around the folder lies a tree that the links lead to; it is compared
before and after: content, times, modes, inodes. So are files that have a second name elsewhere.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from inside import local

from localsessions import SessionError, SessionStore
from localsessions._local.files.locks import stripe_of
from localsessions._local.last_good import LastGood
from proof.counting import IS_FULL, tried
from proof.verbs import VERBS, message

Place: TypeAlias = str
STAMP = "20260102T030405000000Z"

PLACES: tuple[Place, ...] = (
    "s.json",
    "s.checkpoints",
    "s.checkpoints/00000001-x.json",
    ".trash",
    ".trash/.gitignore",
    f".trash/{STAMP}-s.json",
    f".trash/{STAMP}-s.checkpoints",
    ".localsessions",
    ".localsessions/.gitignore",
    ".localsessions/index.sqlite3",
    ".localsessions/index.sqlite3-wal",
    ".localsessions/index.sqlite3-shm",
    ".localsessions/index.sqlite3-journal",
    ".localsessions/search.sqlite3",
    ".localsessions/search.sqlite3-wal",
    ".localsessions/journal",
    ".localsessions/journal.new",
    ".localsessions/journal.old",
    ".localsessions/locks",
    f".localsessions/locks/{stripe_of('s'):02x}",
    ".localsessions/locks/whole",
    ".localsessions/tmp",
    f".localsessions/tmp/{stripe_of('s'):02x}-0123456789abcdef.tmp",
    ".localsessions/kept",
    ".localsessions/kept/s.json.gz",
    ".localsessions/kept/s.json.gz.part",
)


def device(path: Path, minor: int) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the name of a socket is short
        server.bind(path.name)


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "link to a file": lambda path, outside: path.symlink_to(outside / "file"),
    "link to a folder": lambda path, outside: path.symlink_to(outside / "folder"),
    "link to nothing": lambda path, outside: path.symlink_to(outside / "new"),
    "link to itself": lambda path, outside: path.symlink_to(path.name),
    "link to an endless device": lambda path, outside: path.symlink_to("/dev/zero"),
    "second name of a file": lambda path, outside: path.hardlink_to(outside / "file"),
    "pipe": lambda path, outside: os.mkfifo(path),
    "socket": lambda path, outside: bound_socket(path),
    "endless device": lambda path, outside: device(path, 5),
    "empty device": lambda path, outside: device(path, 3),
    "folder": lambda path, outside: (path / "inner").mkdir(parents=True),
}


# What a small run does: the verbs that come by a place, where not all do.
FEW: dict[Place, list[str]] = {
    "s.json": ["append", "save", "delete", "keep"],
    "s.checkpoints": ["save_checkpoint", "clear_checkpoints", "delete"],
    ".trash": ["delete", "empty_trash"],
    f".trash/{STAMP}-s.json": ["delete", "empty_trash", "restore"],
    f".trash/{STAMP}-s.checkpoints": ["empty_trash", "restore"],
    ".localsessions/kept": ["keep", "drop"],
    ".localsessions/kept/s.json.gz": ["keep", "last good"],
    ".localsessions/kept/s.json.gz.part": ["keep"],
}


MAIN_KINDS = ["link to a file", "link to a folder", "link to nothing", "pipe"]
# One child for all places, or one for each.
GROUPS = [(place,) for place in PLACES] if IS_FULL else [PLACES]


def surroundings(folder: Path) -> Path:
    """Make the tree that links lead to: a file that is a database, and a folder."""
    outside = folder.parent / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "s.json").write_text('{"title": "not yours"}')
    database = sqlite3.connect(outside / "file")
    with database:
        database.execute("CREATE TABLE sessions (session_id)")
        database.execute("INSERT INTO sessions VALUES ('of somebody else')")
    database.close()
    return outside


def seen(outside: Path) -> dict[str, tuple[object, ...]]:
    """Return all that can be seen of a tree, but for when it was read."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(outside.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        facts = status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns
        found[str(path.relative_to(outside))] = (*facts, content)
    return found


def fill(folder: Path) -> None:
    """Make a store in which every place is taken by what belongs there."""
    with SessionStore(folder) as store:
        store.create("s", title="old")
        for number in range(3):
            store.append("s", message(number, "text"))
        store.save_checkpoint("s", 1)
        for name in "abc":
            store.create(name, ttl=0.001)
        store.delete("b")
        store.search("text")


def put(folder: Path, place: Place, kind: str, outside: Path) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    KINDS[kind](path, outside)


def drop(store: SessionStore) -> None:
    """Let the copy of the last good version go with its session, as where somebody watches."""
    store.delete("s")
    LastGood(local(store).reconciler).keep("s")


def attempts() -> dict[str, Callable[[SessionStore], object]]:
    """Return the verbs of the table, and those that only read."""
    reading: dict[str, Callable[[SessionStore], object]] = {
        "get": lambda store: store.get("s"),
        "last good": lambda store: store.load("s", last_good=True),
        "tail": lambda store: store.tail("s", 1),
        "search": lambda store: store.search("text"),
        "stats": lambda store: store.stats(),
        "trash": lambda store: store.trash(),
        "verify": lambda store: store.verify(),
        "checkpoints": lambda store: [
            store.load_checkpoint("s", one) for one in store.checkpoints("s")
        ],
        "fresh": lambda store: store.list(fresh=True),
        "keep": lambda store: LastGood(local(store).reconciler).keep("s"),
        "drop": drop,
    }
    return reading | {name: verb.act for name, verb in VERBS.items()}


def attempt(folder: str, template: str, outside: str, *places: str) -> int:
    """Put each kind into some places and perform verbs there; runs in a child."""
    before = seen(Path(outside))
    cases = 0
    for place in places:
        for kind, name in chosen(place):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(template, folder, symlinks=True)
            put(Path(folder), place, kind, Path(outside))
            print(f"{name} with a {kind} as {place}", flush=True)
            perform(folder, name)
            assert seen(Path(outside)) == before
            cases += 1
    return cases


def chosen(place: Place) -> list[tuple[str, str]]:
    """Return kinds and verbs: every kind with the verbs that come by, some with every verb."""
    few = FEW.get(place, ["append", "search"])
    if not IS_FULL:
        return list(itertools.product(MAIN_KINDS, few[:1] if place not in FEW else few))
    every = [name for name in attempts() if name != "open"]
    return [(kind, name) for kind in KINDS for name in (every if kind in MAIN_KINDS[1:] else few)]


def perform(folder: str, name: str) -> None:
    """Perform a verb; an error of the store or of the system is well."""
    try:
        with SessionStore(folder, lock_timeout=0.3, durability="fast") as store:
            attempts()[name](store)
    except* (SessionError, OSError):
        pass  # of a verb on many sessions, one of each


@pytest.mark.needs("another user")
@pytest.mark.parametrize("places", GROUPS)
def test_nothing_outside_is_touched_and_nothing_hangs(
    places: tuple[Place, ...], folder: Path
) -> None:
    outside, template = surroundings(folder), folder.parent / "template"
    fill(template)
    run = subprocess.run(
        [sys.executable, "-m", "proof.test_hostile_places", folder, template, outside, *places],
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    *before, last = run.stdout.splitlines()
    assert run.returncode == 0, (last, run.stderr[-3000:])
    assert last == str(len(before))
    tried("hostile input", "verbs performed with odd things in the place of files", len(before))
    tried("hostile input", "places of files tried with every kind of odd thing", len(places))


# -- folders that others may write ---------------------------------------------------------------


@pytest.mark.needs("modes")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777, 0o720])
@pytest.mark.parametrize("name", [".", ".localsessions"])
def test_a_folder_that_others_may_write_is_found(name: str, mode: int, store: SessionStore) -> None:
    store.create("s")
    assert list(store.verify()) == []
    path = os.path.normpath(os.path.join(store.save_dir, name))
    os.chmod(path, mode)
    (finding,) = store.verify()
    assert (finding.kind, finding.path, finding.automatic) == ("permissions", path, False)
    assert f"{mode:o}" in finding.problem
    # The folder is the user's: its mode stays, and the store works.
    store.append("s", {"role": "user"})
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


@pytest.mark.needs("another user")
def test_a_folder_of_another_user_is_found(store: SessionStore) -> None:
    os.chown(store.save_dir, 1234, -1)
    (finding,) = store.verify()
    assert (finding.kind, finding.path) == ("permissions", store.save_dir)
    assert "1234" in finding.problem


# -- what has a second name ----------------------------------------------------------------------


def test_a_backup_made_of_second_names_stays_what_it_was(folder: Path) -> None:
    fill(folder)
    backup = folder.parent / "backup"
    shutil.copytree(folder, backup, copy_function=os.link)
    before = seen(backup)
    with SessionStore(folder) as store:
        store.append("s", message(9))
        store.rename("s", "new")
        store.save_checkpoint("s", 2)
        store.restore("b")
        store.delete("a")
        store.search("text"), store.list(fresh=True)
        store.reindex()
    after = seen(backup)
    # Locks hold nothing, and who takes one may move its time.
    truth = [name for name in before if "locks" not in name]
    assert {name: after[name] for name in truth} == {name: before[name] for name in truth}
    with SessionStore(backup) as store:
        assert store.load("s").title == "old"
    tried("hostile input", "files of a backup made of second names compared", len(truth))


if __name__ == "__main__":
    print(attempt(*sys.argv[1:]))
