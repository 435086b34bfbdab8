"""verify names what is not well, each with its repair, and changes nothing but the index."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from localsessions import Finding, SessionStore


def found(store: SessionStore) -> dict[str, list[Finding]]:
    kinds: dict[str, list[Finding]] = {}
    for finding in store.verify():
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def test_all_is_well(store: SessionStore) -> None:
    store.create("a")
    store.save_checkpoint("a", 1)
    store.list()
    assert store.verify() == []


def test_each_thing_is_found_with_its_place_and_repair(store: SessionStore, folder: Path) -> None:
    store.create("orphan")
    store.save_checkpoint("orphan", 1)
    (folder / "orphan.json").unlink()
    (folder / "torn.json").write_text('{\n  "title": torn')
    (folder / "newer.json").write_text('{"format": "localsessions/9"}')
    (folder / "copy.json").write_text('{"session_id": "original"}')
    (folder / ".localsessions" / "tmp" / "00-1234.tmp").touch()
    store.list(fresh=True)
    before = {path: path.read_bytes() for path in folder.glob("*.json")}

    kinds = found(store)

    places = {kind: [(one.path, one.session_id) for one in kinds[kind]] for kind in kinds}
    assert places == {
        "unreadable": [(str(folder / "torn.json"), "torn")],
        "newer format": [(str(folder / "newer.json"), "newer")],
        "wrong inner id": [(str(folder / "copy.json"), "copy")],
        "orphan checkpoints": [(str(folder / "orphan.checkpoints"), "orphan")],
        "orphan temp file": [(str(folder / ".localsessions" / "tmp" / "00-1234.tmp"), None)],
    }
    assert "line 2, column 12" in kinds["unreadable"][0].problem
    assert "'original'" in kinds["wrong inner id"][0].problem
    assert all(one.problem and one.repair for ones in kinds.values() for one in ones)
    assert {path: path.read_bytes() for path in folder.glob("*.json")} == before


@pytest.mark.needs("wild names", "modes")
def test_a_name_of_control_characters_and_a_folder_for_all_are_found(
    store: SessionStore, folder: Path
) -> None:
    (folder / "bell\a.json").write_text("{}")
    folder.chmod(0o777)

    kinds = found(store)

    assert {kind: [(one.path, one.session_id) for one in kinds[kind]] for kind in kinds} == {
        "file name": [(str(folder / "bell\a.json"), None)],
        "permissions": [(str(folder), None)],
    }
    assert all(one.problem and one.repair for ones in kinds.values() for one in ones)


def test_an_index_that_is_behind_is_named_and_put_right(store: SessionStore, folder: Path) -> None:
    store.create("a")
    store.list(fresh=True)
    (folder / "b.json").write_text('{"title": "copied in"}')

    assert [(one.kind, one.session_id) for one in store.verify()] == [("index", "b")]
    assert store.verify() == []
    assert store.count() == 2


def test_progress_is_told(store: SessionStore) -> None:
    for session_id in "abc":
        store.create(session_id)
    told: list[tuple[int, int]] = []
    store.verify(on_progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max((path.stat().st_ctime_ns for path in folder.glob("*.json")), default=0)
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_reindex_makes_the_index_anew(count: int, store: SessionStore, folder: Path) -> None:
    for number in range(count):
        store.create(f"s{number}", title="parser")
    before = store.list().items
    settle(folder)
    read = store.stats().counters["files_read"]
    told: list[tuple[int, int]] = []

    assert store.reindex(on_progress=lambda done, of: told.append((done, of))) == count
    assert store.list().items == before
    assert store.stats().counters["files_read"] - read == count
    assert told == ([(count, count)] if count else [])
    assert len(store.search("parser")) == count
