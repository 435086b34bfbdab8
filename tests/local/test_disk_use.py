"""What is derived stays small, whatever is written, read, searched and killed meanwhile."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from inside import local

from localsessions import Session, SessionStore
from localsessions._local.index import room, wear
from localsessions._local.index.room import LOG_BYTES
from localsessions._local.recent import Recent

Start = Callable[..., "subprocess.Popen[str]"]
USE = Path(__file__).parent / "programs" / "use_all_the_time.py"
ROOM = ".localsessions"
MIB = 1 << 20


def on_disk(path: Path) -> int:
    """Return what a file or a tree takes; a file with two names counts once."""
    found = {}
    for one in (path, *path.rglob("*")):
        try:
            status = one.lstat()
        except FileNotFoundError:
            continue
        if not one.is_dir():
            found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def sizes(folder: Path) -> Counter[str]:
    """Return what the sessions take, what is derived, and of that what the spares take."""
    found = Counter[str]()
    for path in folder.glob("*.json"):
        found["sessions"] += on_disk(path)
    for path in (folder / ROOM / "tmp").glob("*.spare"):
        found["spares"] += on_disk(path)
    found["derived"] = on_disk(folder / ROOM) - found["spares"]
    return found


def texts_of(number: int) -> list[dict[str, str]]:
    chance = random.Random(number)
    return [
        {"role": "user", "content": " ".join(f"w{chance.randrange(5_000)}" for _ in range(300))}
        for _ in range(10)
    ]


def filled(store: SessionStore, count: int) -> list[str]:
    """Make sessions with ten messages each, and let the search take them in."""
    sessions = [
        Session(session_id=f"s{number}", messages=texts_of(number)) for number in range(count)
    ]
    store.create_many(sessions)
    store.search("w1")
    return [one.session_id for one in sessions]


# -- all together --------------------------------------------------------------------------------


@pytest.mark.needs("leases")
def test_what_is_derived_stays_within_its_bound_while_five_processes_work(
    folder: Path, store: SessionStore, start: Start
) -> None:
    filled(store, 20)
    store.close()
    roles = ("write", "write", "write", "watch", "search")
    children = [start(USE, folder, role, who, 300) for who, role in enumerate(roles)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    samples = []
    while any(child.poll() is None for child in children[:3]):
        samples.append(sizes(folder))
        time.sleep(0.2)  # how often is looked, not what is waited for
    for child in children[3:]:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    assert [child.wait() for child in children] == [0] * len(children)
    assert len(samples) > 5
    excess = [one["derived"] - (1.5 * one["sessions"] + 8 * MIB) for one in samples]
    assert max(excess) <= 0
    # One of each session that is being added to.
    assert [one for one in samples if one["spares"] > one["sessions"] + MIB] == []
    with SessionStore(folder) as store:
        assert [finding.kind for finding in store.verify()] == []


@pytest.mark.needs("leases")
def test_what_a_killed_writer_left_goes_when_the_next_one_comes(
    folder: Path, store: SessionStore, start: Start
) -> None:
    filled(store, 5)
    store.close()
    child = start(USE, folder, "write", 1, 100_000)
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    tmp = folder / ROOM / "tmp"
    while not any(tmp.iterdir()):
        assert child.poll() is None
    child.kill()
    child.wait()
    (tmp / "00-0123456789abcdef.tmp").write_bytes(b"half of a session")
    with SessionStore(folder):
        assert list(tmp.iterdir()) == []


# -- the databases -------------------------------------------------------------------------------


def test_a_log_is_short_where_nobody_holds_it_up(folder: Path, store: SessionStore) -> None:
    filled(store, 100)
    logs = [folder / ROOM / f"{name}.sqlite3-wal" for name in ("index", "search")]
    assert max(log.stat().st_size for log in logs) <= 2 * LOG_BYTES


def test_what_the_words_of_deleted_sessions_took_is_given_back(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_FREE_PAGES", 8)
    monkeypatch.setattr(wear, "_LEAST_BYTES", 4096)
    ids = filled(store, 100)

    def pages() -> int:
        with closing(sqlite3.connect(folder / ROOM / "search.sqlite3")) as db:
            return int(db.execute("PRAGMA page_count").fetchone()[0])

    before = pages()
    for at in range(0, 90, 10):
        store.delete_many(ids[at : at + 10])
        store.search("w1")
    assert pages() < before / 3
    hits = {hit.session.session_id for hit in store.search("w1", limit=99)}
    expected = {one for one in ids[90:] if " w1 " in str(texts_of(int(one[1:])))}
    assert expected <= hits <= {*ids[90:]}
    assert expected


# -- in memory and on the disk: what is kept of the last sessions --------------------------------


def test_of_the_last_sessions_few_large_or_many_small_ones_are_kept() -> None:
    def kept(sizes: list[int]) -> list[str]:
        recent = Recent[int]()
        for number, size in enumerate(sizes):
            recent.keep(f"s{number}", number, size)
        return recent.ids()

    assert len(kept([MIB // 4] * 300)) == 32
    assert len(kept([100] * 300)) == 256
    assert kept([3 * MIB] * 100) == [f"s{number}" for number in range(79, 100)]
    assert kept([MIB, 200 * MIB]) == ["s1"]


# -- what is told --------------------------------------------------------------------------------


@pytest.mark.needs("leases")
def test_stats_say_what_each_part_takes(folder: Path, store: SessionStore) -> None:
    filled(store, 3)
    store.append("s1", {"role": "user", "content": "one more"})
    store.append("s1", {"role": "user", "content": "and one more"})
    local(store).folder.kept.keep("s1", b"a good version")
    (folder / ROOM / "tmp" / "00-0123456789abcdef.tmp").write_bytes(b"half of a session")
    (folder / ROOM / "note").write_text("by a person")
    store.delete("s2")
    stats = store.stats()
    found, room = stats.derived_bytes, folder / ROOM
    expected = {
        "index": sum(map(on_disk, room.glob("index.*"))),
        "search": sum(map(on_disk, room.glob("search.*"))),
        "journal": sum(map(on_disk, room.glob("journal*"))),
        "kept copies": on_disk(room / "kept"),
        "locks": on_disk(room / "locks"),
        "temp files": on_disk(room / "tmp" / "00-0123456789abcdef.tmp"),
        "spares": sum(map(on_disk, (room / "tmp").glob("*.spare"))),
        "other": on_disk(room / "note") + on_disk(room / ".gitignore"),
    }
    assert found == expected
    assert min(found[name] for name in expected if name != "locks") > 0
    assert sum(found.values()) == on_disk(room)
    assert stats.trash_bytes == on_disk(folder / ".trash")


@pytest.mark.needs("links")
def test_what_is_behind_a_link_takes_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_bytes(b"x" * 100_000)
    with SessionStore(folder) as store:
        os.symlink(tmp_path / "outside", folder / ".trash")
        os.symlink(tmp_path / "outside", folder / ROOM / "kept")
        stats = store.stats()
    assert (stats.trash_bytes, stats.derived_bytes["kept copies"]) == (0, 0)
    assert stats.derived_bytes["other"] < 100_000
