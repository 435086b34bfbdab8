"""The log of what was done to files: by other programs and processes, and after every loss."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inside import local
from killing import DIED, DIES

from localsessions import ChangesExpiredError, SessionChange, SessionStore
from localsessions._local import reading
from localsessions._local.index import IndexRow, changelog

TORN = '{"title": "to'
Start = Callable[..., "subprocess.Popen[str]"]
Said = tuple[str, str, str]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def write(folder: Path, session_id: str, title: str, messages: int = 0) -> Path:
    path = folder / f"{session_id}.json"
    path.write_text(json.dumps({"title": title, "messages": [user("x")] * messages}))
    return path


def rest(folder: Path) -> None:
    """Wait until nobody can be in the middle of writing a file, or of putting one in its place."""
    newest = max(path.lstat().st_ctime_ns for path in [folder, *folder.glob("*.json")])
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


def said(changes: list[SessionChange]) -> list[Said]:
    return [(one.session_id, one.kind, one.origin) for one in changes]


class Reader:
    """Whoever asks now and then what happened since the last time."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.number = store.last_change()

    def new(self, *, fresh: bool = True, at_rest: bool = True) -> list[SessionChange]:
        if at_rest:
            rest(Path(self.store.save_dir))
        found = list(self.store.changes(self.number, fresh=fresh))
        numbers = [self.number, *(one.number for one in found)]
        assert numbers == sorted(set(numbers))
        self.number = numbers[-1]
        return found

    def said(self) -> list[Said]:
        return said(self.new())


@pytest.fixture
def reader(store: SessionStore) -> Reader:
    """A reader of a store that has the sessions a and b."""
    store.create("a", title="A")
    store.create("b", title="B")
    return Reader(store)


@pytest.fixture
def other(folder: Path) -> Iterator[SessionStore]:
    with SessionStore(folder) as opened:
        yield opened


# -- what is a change --------------------------------------------------------------------------


def test_only_touching_and_undoing_are_no_changes(reader: Reader, folder: Path) -> None:
    path = folder / "a.json"
    data = path.read_bytes()
    os.utime(path)
    assert reader.said() == []
    path.write_text(TORN)
    path.unlink()
    write(folder, "a", "edited").write_bytes(data)
    write(folder, "c", "came and went").unlink()
    assert reader.said() == []
    path.unlink()
    reader.store.list(fresh=True)  # noticed, though nobody asked for changes
    path.write_bytes(data)
    assert reader.said() == []


def test_several_edits_between_two_looks_are_one_change(reader: Reader, folder: Path) -> None:
    for count in range(5):
        write(folder, "a", f"edited {count}", messages=count)
    (change,) = reader.new()
    assert change.changed == {"title": ("A", "edited 4"), "message_count": (0, 4)}
    assert change.new_messages == (0, 4)
    (folder / "a.json").unlink()
    write(folder, "a", "made again")
    (change,) = reader.new()
    assert (change.kind, change.changed["title"]) == ("modified", ("edited 4", "made again"))


def test_an_unseen_edit_is_told_before_the_verb_that_met_it(
    reader: Reader, store: SessionStore, other: SessionStore, folder: Path
) -> None:
    write(folder, "a", "edited")
    store.append("a", user("x"))
    write(folder, "b", "edited")
    assert other.delete("b")
    (folder / "a.json").unlink()
    store.create("a")
    write(folder, "a", "again", messages=1)
    other.list(fresh=True)
    store.append("a", user("x"))
    assert reader.said() == [
        ("a", "modified", "external"),
        ("a", "modified", "this store"),
        ("b", "modified", "external"),
        ("b", "deleted", "another store"),
        ("a", "deleted", "external"),
        ("a", "created", "this store"),
        ("a", "modified", "external"),
        ("a", "modified", "this store"),
    ]


def test_unreadable_and_readable_are_told_against_the_last_readable_version(
    reader: Reader, folder: Path
) -> None:
    """Over restarts, and over several unreadable versions."""
    number = reader.number
    for torn in (TORN, TORN + "r", "[]"):
        (folder / "a.json").write_text(torn)
        rest(folder)
        with SessionStore(folder) as again:
            (change,) = again.changes(number, fresh=True)
            assert (change.kind, dict(change.changed)) == ("unreadable", {})
            assert change.unreadable is not None
            number = change.number
    write(folder, "a", "A", messages=3)
    with SessionStore(folder) as again:
        (change,) = again.changes(number, fresh=True)
    assert (change.kind, change.changed) == ("readable", {"message_count": (0, 3)})
    assert change.new_messages == (0, 3)
    assert [one.kind for one in reader.new()] == [*["unreadable"] * 3, "readable"]


