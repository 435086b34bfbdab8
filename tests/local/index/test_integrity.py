"""A database is checked whole again exactly where somebody else may have written to it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import calls
import needs
import pytest
from inside import local

from localsessions import SessionStore
from localsessions._local.index import integrity

MARK = "index.checked"


class Checks:
    """Counts the checks of an open store's index."""

    def __init__(self, store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.database = local(store).index._database
        real = self.database._connect

        def connect() -> sqlite3.Connection:
            connection = real()
            connection.set_trace_callback(self._see)
            return connection

        monkeypatch.setattr(self.database, "_connect", connect)
        if self.database._connection is not None:
            self.database._connection.set_trace_callback(self._see)

    def _see(self, statement: str) -> None:
        self.count += "integrity_check" in statement

    def of(self, store: SessionStore, act: Callable[[], object] = lambda: None) -> int:
        """How many checks a look at the whole folder makes after something was done."""
        act()
        before = self.count
        store.list(fresh=True)
        return self.count - before


def rename(store: SessionStore, session_id: str, *titles: str) -> None:
    """Rename a session, and let its row say so each time: until then, the journal may."""
    for title in titles:
        store.rename(session_id, title)
        store.count()


@pytest.fixture
def room(folder: Path) -> Path:
    with SessionStore(folder) as store:
        for number in range(20):
            store.create(f"s{number}", user_id="u")
    return folder / ".localsessions"


def checks_of_opening(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with SessionStore(folder) as store:
        return Checks(store, monkeypatch).of(store)


def test_what_a_store_left_is_not_checked_again(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks_of_opening(folder, monkeypatch) == 0
    assert checks_of_opening(folder, monkeypatch) == 0


@pytest.mark.needs("modes")
def test_the_mark_is_the_users_own(room: Path) -> None:
    assert (room / MARK).stat().st_mode & 0o777 == 0o600


def test_own_writes_ask_for_no_check_then_or_at_the_next_opening(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        checks = Checks(store, monkeypatch)
        assert checks.of(store) == 0
        assert checks.of(store, lambda: rename(store, "s1", "T")) == 0
        assert checks.of(store, lambda: store.delete("s2")) == 0
        # So many pages that SQLite writes its log into the database meanwhile.
        assert checks.of(store, lambda: rename(store, "s3", *(f"T{at}" for at in range(400)))) == 0
    assert checks_of_opening(folder, monkeypatch) == 0


def test_what_another_store_wrote_is_checked_once(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store, SessionStore(folder) as other:
        checks = Checks(store, monkeypatch)
        assert checks.of(store) == 0
        other.create("new")
        assert checks.of(store) == 1
        assert checks.of(store) == 0


def test_after_a_kill_it_is_checked(
    room: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        rename(store, "s1", "T")
        shutil.copytree(room, tmp_path / "room")
    shutil.rmtree(room)
    shutil.copytree(tmp_path / "room", room)
    assert checks_of_opening(folder, monkeypatch) == 1
    assert checks_of_opening(folder, monkeypatch) == 0


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_LARGE_BYTES", 0)


@pytest.mark.usefixtures("large")
def test_of_a_large_index_what_another_store_wrote_in_custody_is_not_checked(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store, SessionStore(folder) as other:
        checks, checks_of_other = Checks(store, monkeypatch), Checks(other, monkeypatch)
        for at in range(5):
            assert checks.of(store, lambda at=at: rename(other, "s1", f"T{at}")) == 0  # type: ignore[misc]
            assert checks_of_other.of(other, lambda at=at: rename(store, "s2", f"T{at}")) == 0  # type: ignore[misc]
        assert checks_of_opening(folder, monkeypatch) == 0


def overwrite(path: Path) -> None:
    """Write what stands there, as another program that damages it would."""
    with path.open("r+b") as file:
        file.seek(4096)
        byte = file.read(1)
        file.seek(4096)
        file.write(byte)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("who", ["another program", "a store that is killed before it says so"])
def test_of_a_large_index_what_anybody_else_wrote_is_checked_by_all(
    who: str, room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store, SessionStore(folder) as other:
        checks = Checks(store, monkeypatch)
        assert checks.of(store, lambda: rename(other, "s1", "T")) == 0
        if who == "another program":
            overwrite(room / "index.sqlite3-wal")
        else:
            monkeypatch.setattr(local(other).index._database._integrity, "go_on", lambda: None)
        other.create("new")
        assert checks_of_opening(folder, monkeypatch) == 1
        assert checks.of(store) == 0  # the one that was just opened has checked
        overwrite(room / "index.sqlite3-wal")
        assert checks.of(store) == 1


@pytest.mark.needs("hard links")
@pytest.mark.usefixtures("large")
def test_a_second_name_of_the_mark_is_not_written_through(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = room / "elsewhere"
    os.link(room / MARK, elsewhere)
    before = elsewhere.read_bytes()
    with SessionStore(folder) as store:
        assert Checks(store, monkeypatch).of(store, lambda: rename(store, "s1", "T")) == 0
        assert (elsewhere.read_bytes(), elsewhere.stat().st_nlink) == (before, 1)


def flip(path: Path) -> None:
    """Flip a bit of a database in the middle of a key of ``by_user``."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'by_user'"
        (page,) = db.execute(query).fetchone()
    with path.open("r+b") as file:
        file.seek(page * 4096 - 10)
        byte = file.read(1)[0]
        file.seek(page * 4096 - 10)
        file.write(bytes([byte ^ 1]))


def test_damage_under_an_open_store_is_told_at_once_by_its_times(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        checks = Checks(store, monkeypatch)
        rename(store, "s1", "T")  # in the same tick of the kernel's clock as the damage
        overwrite(room / "index.sqlite3-wal")
        assert checks.of(store) == 1


def test_damage_with_the_former_times_put_back_is_checked_for(
    room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = room / "index.sqlite3"
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with SessionStore(folder) as store:
        assert len(store.list(user_id="u")) == 20
        assert store.stats().counters["index_rebuilds"] > 0


def link(mark: Path) -> None:
    mark.unlink()
    (mark.parent / "elsewhere").write_text("mine")
    mark.symlink_to(mark.parent / "elsewhere")


def folder_instead(mark: Path) -> None:
    mark.unlink()
    mark.mkdir()


def pipe(mark: Path) -> None:
    mark.unlink()
    os.mkfifo(mark)


MARKS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda mark: mark.write_bytes(b""),
    "garbled": lambda mark: mark.write_bytes(b"\xff" * 80),
    "of another time": lambda mark: mark.write_text(mark.read_text().replace("1", "2")),
    "a folder": folder_instead,
    "a pipe": pipe,
    "a link": link,
}


@pytest.mark.parametrize("how", needs.marked(MARKS, {"a pipe": "fifos", "a link": "links"}))
def test_a_mark_that_is_not_right_costs_a_check_and_no_more(
    how: str, room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MARKS[how](room / MARK)
    assert checks_of_opening(folder, monkeypatch) == 1
    assert checks_of_opening(folder, monkeypatch) == (how == "a folder")
    if how == "a link":
        assert (room / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize("fault", ["utime", "coarse"])
def test_where_files_take_no_times_of_ours_it_is_checked_each_time(
    fault: str, room: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calls.real("utime")

    def utime(path: str, mtime_ns: int) -> None:
        if fault == "utime":
            raise PermissionError(path)
        real(path, mtime_ns // 10**9 * 10**9)

    (room / MARK).unlink()
    calls.put_in_place_of(monkeypatch, "utime", utime)
    with SessionStore(folder) as store:
        checks = Checks(store, monkeypatch)
        assert [checks.of(store), checks.of(store)] == [1, 1]
    assert not (room / MARK).exists()


def test_an_index_in_memory_is_never_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SessionStore(folder) as store:
        local(store).index._database.path = None
        checks = Checks(store, monkeypatch)
        assert checks.of(store) == 0
