"""What a verb costs does not grow with what is stored: counted in system calls and bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from proof.nursery import unmeasured

from localsessions import SessionStore

PROGRAM = Path(__file__).parent / "programs" / "cost_of.py"
pytestmark = pytest.mark.needs("strace")

CALLS = "%file,%desc,fsync,fdatasync,rename,ftruncate"
CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
# What another thread's call came in between of.
RESUMED = re.compile(r"\d+ +<\.\.\. (\w+) (resumed)>.* += (-?\d+)")
READS = ("read", "pread64")
WRITES = ("write", "pwrite64")


@dataclass
class Cost:
    """What was done between the marks; ``looks`` are the stats of session files."""

    calls: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    read: int = 0
    written: int = 0


def cost(folder: Path, what: str, trace: Path) -> Cost:
    """Return what a process of its own does for one verb, in a store that it has just opened."""
    command = ["strace", "-f", "-qq", "-s", "32", "-e", f"trace={CALLS}", "-o", str(trace)]
    program = [sys.executable, str(PROGRAM), str(folder), what]
    subprocess.run([*command, *program], check=True, env=unmeasured())
    found = Cost()
    lines = trace.read_text("utf-8", "replace").splitlines()
    begin, end = (
        next(at for at, line in enumerate(lines) if mark in line)
        for mark in ("/cost-begin", "/cost-end")
    )
    for line in lines[begin + 1 : end]:
        if (match := CALL.match(line) or RESUMED.match(line)) is None:
            continue
        name, result = match.group(1), int(match.group(3))
        found.calls[name] += 1
        found.looks += name in STATS and '.json"' in line
        found.read += result if name in READS else 0
        found.written += result if name in WRITES else 0
    return found


def fill(folder: Path, messages: int, sessions: int) -> None:
    with SessionStore(folder, durability="fast") as store:
        session = store.create("s")
        session.messages = [
            {"id": f"m{number}", "role": "user", "content": "said " * 50}
            for number in range(messages)
        ]
        store.save(session)
        for number in range(sessions):  # one by one, which is how the index grows
            store.create(f"other{number}", user_id="u" if number % 2 else "v")


TURNS = ("append", "upsert_run", "upsert_run with ids", "switch_agent", "tag")


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a short session and one of a long one, which grow by the same turns."""
    place = tmp_path_factory.mktemp("lengths")
    fill(place / "short", 100, 1)
    fill(place / "long", 10_000, 1)
    return place


@pytest.mark.parametrize("what", [*TURNS, "save", "tail"])
def test_a_turn_costs_the_same_in_a_long_session(what: str, lengths: Path, tmp_path: Path) -> None:
    short, long = (cost(lengths / name, what, tmp_path / "trace") for name in ("short", "long"))
    assert long.calls == short.calls
    # A page more or less of the index, a block more or less of the file's hash.
    assert long.written <= short.written + 16_384
    assert long.read <= short.read + 32_768


@pytest.mark.parametrize("what", [*TURNS, "save"])
def test_a_turn_reads_nothing_of_the_session_and_writes_what_is_new(
    what: str, tmp_path: Path
) -> None:
    fill(tmp_path / "s", 1000, 1)
    found = cost(tmp_path / "s", what, tmp_path / "trace")
    # One lock, one line of the journal, two syncs; no database is asked.
    assert found.calls["fsync"] + found.calls["fdatasync"] == 2
    assert found.calls["open"] + found.calls["openat"] <= 4
    assert found.calls.total() <= 34
    assert found.calls["pwrite64"] == 1
    assert found.read == 0
    assert found.written <= 4096


def test_a_load_reads_the_file_once(tmp_path: Path) -> None:
    fill(tmp_path / "few", 10, 1)
    fill(tmp_path / "many", 10_000, 1)
    few, many = (cost(tmp_path / name, "load", tmp_path / "trace") for name in ("few", "many"))
    sizes = [(tmp_path / name / "s.json").stat().st_size for name in ("few", "many")]
    # Asking the index of the long one: whether it needs a proof.
    assert many.calls.total() <= few.calls.total() + 16
    assert many.read - few.read <= sizes[1] - sizes[0] + 32_768
    assert many.written == few.written == 0


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of few sessions and one of many."""
    place = tmp_path_factory.mktemp("stores")
    fill(place / "few", 10, 60)
    fill(place / "many", 10, 1200)
    return place


@pytest.mark.parametrize(
    "what",
    ["append", "create", "list", "filter", "by size", "middle", "count", "count of one"],
)
def test_a_verb_costs_the_same_among_many_sessions(what: str, stores: Path, tmp_path: Path) -> None:
    few, many = (cost(stores / name, what, tmp_path / "trace") for name in ("few", "many"))
    # Whether the stripe's lock file is there already, and how many pages of the index are read.
    assert abs(many.calls.total() - few.calls.total()) <= 16
    assert many.read <= few.read + 64 * 1024
    assert many.written <= few.written + 64 * 1024


def test_many_sessions_share_what_is_synced(tmp_path: Path) -> None:
    """A file each, the folder once; the index never waits for the disk."""
    fill(tmp_path / "sessions", 10, 300)
    syncs = {
        what: cost(tmp_path / "sessions", what, tmp_path / "trace").calls
        for what in ("create", "create_many", "save_many", "delete_many")
    }
    assert syncs["create"]["fsync"] == 2
    assert syncs["create_many"]["fsync"] == syncs["save_many"]["fsync"] == 100 + 1
    # The new folder of deleted sessions: its parent, and what tells git to leave it alone.
    assert syncs["delete_many"]["fsync"] == 2 + 2
    assert {calls["fdatasync"] for calls in syncs.values()} == {0}


def test_a_session_among_many_costs_less_of_the_index(tmp_path: Path) -> None:
    fill(tmp_path / "sessions", 10, 300)
    alone, together = (
        cost(tmp_path / "sessions", what, tmp_path / "trace").calls
        for what in ("create", "create_many")
    )
    # Pages of its journal: each change of one session alone writes them all.
    assert together["pwrite64"] < 100 * alone["pwrite64"] / 5


STATS = ("newfstatat", "stat", "lstat", "statx")
OF_THE_INDEX = ("pread64", "getdents64", "lseek")
"""Its rows are read, one after the other, and the folder is listed."""


def test_opening_asks_of_each_session_one_stat_and_opens_none(stores: Path, tmp_path: Path) -> None:
    few, many = (cost(stores / name, "open", tmp_path / "trace") for name in ("few", "many"))
    assert many.looks - few.looks == 1140
    assert sum(many.calls[name] - few.calls[name] for name in STATS) <= 1140 + 16
    others = {name for name in many.calls | few.calls if name not in STATS + OF_THE_INDEX}
    assert "openat" in others
    assert all(abs(many.calls[name] - few.calls[name]) <= 2 for name in others)
    # The rows, once: to check the whole index, all of its pages are read.
    assert many.read - few.read <= 1140 * 800
    assert many.written <= few.written + 4096


def test_a_look_after_one_change_reads_one_file_and_writes_its_row(
    stores: Path, tmp_path: Path
) -> None:
    few, many = (cost(stores / name, "change", tmp_path / "trace") for name in ("few", "many"))
    assert many.looks - few.looks == 1140
    assert sum(many.calls[name] - few.calls[name] for name in STATS) <= 1140 + 16
    for name in ("openat", "write", "pwrite64", "fsync", "fdatasync"):
        assert abs(many.calls[name] - few.calls[name]) <= 16
    assert many.written <= few.written + 64 * 1024
