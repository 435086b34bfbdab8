"""The journal: a turn writes a line and asks no database; whoever asks the index sees the turn."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from inside import local

from localsessions import SessionChange, SessionLimitError, SessionStore, _system
from localsessions._local import reconciling
from localsessions._local.index import changelog, database, replayed, schema
from localsessions._local.index.database import Database
from localsessions._local.index.journal import Journal

pytestmark = pytest.mark.needs("leases")  # without them, no turn writes only the end of a file
APPEND_MANY = Path(__file__).parents[1] / "programs" / "append_many.py"


def user(text: object) -> dict[str, Any]:
    return {"role": "user", "content": str(text)}


def turns(store: SessionStore, session_id: str, count: int) -> None:
    for number in range(count):
        store.append(session_id, user(number))


@pytest.fixture
def two(folder: Path) -> Iterator[tuple[SessionStore, SessionStore]]:
    """A store that writes, with a session of two turns, and one that reads."""
    with (
        SessionStore(folder, durability="fast") as writer,
        SessionStore(folder, durability="fast") as reader,
    ):
        writer.create("s", title="words")
        turns(writer, "s", 2)
        assert reader.count() == 1
        yield writer, reader


@pytest.fixture
def no_sweep_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "_SWEEP_SHARE", 1_000_000)


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / ".localsessions" / "journal"


def kinds(changes: Iterable[SessionChange]) -> list[tuple[str, str, str]]:
    return [(one.session_id, one.kind, one.origin) for one in changes]


# -- what a turn costs, and who sees it ----------------------------------------------------------


def test_a_turn_asks_no_database(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    turns(writer, "s", 1)

    def refuse(*_: object) -> None:
        raise AssertionError("a database was asked")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_transact", refuse)
        turns(writer, "s", 3)
    assert [one.message_count for one in reader.list()] == [6]


ASKED: dict[str, Callable[[SessionStore], object]] = {
    "list": lambda store: [one.message_count for one in store.list()],
    "a page": lambda store: [one.message_count for one in store.list(limit=1, order="size_bytes")],
    "stats": lambda store: [store.stats().messages],
    "changes": lambda store: [one.changed["message_count"][1] for one in store.changes(BEFORE[0])],
    "search": lambda store: [2 + len(store.search("needle"))],
    "tail": lambda store: [len(store.tail("s", 9))],
}
BEFORE: list[int] = []


@pytest.mark.parametrize("what", ASKED)
def test_whoever_asks_sees_the_turns_of_another_store(
    what: str, two: tuple[SessionStore, SessionStore], no_sweep_is_due: None
) -> None:
    writer, reader = two
    BEFORE[:] = [reader.last_change()]
    writer.append("s", user("needle"))
    assert ASKED[what](reader) == [3]


def test_expiry_and_limits_see_it(two: tuple[SessionStore, SessionStore]) -> None:
    writer, reader = two
    writer.archive("s")
    assert reader.count(live=True) == 0
    reader.create("t", max_live=1)
    writer.archive("s", archived=False)
    with pytest.raises(SessionLimitError):
        reader.create("u", max_live=1)


def test_a_turn_is_told_with_the_time_at_which_it_was_made_and_its_store(
    two: tuple[SessionStore, SessionStore],
) -> None:
    writer, reader = two
    since, began = reader.last_change(), datetime.now(UTC)
    turns(writer, "s", 2)
    ended = datetime.now(UTC)
    time.sleep(0.05)
    told = list(reader.changes(since))
    assert kinds(told) == [("s", "modified", "another store")] * 2
    assert [one.changed["message_count"] for one in told] == [(2, 3), (3, 4)]
    assert all(began <= one.seen_at <= ended for one in told)
    assert kinds(writer.changes(since)) == [("s", "modified", "this store")] * 2


def test_a_watcher_of_another_store_is_told_each_turn_once(
    two: tuple[SessionStore, SessionStore],
) -> None:
    writer, reader = two
    told: list[SessionChange] = []
    with reader.watch(told.append):
        turns(writer, "s", 20)
        deadline = time.monotonic() + 60
        while len(told) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert kinds(told) == [("s", "modified", "another store")] * 20


def test_what_other_verbs_do_comes_after_the_turns_before(
    two: tuple[SessionStore, SessionStore],
) -> None:
    writer, reader = two
    since = reader.last_change()
    turns(writer, "s", 1)
    reader.rename("s", "other")
    with writer.edit("s") as session:
        session.metadata["a"] = 1
    turns(writer, "s", 2)
    reader.delete("s")
    told = list(reader.changes(since))
    assert [one.kind for one in told] == ["modified"] * 5 + ["deleted"]
    assert {one.origin for one in told} == {"this store", "another store"}


def test_an_edit_between_two_turns_is_told_between_them(
    two: tuple[SessionStore, SessionStore], folder: Path
) -> None:
    writer, reader = two
    since = reader.last_change()
    turns(writer, "s", 1)
    path = folder / "s.json"
    path.write_bytes(path.read_bytes().replace(b'"words"', b'"edits"'))
    turns(writer, "s", 2)
    told = list(reader.changes(since))
    origins = ["another store", "external", "another store", "another store"]
    assert [one.origin for one in told] == origins
    assert told[1].changed["title"] == ("words", "edits")


# -- how long it gets ----------------------------------------------------------------------------


def test_the_turn_that_makes_it_long_replays_it(folder: Path, file: Path) -> None:
    with SessionStore(folder, durability="fast") as writer:
        writer.create("s")
        turns(writer, "s", 3)
        since, line = writer.last_change(), file.stat().st_size
        turns(writer, "s", 3 * Journal.LONG_BYTES // line)
        assert file.stat().st_size < Journal.LONG_BYTES + 2048
        with closing(sqlite3.connect(folder / ".localsessions" / "index.sqlite3")) as db:
            ((known,),) = db.execute("SELECT message_count FROM sessions").fetchall()
        assert known >= 2 * Journal.LONG_BYTES // line
        told = list(writer.changes(since))
        assert kinds(told) == [("s", "modified", "this store")] * (3 * Journal.LONG_BYTES // line)


def test_writers_that_renew_it_all_the_time_lose_no_line(
    folder: Path, store: SessionStore, start: Callable[..., Any]
) -> None:
    names, count = ("a", "b", "c"), 150
    for name in names:
        store.create(name)
    since = store.last_change()
    children = [start(APPEND_MANY, folder, name, count, 3000) for name in names]
    assert [child.stdout.readline().strip() for child in children] == ["ready"] * 3
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    while any(child.poll() is None for child in children):
        store.list()
    assert [child.wait() for child in children] == [0] * 3
    told = Counter(kinds(store.changes(since)))
    assert told == {(name, "modified", "another store"): count for name in names}
    assert {one.message_count for one in store.list()} == {count}
    assert store.stats().counters["index_rebuilds"] == 1  # when it was made


def test_a_line_in_a_journal_that_has_just_lost_its_name_is_written_again(
    two: tuple[SessionStore, SessionStore], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    since = reader.last_change()
    written = os.write

    def write(fd: int, data: bytes) -> int:
        if b'["s"' in data:
            written_to.append(os.fstat(fd).st_ino)
        if len(written_to) == 1:
            monkeypatch.setattr(Journal, "LONG_BYTES", 1)
            written_to.append(0)
            turns(reader, "t", 1)  # replays the journal, and makes a new one
            monkeypatch.undo()
            monkeypatch.setattr(os, "write", write)
        return written(fd, data)

    written_to: list[int] = []
    reader.create("t")
    turns(reader, "t", 2)
    monkeypatch.setattr(os, "write", write)
    turns(writer, "s", 1)
    monkeypatch.undo()
    assert len({*written_to}) == 3
    told = [one for one in kinds(reader.changes(since)) if one[0] == "s"]
    assert told == [("s", "modified", "another store")]


def test_a_line_that_comes_while_a_new_journal_is_made_is_read(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since, made = reader.last_change(), Journal.renew

    def make(renewed: Journal) -> str:
        monkeypatch.undo()
        turns(writer, "s", 1)
        return made(renewed)

    turns(writer, "s", 1)
    monkeypatch.setattr(Journal, "LONG_BYTES", 1)
    monkeypatch.setattr(Journal, "renew", make)
    assert reader.list().items[0].message_count == 4
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")] * 2


@pytest.mark.parametrize("kills", [1, 2])
@pytest.mark.parametrize("at", ["the first rename", "the second rename", "the end"])
def test_whoever_is_killed_while_a_new_one_is_made_loses_no_line(
    at: str, kills: int, two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since, rename, place = reader.last_change(), _system.rename, changelog.set_journal_place
    turns(writer, "s", 2)

    def moved(source: str, target: str) -> None:
        if ("first" in at and target.endswith(".old")) or (
            "second" in at and source.endswith(".new")
        ):
            raise KeyboardInterrupt
        rename(source, target)

    def set_place(db: sqlite3.Connection, now: str) -> None:
        if at == "the end":
            raise KeyboardInterrupt
        place(db, now)

    for killed in range(kills):
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "LONG_BYTES", 1)
            patched.setattr(_system, "rename", moved)
            patched.setattr(changelog, "set_journal_place", set_place)
            with suppress(KeyboardInterrupt) if killed else pytest.raises(KeyboardInterrupt):
                reader.list()
        turns(writer, "s", 2)
    told = kinds(reader.changes(since))
    assert told == [("s", "modified", "another store")] * (2 + 2 * kills)


def test_a_writer_that_lets_go_while_its_file_is_looked_at_has_told_it_itself(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since, append, index = reader.last_change(), Journal.append, local(reader).index
    size = 0

    def is_free(appending: Journal, line: bytes) -> bool:
        nonlocal size
        size = append(appending, line)
        return True

    def look_before(appending: Journal, line: bytes) -> int:
        row = local(reader).reader.row("s")
        assert row is not None
        index.put([row], lambda _: True, lambda _: is_free(appending, line))
        return size

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", look_before)
        turns(writer, "s", 1)
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")]


# -- what may happen to it -----------------------------------------------------------------------


def removed(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 700)


def garbled_at_its_end(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-300, os.SEEK_END)
        opened.write(b"\0" * 20)


def garbled_where_it_was_read(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"\0" * 20)


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replaced_by_a_link(file: Path) -> None:
    (file.parent / "elsewhere").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to("elsewhere")


def replaced_by_a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replaced_by_another_of_its_size(file: Path) -> None:
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(b"x" * size)


def given_a_second_name(file: Path) -> None:
    os.link(file, file.parent / "second")


def of_an_hour_ago(file: Path) -> None:
    shutil.copy(file.parent / "old", file)


def of_an_hour_ago_in_its_place(file: Path) -> None:
    file.write_bytes((file.parent / "old").read_bytes())


def lines_exchanged(file: Path) -> None:
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([*lines[:2], *reversed(lines[2:])]))


DAMAGES = [
    *(removed, emptied, cut, garbled_at_its_end, garbled_where_it_was_read, replaced_by_a_folder),
    *(replaced_by_a_link, replaced_by_a_fifo, replaced_by_another_of_its_size, lines_exchanged),
    *(given_a_second_name, of_an_hour_ago, of_an_hour_ago_in_its_place),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_becomes_of_it_loses_no_turn_and_no_answer(
    damage: Callable[[Path], None],
    two: tuple[SessionStore, SessionStore],
    file: Path,
    folder: Path,
) -> None:
    writer, reader = two
    (file.parent / "old").write_bytes(file.read_bytes())
    writer.create("t")
    turns(writer, "t", 2)
    since = reader.last_change()
    turns(writer, "s", 3)
    turns(writer, "t", 1)
    damage(file)
    others = {
        name: (file.parent / name).read_bytes()
        for name in os.listdir(file.parent)
        if name in ("second", "elsewhere")
    }
    assert {one.session_id: one.message_count for one in reader.list()} == {"s": 5, "t": 3}
    told = list(reader.changes(since))
    assert {one.session_id for one in told} == {"s", "t"}
    assert told[-1].changed["message_count"][1] in (5, 3)
    # It goes on.
    since = reader.last_change()
    turns(writer, "s", 2)
    assert {one.session_id: one.message_count for one in reader.list()} == {"s": 7, "t": 3}
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")] * 2
    turns(reader, "t", 2)
    turns(writer, "s", 1)
    with SessionStore(folder) as third:
        assert {one.session_id: one.message_count for one in third.list()} == {"s": 8, "t": 5}
    assert reader.verify() == []
    # What is behind a link, or has another name, is not written to.
    assert {name: (file.parent / name).read_bytes() for name in others} == others


def test_a_torn_line_may_still_be_written_and_is_lost_once_something_follows(
    two: tuple[SessionStore, SessionStore], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    whole = file.read_bytes()
    since, line = reader.last_change(), whole[whole.rindex(b"\n", 0, -1) :]
    with file.open("ab") as opened:
        opened.write(b"\n" + line[1:400])
    assert reader.count() == 1
    assert "lost" not in caplog.text
    turns(writer, "s", 1)
    assert reader.list().items[0].message_count == 4
    assert caplog.text.count("has lost lines") == 1
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")]


def test_a_line_of_another_version_of_the_program_is_lost(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since = reader.last_change()
    with monkeypatch.context() as patched:
        patched.setattr("localsessions._local.index.journal.VERSION", schema.VERSION + 1)
        turns(writer, "s", 1)
    assert reader.list().items[0].message_count == 3
    assert kinds(reader.changes(since)) == [("s", "modified", "external")]


def test_where_lines_are_lost_every_store_looks_at_all_files(
    two: tuple[SessionStore, SessionStore], file: Path, folder: Path, no_sweep_is_due: None
) -> None:
    writer, reader = two
    with SessionStore(folder) as third:
        assert third.stats().messages == 2
        turns(writer, "s", 2)  # the first writes the whole file: opening has swept the spare
        garbled_at_its_end(file)
        assert reader.stats().messages == 4
        assert third.stats().messages == 4


def test_whoever_asks_for_changes_first_is_told_what_the_lost_lines_said(
    two: tuple[SessionStore, SessionStore], file: Path, no_sweep_is_due: None
) -> None:
    writer, reader = two
    since = reader.last_change()
    turns(writer, "s", 1)
    garbled_at_its_end(file)
    assert kinds(reader.changes(since)) == [("s", "modified", "external")]


def test_a_journal_of_another_time_that_has_grown_since_is_not_believed(
    two: tuple[SessionStore, SessionStore], file: Path, no_sweep_is_due: None
) -> None:
    writer, reader = two
    writer.create("t")
    turns(writer, "t", 3)
    turns(writer, "s", 1)
    assert reader.stats().messages == 6
    old = file.read_bytes()
    turns(writer, "s", 3)
    assert reader.stats().messages == 9
    size = file.stat().st_size
    file.write_bytes(old)
    turns(writer, "t", 1)
    with file.open("ab") as opened:  # so that the place is again between two lines
        opened.write(b"\n" * (size - file.stat().st_size))
    turns(writer, "s", 1)
    assert reader.stats().messages == 11


def test_a_journal_with_a_second_name_is_not_written_to(
    two: tuple[SessionStore, SessionStore], file: Path
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    given_a_second_name(file)
    before = file.read_bytes()
    turns(writer, "s", 2)
    assert file.with_name("second").read_bytes() == before
    assert reader.list().items[0].message_count == 5


def test_an_index_of_another_time_is_brought_up_to_date(folder: Path) -> None:
    index = folder / ".localsessions" / "index.sqlite3"
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        turns(store, "s", 3)
        store.list()
    old = index.read_bytes()
    with SessionStore(folder, durability="fast") as store:
        turns(store, "s", 3 + 4 * Journal.LONG_BYTES // 3000)
        expected = store.list().items[0]
    index.write_bytes(old)
    with SessionStore(folder, durability="fast") as store:
        turns(store, "s", 3)
        assert store.list().items[0].message_count == expected.message_count + 3


@pytest.mark.parametrize("failure", ["no room", "half", "no opening", "no look"])
def test_a_line_that_cannot_be_written_is_told_all_the_same(
    failure: str, two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since = reader.last_change()
    written, real = os.write, _system.lstat

    def write(fd: int, data: bytes) -> int:
        if b'["s"' in data and failure == "no room":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(fd, data[:200] if b'["s"' in data and failure == "half" else data)

    def refuse(path: str, *rest: Any) -> Any:
        if failure == "no opening" and str(path).endswith("journal"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, *rest)

    def look(path: str) -> os.stat_result:
        if failure == "no look" and str(path).endswith("journal"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path)

    opened = _system.open_file
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        patched.setattr(_system, "open_file", refuse)
        patched.setattr(_system, "lstat", look)
        turns(writer, "s", 2)
    assert reader.list().items[0].message_count == 4
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")] * 2


def test_a_turn_that_is_interrupted_before_its_line_is_told_with_the_next(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    since = reader.last_change()

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", interrupt)
        with pytest.raises(KeyboardInterrupt):
            turns(writer, "s", 1)
    turns(writer, "s", 1)
    assert reader.list().items[0].message_count == 5
    told = list(reader.changes(since))
    assert [one.origin for one in told] == ["external", "another store"]
    assert [one.changed["message_count"] for one in told] == [(3, 4), (4, 5)]


def without_descriptors(patched: pytest.MonkeyPatch) -> None:
    """Let nobody open the journal, as where a process has too many open files."""
    opened = _system.open_file

    def refuse(path: str, *rest: Any) -> int:
        if str(path).endswith("journal"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return opened(path, *rest)

    patched.setattr(_system, "open_file", refuse)


def test_what_cannot_be_read_now_is_read_later(
    two: tuple[SessionStore, SessionStore], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since = reader.last_change()
    turns(writer, "s", 2)

    with monkeypatch.context() as patched:
        without_descriptors(patched)
        assert reader.count() == 1
        assert reader.list().items[0].message_count == 4  # it looks at the file
    assert file.exists()
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")] * 2


def test_a_turn_while_the_journal_cannot_be_read_takes_no_other_back(
    two: tuple[SessionStore, SessionStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    since = reader.last_change()
    turns(writer, "s", 1)

    with monkeypatch.context() as patched:
        without_descriptors(patched)
        turns(writer, "s", 1)
    assert reader.list().items[0].message_count == 4
    told = list(reader.changes(since))
    assert [one.changed["message_count"] for one in told] == [(2, 3), (3, 4)]
    assert told[-1].origin == "another store"
    turns(writer, "s", 1)
    assert kinds(reader.changes(told[-1].number)) == [("s", "modified", "another store")]


def test_turns_that_a_new_index_has_not_heard_of_are_told(
    two: tuple[SessionStore, SessionStore], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is lost, and for a while no journal can be made for the new one."""
    writer, reader = two

    def fail(_: Journal) -> str:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "renew", fail)
        (folder / ".localsessions" / "index.sqlite3").unlink()
        assert reader.list().items[0].message_count == 2
        since = reader.last_change()
        turns(writer, "s", 2)
        assert reader.list().items[0].message_count == 4
    turns(writer, "s", 2)
    told = [one.changed["message_count"] for one in reader.changes(since)]
    assert told == [(2, 3), (3, 4), (4, 5), (5, 6)]