def test_a_session_that_comes_unreadable_and_goes(reader: Reader, folder: Path) -> None:
    (folder / "c.json").write_text(TORN)
    assert reader.said() == [("c", "unreadable", "external")]
    reader.store.delete("c")
    assert reader.said() == [("c", "deleted", "this store")]
    write(folder, "c", "C")
    (change,) = reader.new()
    assert (change.kind, change.changed["title"]) == ("created", (None, "C"))


def test_a_file_that_is_being_written_waits(
    reader: Reader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_YOUNG_NS", 60_000_000_000)
    (folder / "a.json").write_text(TORN)
    later = time.time_ns() + 60_000_000_000  # young however slow the machine
    os.utime(folder / "a.json", ns=(later, later))
    assert reader.new(at_rest=False) == []
    write(folder, "a", "whole")
    assert reader.new(at_rest=False)[0].kind == "modified"
    monkeypatch.undo()
    write(folder, "a", "again")
    assert reader.said() == [("a", "modified", "external")]


def test_a_file_that_is_away_at_every_other_look_is_not_deleted(
    reader: Reader, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an editor that saves again and again, and takes the old file away each time."""
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 60_000_000_000)
    path, backup = folder / "a.json", folder / "a.json~"
    path.rename(backup)
    store.list(fresh=True)  # it is found to be gone
    backup.rename(path)
    reconciler = local(store).reconciler
    away: list[set[str]] = []
    catch_up = reconciler.catch_up

    def catch_up_while_it_is_away(session_ids: Collection[str]) -> set[str]:
        path.rename(backup)
        busy = catch_up(session_ids)
        backup.rename(path)
        away.append(busy)
        return busy

    monkeypatch.setattr(reconciler, "catch_up", catch_up_while_it_is_away)
    assert reader.new(fresh=False, at_rest=False) == []
    assert away
    monkeypatch.undo()
    assert reader.said() == []


def test_a_file_that_is_whole_for_a_moment_between_two_saves_is_not_unreadable(
    reader: Reader, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an editor that saves in place again and again: it is torn at every other look."""
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 60_000_000_000)
    path = folder / "a.json"
    path.write_text(TORN)
    store.list(fresh=True)  # it is found to be torn
    write(folder, "a", "whole")
    files = local(store).reconciler.reader
    row_at_rest, rows = files.row_at_rest, []

    def row_before_the_next_save(session_id: str) -> IndexRow | None:
        rows.append(row_at_rest(session_id))
        path.write_text(TORN)
        return rows[-1]

    monkeypatch.setattr(files, "row_at_rest", row_before_the_next_save)
    assert reader.new(fresh=False, at_rest=False) == []
    assert rows[0] is not None
    monkeypatch.undo()
    write(folder, "a", "at rest")
    assert reader.said() == [("a", "modified", "external")]


def test_a_torn_file_that_is_away_for_a_moment_between_two_saves_is_not_unreadable(
    reader: Reader, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, backup = folder / "a.json", folder / "a.json~"
    path.write_text(TORN)
    store.list(fresh=True)  # it is found to be torn
    path.rename(backup)
    reconciler = local(store).reconciler
    remove = reconciler.index.remove
    back: list[bool] = []

    def remove_when_it_is_back(*given: Any) -> None:
        if not path.exists():
            backup.rename(path)
            back.append(True)
        remove(*given)

    monkeypatch.setattr(reconciler.index, "remove", remove_when_it_is_back)
    assert reconciler.log_waiting() == {"a"}
    assert back
    monkeypatch.undo()
    write(folder, "a", "at rest")
    assert reader.said() == [("a", "modified", "external")]


def test_while_somebody_holds_the_lock_what_he_did_waits(
    reader: Reader, store: SessionStore, other: SessionStore, folder: Path
) -> None:
    with other.edit("a") as session:
        write(folder, "b", "edited")
        session.title = "his"
        assert reader.said() == [("b", "modified", "external")]
    assert reader.said() == [("a", "modified", "another store")]


def test_a_writer_who_begins_while_others_settle_is_told_as_himself(
    reader: Reader,
    store: SessionStore,
    other: SessionStore,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An edit waits, nobody holds the lock; then there is a new file that nobody has recorded."""
    write(folder, "a", "edited")
    store.list(fresh=True)
    written, go_on = threading.Event(), threading.Event()
    writer = threading.Thread(target=lambda: other.append("a", user("x")))
    record, is_locked = local(other).reconciler.record, local(store).folder.is_locked

    def record_late(*arguments: object) -> None:
        written.set()
        go_on.wait(30)
        record(*arguments)  # type: ignore[arg-type]

    def look_and_be_overtaken(session_id: str) -> bool:
        answer = is_locked(session_id)
        if not written.is_set():
            writer.start()
            assert written.wait(30)
            with SessionStore(folder) as third:
                third.list(fresh=True)
        return answer

    monkeypatch.setattr(local(other).reconciler, "record", record_late)
    monkeypatch.setattr(local(store).folder, "is_locked", look_and_be_overtaken)
    before = reader.said()
    go_on.set()
    writer.join()
    assert before + reader.said() == [
        ("a", "modified", "external"),
        ("a", "modified", "another store"),
    ]


# -- going on from a number --------------------------------------------------------------------


def test_a_later_run_goes_on_where_the_first_stopped(folder: Path) -> None:
    with SessionStore(folder) as first:
        first.create("a")
        number = first.last_change()
        first.append("a", user("x"))
    write(folder, "b", "B")
    with SessionStore(folder) as second:
        second.append("a", user("y"))
        changes = list(second.changes(number, fresh=True))
        assert said(changes) == [
            ("a", "modified", "another store"),
            ("a", "modified", "this store"),
            ("b", "created", "external"),
        ] or said(changes) == [
            ("a", "modified", "another store"),
            ("b", "created", "external"),
            ("a", "modified", "this store"),
        ]
        number = changes[-1].number
    script = (
        "import sys; from localsessions import SessionStore\n"
        "with SessionStore(sys.argv[1]) as store:\n"
        "    store.delete('a')\n"
        "    print(*[(one.kind, one.origin) for one in store.changes(int(sys.argv[2]))])\n"
    )
    command = [sys.executable, "-c", script, str(folder), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "('deleted', 'this store')\n"
    with SessionStore(folder) as third:
        assert said(list(third.changes(number))) == [("a", "deleted", "another store")]


# -- numbers that are not known ----------------------------------------------------------------


def lose(folder: Path) -> None:
    for path in (folder / ".localsessions").glob("index.sqlite3*"):
        path.unlink()


def reindex(folder: Path) -> None:
    with SessionStore(folder) as another:
        another.reindex()


@pytest.mark.parametrize(
    "open_meanwhile", [pytest.param(True, marks=pytest.mark.needs("open files that go")), False]
)
@pytest.mark.parametrize("loss", [lose, reindex])
def test_a_number_of_a_lost_index_is_not_known_and_later_ones_are_greater(
    loss: Callable[[Path], None], open_meanwhile: bool, folder: Path
) -> None:
    with SessionStore(folder) as store:
        store.create("a")
        old = [store.last_change()]
        store.append("a", user("x"))
        old += [one.number for one in store.changes(old[0])]
        if open_meanwhile:
            loss(folder)
            for number in (*old, 0, -1):
                with pytest.raises(ChangesExpiredError) as expired:
                    store.changes(number)
                assert expired.value.since == number
            assert store.last_change() > old[-1]
    if not open_meanwhile:
        loss(folder)
    with SessionStore(folder) as again:
        for number in (*old, 0):
            with pytest.raises(ChangesExpiredError, match="list"):
                again.changes(number)
        later = Reader(again)
        assert later.number > old[-1]
        again.append("a", user("y"))
        assert later.said() == [("a", "modified", "this store")]


@pytest.mark.needs("open files that go")
def test_the_number_of_an_index_that_is_not_filled_yet_is_not_known(folder: Path) -> None:
    """Another process has made the index anew, and reads the files still."""
    with SessionStore(folder) as store:
        store.create("a")
        lose(folder)
        assert local(store).index.changes(0, 9, "") is None


def test_clocks_that_go_back_or_stand_make_no_number_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time_ns()]
    monkeypatch.setattr(changelog, "time", SimpleNamespace(time_ns=lambda: now[0]))
    with SessionStore(folder) as store:
        store.create("a")
        reader = Reader(store)
        for step in (0, 0, -3600_000_000_000, 0, 10**6, 7200_000_000_000, -(10**15)):
            now[0] += step
            store.append("a", user("x"))
            assert reader.said() == [("a", "modified", "this store")]


@pytest.mark.needs("open files that go")
def test_a_lost_index_and_a_clock_set_back_know_no_old_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        reader = Reader(store)
        store.create("a")
        numbers = [reader.number, *(one.number for one in reader.new())]
        lose(folder)
        an_hour_ago = SimpleNamespace(time_ns=lambda: time.time_ns() - 3600_000_000_000)
        monkeypatch.setattr(changelog, "time", an_hour_ago)
        reader = Reader(store)
        store.append("a", user("x"))
        assert reader.said() == [("a", "modified", "this store")]
        for number in numbers:
            with pytest.raises(ChangesExpiredError):
                store.changes(number)


def test_what_is_too_long_ago_is_not_known(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelog, "KEPT_CHANGES", 20)
    monkeypatch.setattr(changelog, "_CUT_EVERY", 10)
    numbers, known = [store.last_change()], 0  # where the log begins, before any change
    store.create("a")
    numbers.append(store.last_change())
    for turn in range(100):
        store.append("a", user(str(turn)))
        numbers.append(store.last_change())
        known = 0
        for place, number in enumerate(numbers):
            try:
                told = [one.number for one in store.changes(number)]
            except ChangesExpiredError:
                assert place < len(numbers) - 20
            else:
                known += 1
                assert told == numbers[place + 1 :]
        assert known <= 20 + 10 + 1
    assert known > 20


def test_a_power_cut_that_takes_changes_back_is_noticed(folder: Path) -> None:
    """The index may be an older one after it; files are as they were acknowledged."""
    room = folder / ".localsessions"
    with SessionStore(folder) as store:
        store.create("a", title="A")
        number = store.last_change()
    older = {path: path.read_bytes() for path in room.glob("index.sqlite3*")}
    with SessionStore(folder) as store:
        store.append("a", user("x"))
        lost = store.last_change()
    lose(folder)
    for path, data in older.items():
        path.write_bytes(data)
    with SessionStore(folder) as store:
        assert said(list(store.changes(number, fresh=True))) == [("a", "modified", "external")]
        with pytest.raises(ChangesExpiredError):
            store.changes(lost)


# -- damage ------------------------------------------------------------------------------------

FLIPS = {
    "kind": "UPDATE changes SET kind = 'deleted' WHERE seq = {}",
    "origin": "UPDATE changes SET origin = NULL WHERE seq = {}",
    "session": "UPDATE changes SET session_id = 'b' WHERE seq = {}",
    "no text": "UPDATE changes SET session_id = x'ff' WHERE seq = {}",
    "no utf-8": "UPDATE changes SET session_id = CAST(x'ff' AS TEXT) WHERE seq = {}",
    "details": "UPDATE changes SET details = details || ' ' WHERE seq = {}",
    "no json": "UPDATE changes SET details = '{{' WHERE seq = {}",
    "time": "UPDATE changes SET earlier = earlier + 1 WHERE seq = {}",
    "number": "UPDATE changes SET number = number + 1 WHERE seq = {}",
    "seal": "UPDATE changes SET seal = seal + 1 WHERE seq = {}",
    "place": "UPDATE changes SET seq = seq + 100 WHERE seq = {}",
    "gone": "DELETE FROM changes WHERE seq = {}",
}


@pytest.mark.parametrize("row", [1, 2, 5])
@pytest.mark.parametrize("flip", FLIPS)
def test_a_garbled_row_of_the_log_is_never_told(
    flip: str, row: int, reader: Reader, store: SessionStore, folder: Path
) -> None:
    for turn in range(5):
        store.append("a", user(str(turn)))
    said_of = [store.last_change()]
    database = folder / ".localsessions" / "index.sqlite3"
    with closing(sqlite3.connect(database)) as db, db:
        (first,) = db.execute("SELECT min(seq) FROM changes WHERE number > ?", [reader.number])
        assert db.execute(FLIPS[flip].format(first[0] + row - 1)).rowcount == 1
    if flip in ("gone", "place") and row == 5:
        return  # behind the last is the last still; a power cut may have taken it back as well
    with pytest.raises(ChangesExpiredError):
        reader.new()
    with pytest.raises(ChangesExpiredError):
        list(store.changes(said_of[0]))
    later = Reader(store)
    store.append("a", user("after"))
    (change,) = later.new()
    assert change.new_messages == (5, 6)


PENDING = {
    "before": "UPDATE pending SET before = replace(before, 'A', 'B')",
    "no json": "UPDATE pending SET before = '['",
    "nothing": "UPDATE pending SET before = NULL",
    "session": "UPDATE pending SET session_id = 'b'",
    "no text": "UPDATE pending SET session_id = x'ff'",
    "no id": "UPDATE pending SET session_id = 'x/y'",
    "seal": "UPDATE pending SET seal = seal - 1",
}


@pytest.mark.parametrize("flip", PENDING)
def test_a_garbled_row_of_what_waits_is_never_told(
    flip: str, reader: Reader, store: SessionStore, folder: Path
) -> None:
    write(folder, "a", "edited")
    store.list(fresh=True)  # notices it; nobody has asked for changes
    with closing(sqlite3.connect(folder / ".localsessions" / "index.sqlite3")) as db, db:
        assert db.execute(PENDING[flip]).rowcount == 1
    with pytest.raises(ChangesExpiredError):
        reader.new()
    later = Reader(store)
    write(folder, "a", "again")
    (change,) = later.new()
    assert change.changed["title"] == ("edited", "again")


@pytest.mark.parametrize("key", ["cut", "change", "complete"])
@pytest.mark.parametrize("value", ["NULL", "'x'", "x'00'"])
def test_a_garbled_position_of_the_log_begins_it_anew(
    key: str, value: str, reader: Reader, store: SessionStore, folder: Path
) -> None:
    with closing(sqlite3.connect(folder / ".localsessions" / "index.sqlite3")) as db, db:
        db.execute(f"UPDATE meta SET value = {value} WHERE key = ?", [key])
    try:
        store.append("a", user("x"))
        assert reader.said() == [("a", "modified", "this store")]
    except ChangesExpiredError:
        reader = Reader(store)
    store.append("a", user("y"))
    assert reader.said() == [("a", "modified", "this store")]


# -- processes ---------------------------------------------------------------------------------


def test_a_writer_killed_before_it_recorded_is_told_once_as_external(
    reader: Reader, folder: Path
) -> None:
    script = (
        "import os, sys; from localsessions import SessionStore\n"
        "store = SessionStore(sys.argv[1])\n"
        f"end = lambda *_: {DIES}\n"
        "store.engine.index.record = store.engine.index.record_turn = end\n"
        "store.append('a', {'role': 'user', 'content': 'written'})\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert killed.returncode == DIED
    (change,) = reader.new()
    assert (change.origin, change.new_messages) == ("external", (0, 1))
    assert reader.said() == []


def test_a_deletion_killed_before_it_was_recorded_is_told_once(
    reader: Reader, folder: Path
) -> None:
    script = (
        "import os, sys; from localsessions import SessionStore\n"
        "store = SessionStore(sys.argv[1])\n"
        f"store.engine.index.record_removal = lambda *_: {DIES}\n"
        "store.delete('a')\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert killed.returncode == DIED
    assert reader.said() == [("a", "deleted", "external")]
    assert reader.said() == []


def test_a_reader_follows_what_several_processes_write(
    folder: Path, store: SessionStore, start: Start
) -> None:
    count, names = 250, ("one", "two", "three", "four")
    for session_id in ("s", "t"):
        store.create(session_id)
    reader = Reader(store)
    children = [
        start("write_messages.py", folder, "st"[number % 2], name, count)
        for number, name in enumerate(names)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    told: list[SessionChange] = []
    looks = 0
    while any(child.poll() is None for child in children):
        told += reader.new(at_rest=False)
        looks += 1
    told += reader.new()
    assert [child.returncode for child in children] == [0] * len(names)
    assert looks > 5
    ranges = defaultdict(list)
    for change in told:
        ranges[change.session_id].append(change.new_messages)
    each = [(at, at + 1) for at in range(2 * count)]
    assert ranges == {"s": each, "t": each}
    assert {(one.kind, one.origin) for one in told} == {("modified", "another store")}
