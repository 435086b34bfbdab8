"""What others do to the files is seen, and only what changed is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import calls
import needs
import pytest
from inside import local
from killing import DIED, DIES

from localsessions import SessionStore, UnreadableSessionError


def write(folder: Path, session_id: str, title: str) -> Path:
    path = folder / f"{session_id}.json"
    message = {"role": "user", "content": f"about {title}"}
    path.write_text(json.dumps({"title": title, "messages": [message]}))
    return path


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max(calls.real("lstat")(str(path)).st_ctime_ns for path in folder.glob("*.json"))
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


def files_read(store: SessionStore) -> int:
    return local(store).folder.files_read


def titles(store: SessionStore, *, fresh: bool = True) -> dict[str, str]:
    return {one.session_id: one.title for one in store.list(limit=1000, fresh=fresh)}


def change_number(store: SessionStore) -> int:
    changes = local(store).index.changed_since(0)
    return changes[-1][0] if changes else 0


# -- other programs ----------------------------------------------------------------------------


class Act(NamedTuple):
    do: Callable[[Path], object]
    expected: dict[str, str]
    read: int = 1


def replace(path: Path, title: str) -> None:
    new = write(path.parent.parent, "new", title)
    new.replace(path)


def keeping_times(path: Path, title: str) -> None:
    """cp -p and touch -r: another content of the same size, the old times."""
    status = path.stat()
    write(path.parent, path.stem, title)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def copy_preserving(folder: Path) -> None:
    shutil.copy2(folder / "a.json", folder / "c.json")


def remove_all(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()


ACTS: dict[str, Act] = {
    "copied in": Act(lambda folder: write(folder, "c", "new"), {"a": "A", "b": "B", "c": "new"}),
    "copied with its times": Act(copy_preserving, {"a": "A", "b": "B", "c": "A"}),
    "edited in place": Act(lambda folder: write(folder, "a", "edited"), {"a": "edited", "b": "B"}),
    "replaced": Act(lambda folder: replace(folder / "a.json", "other"), {"a": "other", "b": "B"}),
    "removed": Act(lambda folder: (folder / "a.json").unlink(), {"b": "B"}, 0),
    "renamed": Act(
        lambda folder: (folder / "a.json").rename(folder / "c.json"), {"b": "B", "c": "A"}
    ),
    "renamed over another": Act(
        lambda folder: (folder / "a.json").replace(folder / "b.json"), {"b": "A"}
    ),
    "changed, times restored": Act(
        lambda folder: keeping_times(folder / "a.json", "X"), {"a": "X", "b": "B"}
    ),
    "all removed": Act(remove_all, {}, 0),
    "nothing": Act(lambda folder: None, {"a": "A", "b": "B"}, 0),
}


@pytest.fixture
def two(store: SessionStore, folder: Path) -> SessionStore:
    """A store that has listed two settled files."""
    write(folder, "a", "A")
    write(folder, "b", "B")
    settle(folder)
    assert titles(store) == {"a": "A", "b": "B"}
    return store


@pytest.mark.parametrize("act", ACTS)
def test_what_others_do_is_seen_and_no_other_file_is_read(
    act: str, two: SessionStore, folder: Path
) -> None:
    before = files_read(two)
    ACTS[act].do(folder)
    if list(folder.glob("*.json")):
        settle(folder)

    assert titles(two) == ACTS[act].expected
    assert files_read(two) - before == ACTS[act].read
    assert {one.session.title for one in two.search("about")} == set(ACTS[act].expected.values())


@pytest.mark.parametrize("act", ACTS)
def test_it_is_seen_without_asking_when_a_look_is_due(
    act: str, two: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ACTS[act].do(folder)
    passed = time.monotonic() + 3600
    monkeypatch.setattr("localsessions._local.reconciling.time.monotonic", lambda: passed)
    assert titles(two, fresh=False) == ACTS[act].expected


@pytest.mark.parametrize("act", ACTS)
def test_it_is_seen_when_the_store_is_opened_again(
    act: str, two: SessionStore, folder: Path
) -> None:
    two.close()
    ACTS[act].do(folder)
    with SessionStore(folder) as again:
        assert titles(again, fresh=False) == ACTS[act].expected


@pytest.mark.parametrize(
    "act", ["edited in place", "replaced", "removed", "changed, times restored"]
)
def test_what_a_page_returns_is_right_without_any_sweep(
    act: str, two: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local(two).reconciler, "_is_due", lambda: False)
    sweeps = local(two).reconciler.sweeps
    ACTS[act].do(folder)
    assert titles(two, fresh=False) == ACTS[act].expected
    assert local(two).reconciler.sweeps == sweeps


def test_a_file_that_was_only_touched_is_no_change(two: SessionStore, folder: Path) -> None:
    before, read = change_number(two), files_read(two)
    os.utime(folder / "a.json")
    if needs.is_here("modes"):
        (folder / "b.json").chmod(0o640)
    else:
        os.utime(folder / "b.json")
    settle(folder)

    assert titles(two) == {"a": "A", "b": "B"}
    assert change_number(two) == before
    assert files_read(two) - read == 2
    assert titles(two) == {"a": "A", "b": "B"}
    assert files_read(two) - read == 2


def test_a_change_within_the_grain_of_the_clock_is_found(store: SessionStore, folder: Path) -> None:
    """Same size, same times, same inode, as on a clock that stands still: believed only later."""
    path = write(folder, "a", "A")
    stamp = time.time_ns() + 60_000_000_000  # in the future: too young however slow the machine
    os.utime(path, ns=(stamp, stamp))
    assert titles(store) == {"a": "A"}
    row = local(store).index.get("a")
    assert row is not None
    assert row.settled is False
    path.write_text(path.read_text().replace("A", "B"))
    now = local(store).folder.fingerprint("a")
    assert now is not None
    local(store).index.put([row._replace(fingerprint=now)], lambda _: True)

    assert titles(store) == {"a": "B"}


def test_of_200_sessions_only_the_3_that_changed_are_read(
    store: SessionStore, folder: Path
) -> None:
    for number in range(200):
        write(folder, f"s{number}", f"T{number}")
    settle(folder)
    store.list(fresh=True)
    assert store.stats().counters["files_read"] == 200

    write(folder, "s7", "changed")
    write(folder, "new", "new")
    (folder / "s8.json").replace(folder / "s9.json")
    settle(folder)

    assert store.list(limit=1, fresh=True)
    assert store.stats().counters["files_read"] == 203
    assert store.list(limit=1000, fresh=True)
    assert store.stats().counters["files_read"] == 203
    assert store.stats().sessions == 200


def test_an_own_write_is_never_read_again(store: SessionStore) -> None:
    for number in range(20):
        store.create(f"s{number}")
    assert len(store.list(fresh=True)) == 20
    assert files_read(store) == 0


# -- two writers and one sweeper -----------------------------------------------------------------


def test_a_sweeper_that_was_overtaken_leaves_no_older_row(
    two: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a", "first")
    read_row = local(two).reader.row

    def read_and_be_overtaken(session_id: str) -> object:
        row = read_row(session_id)
        if session_id == "a":
            with SessionStore(folder) as other:
                other.rename("a", "second")
        return row

    monkeypatch.setattr(local(two).reader, "row", read_and_be_overtaken)
    local(two).reconciler.sweep()
    row = local(two).index.get("a")
    assert row is not None
    assert row.summary.title == "second"
    monkeypatch.undo()
    assert titles(two, fresh=False) == {"a": "second", "b": "B"}


@pytest.mark.parametrize("torn", [True, False])
def test_a_file_that_goes_while_it_is_looked_at_is_gone(
    torn: bool, two: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a", "edited")
    read = local(two).folder.read

    def vanish(session_id: str) -> object:
        if session_id == "a":
            (folder / "a.json").unlink(missing_ok=True)
            if torn:
                raise UnreadableSessionError("a", "it was being written all the time")
        return read(session_id)

    monkeypatch.setattr(local(two).folder, "read", vanish)
    assert local(two).reconciler.summary("a") is None
    monkeypatch.setattr(local(two).reconciler, "_is_due", lambda: False)
    assert titles(two, fresh=False) == {"b": "B"}


def test_a_sweeper_forgets_no_session_that_came_back(
    two: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.json").rename(folder / "away")
    remove = local(two).index.remove

    def come_back(*arguments: object) -> None:
        (folder / "away").rename(folder / "a.json")
        remove(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(local(two).index, "remove", come_back)
    local(two).reconciler.sweep()
    assert local(two).index.get("a") is not None


def test_a_writer_killed_between_file_and_row_is_mended_at_the_next_look(folder: Path) -> None:
    script = (
        "import os, sys; from localsessions import SessionStore\n"
        "store = SessionStore(sys.argv[1])\n"
        f"end = lambda *_: {DIES}\n"
        "store.engine.index.record = store.engine.index.record_turn = end\n"
        "store.rename('a', 'written')\n"
    )
    with SessionStore(folder) as store:
        store.create("a", title="before")
        assert titles(store) == {"a": "before"}
        killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
        assert killed.returncode == DIED
        row = local(store).index.get("a")
        assert row is not None
        assert row.summary.title == "before"

        assert titles(store, fresh=False) == {"a": "written"}
        assert store.search("written")


def test_what_one_process_writes_another_lists_at_once(folder: Path) -> None:
    with SessionStore(folder) as one, SessionStore(folder) as two:
        one.create("a", title="first")
        assert titles(two, fresh=False) == {"a": "first"}
        local(two).reconciler._is_due = lambda: False  # type: ignore[method-assign]
        one.create("b", title="second")
        one.rename("a", "renamed")
        assert titles(two, fresh=False) == {"a": "renamed", "b": "second"}
        assert two.count() == 2
        one.delete("b")
        assert (titles(two, fresh=False), two.count()) == ({"a": "renamed"}, 1)


# -- the price -----------------------------------------------------------------------------------


class Clock:
    """A monotonic clock that goes on when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", [0.001, 0.25])