def test_a_new_journal_that_cannot_be_made_costs_no_index(
    two: tuple[SessionStore, SessionStore], file: Path
) -> None:
    writer, reader = two
    file.with_name("journal.new").mkdir()
    emptied(file)
    turns(writer, "s", 2)
    assert reader.list().items[0].message_count == 4
    assert local(reader).index._database.path is not None
    assert reader.stats().counters["index_rebuilds"] < 4
    turns(writer, "s", 2)
    assert reader.list().items[0].message_count == 6


def test_a_copy_of_a_folder_has_the_turns_that_nobody_has_read(
    folder: Path, tmp_path: Path
) -> None:
    with SessionStore(folder, durability="fast") as store:
        store.create("s")
        turns(store, "s", 2)
        since = store.last_change()
        turns(store, "s", 3)
    shutil.copytree(folder, tmp_path / "copy")
    with SessionStore(tmp_path / "copy") as store:
        assert [one.changed["message_count"] for one in store.changes(since)] == [
            *((2, 3), (3, 4), (4, 5))
        ]


def test_a_folder_in_its_place_makes_no_sweep_due(
    two: tuple[SessionStore, SessionStore], file: Path, no_sweep_is_due: None
) -> None:
    writer, reader = two
    replaced_by_a_folder(file)
    assert reader.count() == 1
    sweeps = [store.stats().counters["sweeps"] for store in two]
    for number in range(5):
        writer.create(f"t{number}")
        turns(writer, "s", 1)
        assert reader.count() == 2 + number
    assert [store.stats().counters["sweeps"] for store in two] == sweeps
    assert reader.list(order="created_at").items[0].message_count == 7


