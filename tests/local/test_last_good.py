"""A session that somebody edited into something unreadable can be had as it last was good."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from inside import local

from localsessions import Session, SessionStore, UnreadableSessionError
from localsessions._local.files import kept as kept_room
from localsessions._local.files.kept import KeptVersions

TORN = '{"title": "to'


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".localsessions" / "kept").glob("*.json.gz"))


def is_kept(store: SessionStore, session_id: str) -> bool:
    """Tell whether the copy is what the file is."""
    return local(store).folder.kept.read(session_id) == Path(store.path(session_id)).read_bytes()


def texts(session: Session) -> list[object]:
    return [message["content"] for message in session.messages]


@pytest.fixture
def watched(store: SessionStore) -> SessionStore:
    """A store with a session that somebody watches; closed with it."""
    store.create("s", title="kept")
    store.append("s", user("one"))
    store.watch(lambda change: None)
    wait_until(lambda: is_kept(store, "s"))
    return store


def test_the_last_good_version_of_a_broken_file_is_loaded(watched: SessionStore) -> None:
    path = Path(watched.path("s"))
    path.write_text(TORN)

    good = watched.load("s", last_good=True)

    assert (good.title, texts(good)) == ("kept", ["one"])
    assert path.read_text() == TORN
    with pytest.raises(UnreadableSessionError):
        watched.load("s")


def test_what_changed_while_somebody_watches_is_kept(watched: SessionStore) -> None:
    watched.append("s", user("two"))
    wait_until(lambda: is_kept(watched, "s"))
    Path(watched.path("s")).write_text(TORN)
    assert texts(watched.load("s", last_good=True)) == ["one", "two"]


def test_a_broken_version_is_never_kept(watched: SessionStore) -> None:
    told: list[str] = []
    watched.watch(lambda change: told.append(f"{change.kind} {change.session_id}"))
    Path(watched.path("s")).write_text(TORN)
    wait_until(lambda: "unreadable s" in told)
    # The copy of another session that is made later shows that the broken one had its turn.
    watched.create("other")
    wait_until(lambda: is_kept(watched, "other"))
    assert texts(watched.load("s", last_good=True)) == ["one"]


def test_a_file_that_is_well_is_loaded_as_it_is(watched: SessionStore) -> None:
    watched.close()
    with SessionStore(watched.save_dir) as store:
        store.append("s", user("unwatched"))
        assert texts(store.load("s", last_good=True)) == ["one", "unwatched"]


def test_without_a_copy_the_file_is_unreadable_all_the_same(
    folder: Path, store: SessionStore
) -> None:
    store.create("s")
    Path(store.path("s")).write_text(TORN)
    with pytest.raises(UnreadableSessionError):
        store.load("s", last_good=True)
    assert not (folder / ".localsessions" / "kept").exists()


def test_a_torn_copy_is_no_good_version(watched: SessionStore, folder: Path) -> None:
    (folder / ".localsessions" / "kept" / "s.json.gz").write_text(TORN)
    Path(watched.path("s")).write_text(TORN)
    with pytest.raises(UnreadableSessionError):
        watched.load("s", last_good=True)


def test_repair_makes_a_session_of_the_good_version(watched: SessionStore) -> None:
    Path(watched.path("s")).write_text("<<<<<<< nothing of this can be cut back")
    (finding,) = (one for one in watched.verify() if one.kind == "unreadable")
    assert finding.automatic
    watched.repair(finding)
    assert texts(watched.load("s-recovered")) == ["one"]
    assert not any(one.automatic for one in watched.verify())


def test_what_has_no_times_of_its_own_gets_those_of_the_broken_file(
    store: SessionStore, folder: Path
) -> None:
    (folder / "s.json").write_text('{"title": "by hand", "messages": []}')
    store.watch(lambda change: None)
    wait_until(lambda: is_kept(store, "s"))
    path = folder / "s.json"
    path.write_text('{"title": "by hand", "messages": [{"role": "user"}, {"ro')
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)

    (finding,) = (one for one in store.verify() if one.kind == "unreadable")
    store.repair(finding)
    for session in (store.load("s", last_good=True), store.load("s-recovered")):
        assert abs(session.last_activity - written_at) < timedelta(seconds=1)


def test_repair_takes_the_torn_file_where_it_holds_more(watched: SessionStore) -> None:
    path = Path(watched.path("s"))
    watched.close()
    with SessionStore(path.parent) as store:
        store.append("s", user("unwatched"), user("torn"))
        path.write_bytes(path.read_bytes().partition(b"torn")[0])
        (finding,) = (one for one in store.verify() if one.kind == "unreadable")
        store.repair(finding)
        assert texts(store.load("s-recovered")) == ["one", "unwatched"]


def test_the_good_version_is_not_saved_over_the_broken_file(watched: SessionStore) -> None:
    path = Path(watched.path("s"))
    path.write_text(TORN)
    good = watched.load("s", last_good=True)

    with pytest.raises(UnreadableSessionError):
        watched.save(good)
    assert path.read_text() == TORN

    watched.delete("s")
    watched.save(good)
    assert texts(watched.load("s")) == ["one"]
    assert Path(watched.trash()[0].path).read_text() == TORN


def test_a_deleted_session_takes_its_copy_with_it(watched: SessionStore, folder: Path) -> None:
    watched.delete("s")
    wait_until(lambda: copies(folder) == [])


def test_nothing_is_kept_where_nobody_watches(folder: Path, store: SessionStore) -> None:
    store.create("s")
    store.append("s", user("one"))
    store.list(fresh=True)
    store.close()
    assert copies(folder) == []


def test_a_copy_that_is_current_is_not_made_again(watched: SessionStore, folder: Path) -> None:
    copy = folder / ".localsessions" / "kept" / "s.json.gz"
    watched.close()
    os.utime(copy)  # in the tick of the clock in which the file was written, nobody can tell
    before = copy.stat()
    with SessionStore(folder) as store:
        store.create("other")
        store.watch(lambda change: None)
        wait_until(lambda: is_kept(store, "other"))
    assert copy.stat().st_ino == before.st_ino


def test_watching_goes_on_where_no_copy_can_be_made(
    store: SessionStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    (folder / ".localsessions" / "kept").write_text("in the way")
    store.create("s")
    store.watch(lambda change: told.append(change.session_id))
    wait_until(lambda: "no copy of session 's' is kept" in caplog.text)
    store.create("t")
    wait_until(lambda: told == ["t"])


def noise(size_bytes: int) -> bytes:
    """Return bytes that cannot be compressed."""
    return random.Random(size_bytes).randbytes(size_bytes)


def test_copies_take_a_quarter_of_the_sessions_and_the_newest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_room, "_MOST", 4)
    monkeypatch.setattr(kept_room, "_LEAST_BYTES", 0)
    monkeypatch.setattr(kept_room, "_LARGEST", 100_000)
    kept = KeptVersions(str(tmp_path / "kept"))

    def keep(name: str, size_bytes: int, at: int) -> None:
        kept.keep(name, noise(size_bytes))
        os.utime(tmp_path / "kept" / f"{name}.json.gz", (at, at))

    def names() -> list[str]:
        return sorted(name.removesuffix(".json.gz") for name in os.listdir(tmp_path / "kept"))

    for number in range(5):
        keep(f"s{number}", 10, number)
    kept.prune(1 << 20)
    assert names() == ["s1", "s2", "s3", "s4"]

    for number in range(5, 8):
        keep(f"s{number}", 30_000, number)
    kept.drop("s2")
    kept.prune(4 * 80_000)
    assert names() == ["s3", "s4", "s6", "s7"]  # what is older and small stays

    keep("s8", 90_000, 8)
    kept.prune(4 * 80_000)
    assert names() == ["s8"]  # more than all may take, and the newest

    kept.keep("s8", noise(100_001))
    assert kept.read("s8") is None
    kept.prune(0)
    assert names() == []


def test_copies_of_a_small_store_are_all_kept(tmp_path: Path) -> None:
    kept = KeptVersions(str(tmp_path / "kept"))
    for number in range(100):
        kept.keep(f"s{number}", noise(10_000))
    kept.prune(0)
    assert len(os.listdir(tmp_path / "kept")) == 100


def test_a_copy_is_compressed_and_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = KeptVersions(str(tmp_path / "kept"))
    data = b'{"messages": [' + b'{"role": "user"},' * 10_000 + b"]}"
    kept.keep("s", data)
    assert kept.read("s") == data
    (copy,) = (tmp_path / "kept").iterdir()
    assert gzip.decompress(copy.read_bytes()) == data
    assert copy.stat().st_size < len(data) / 50


@pytest.mark.parametrize("cut", [0, 1, 10, 100])
def test_a_copy_that_is_torn_or_garbled_is_none(tmp_path: Path, cut: int) -> None:
    kept = KeptVersions(str(tmp_path / "kept"))
    kept.keep("s", noise(200))
    (copy,) = (tmp_path / "kept").iterdir()
    whole = copy.read_bytes()
    copy.write_bytes(whole[:cut])
    assert kept.read("s") is None
    copy.write_bytes(whole[:cut] + bytes([whole[cut] ^ 255]) + whole[cut + 1 :])
    assert kept.read("s") is None or cut == 10


def test_a_copy_that_would_fill_the_memory_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptVersions(str(tmp_path / "kept"))
    kept.keep("s", b"0" * 1_000)
    monkeypatch.setattr(kept_room, "_LARGEST", 999)
    assert kept.read("s") is None


def test_the_watching_prunes_the_copies(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_room, "_MOST", 5)
    monkeypatch.setattr(kept_room, "_PRUNE_EVERY", 2)
    for number in range(12):
        store.create(f"s{number:02}")
    store.watch(lambda change: None)
    wait_until(lambda: is_kept(store, "s11"))  # the newest is copied last, and so it stays
    assert len(copies(folder)) <= 5 + 2


def test_what_a_killed_process_left_is_removed_and_a_live_one_is_left(tmp_path: Path) -> None:
    kept = KeptVersions(str(tmp_path / "kept"))
    kept.keep("a", b"old")
    part = tmp_path / "kept" / "a.json.gz.part"
    part.write_bytes(b"ha")
    kept.keep("a", b"new")  # somebody else is about to
    kept.prune(0)
    assert part.exists()
    assert kept.read("a") == b"old"

    os.utime(part, (1, 1))
    kept.prune(0)
    kept.keep("a", b"new")
    assert kept.read("a") == b"new"
    assert not part.exists()


def test_the_copies_may_vanish_at_any_time(watched: SessionStore, folder: Path) -> None:
    shutil.rmtree(folder / ".localsessions" / "kept")
    watched.append("s", user("two"))
    wait_until(lambda: is_kept(watched, "s"))