def test_sweeping_costs_at_most_a_twentieth_of_the_time(
    cost: float, two: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("localsessions._local.reconciling.time.monotonic", clock)
    scan = local(two).folder.scan

    def scan_slowly(known: dict[str, str]) -> object:
        clock.now += cost
        return scan(known)

    monkeypatch.setattr(local(two).folder, "scan", scan_slowly)
    two.list(fresh=True)
    before, started = local(two).reconciler.sweeps, clock.now
    for _ in range(500):
        clock.now += cost
        two.list()
    swept = (local(two).reconciler.sweeps - before) * cost
    assert 0 < swept <= (clock.now - started) / 20


def test_nothing_is_swept_while_nobody_asks(store: SessionStore) -> None:
    store.create("a")
    before = local(store).reconciler.sweeps
    for number in range(20):
        store.append("a", {"role": "user", "content": str(number)})
    store.load("a")
    assert local(store).reconciler.sweeps == before


@pytest.mark.needs("open files that go")
def test_a_folder_that_vanishes_is_empty(two: SessionStore, folder: Path) -> None:
    shutil.rmtree(folder)
    assert two.list(fresh=True).items == ()
    assert two.count() == 0


def test_progress_is_told_while_files_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.reconciling._BATCH", 250)
    folder.mkdir()
    for number in range(300):
        write(folder, f"s{number}", "T")
    told: list[tuple[int, int]] = []
    with SessionStore(folder) as store:
        store.reindex(on_progress=lambda done, of: told.append((done, of)))
        assert told == [(250, 300), (300, 300)]
        told.clear()
        assert len(store.search("about", limit=1, on_progress=lambda *pair: told.append(pair))) == 1
        assert told[-1] == (300, 300)


def test_a_file_that_is_replaced_while_it_is_read_into_the_index_is_read_again(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replaced it may have been killed before he recorded it."""
    store.create("s", title="old")
    path = Path(store.path("s"))
    real, reads = local(store).reader.row, []

    def read_row(session_id: str) -> object:
        row = real(session_id)
        reads.append(session_id)
        if len(reads) == 1:
            path.write_bytes(path.read_bytes().replace(b'"old"', b'"new, and longer"'))
        return row

    monkeypatch.setattr(local(store).reader, "row", read_row)
    local(store).index.clear()
    local(store).reconciler.sweep()
    row = local(store).index.get("s")
    assert row is not None
    assert (row.summary.title, reads) == ("new, and longer", ["s", "s"])