def test_while_another_program_locks_the_index_readers_and_writers_go_on(
    two: tuple[SessionStore, SessionStore], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    since, path = reader.last_change(), folder / ".localsessions" / "index.sqlite3"
    monkeypatch.setattr(replayed, "_BUSY_MS", 10)
    monkeypatch.setattr(database, "_BUSY_MS", 200_000)  # whoever waited would reach the limit
    monkeypatch.setattr(Journal, "LONG_BYTES", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        turns(writer, "s", 3)
        assert reader.count() == 1
        db.execute("ROLLBACK")
    assert local(reader).index._database.path == str(path)
    assert kinds(reader.changes(since)) == [("s", "modified", "another store")] * 3


def test_the_same_content_over_a_removal_that_nobody_has_seen_is_told(
    two: tuple[SessionStore, SessionStore], folder: Path, no_sweep_is_due: None
) -> None:
    writer, _ = two
    writer.delete("s")
    data = Path(writer.trash()[0].path).read_bytes()
    (folder / "s.json").write_bytes(data)
    writer.list(fresh=True)
    since = writer.last_change()
    (folder / "s.json").unlink()
    writer.restore("s")
    told = kinds(writer.changes(since))
    assert told == [("s", "deleted", "external"), ("s", "created", "this store")]


def test_a_store_whose_index_is_in_memory_writes_no_line_and_reads_none(
    two: tuple[SessionStore, SessionStore], file: Path
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    local(writer).index._database._keep_in_memory()
    size = file.stat().st_size
    assert writer.list().items[0].message_count == 3
    turns(writer, "s", 2)
    assert writer.list().items[0].message_count == 5
    assert file.stat().st_size == size
    assert reader.list(fresh=True).items[0].message_count == 5


def test_a_reader_waits_for_another_process_that_writes_for_long(
    two: tuple[SessionStore, SessionStore], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = two
    turns(writer, "s", 1)
    monkeypatch.setattr(database, "_BUSY_MS", 1)
    path = folder / ".localsessions" / "index.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
        db.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, lambda: db.execute("COMMIT")).start()
        assert reader.list().items[0].message_count == 3
        rebuilds = reader.stats().counters["index_rebuilds"]
    assert rebuilds == 0
    assert local(reader).index._database.path == str(path)
