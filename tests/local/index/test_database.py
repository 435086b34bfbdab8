"""The databases of a store: shared, emptied, forked, made anew; and one Database by itself.

What damage does to answers is in tests/proof/test_index_damage.py.
"""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.connection
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from inside import local
from proof.indexed import DATABASES, SUFFIXES, answers, fill, fresh_answers

from localsessions import SessionStore
from localsessions._local.index.database import Database
from localsessions._local.index.row import IndexRow
from localsessions.engine import Asked


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    fill(folder)
    with SessionStore(folder) as store:
        answers(store)
    return folder


def remove(path: Path) -> None:
    for suffix in SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def test_a_folder_that_is_full_of_other_things_still_has_an_index_in_memory(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "sessions"
    fill(folder)
    for name in DATABASES:
        (folder / ".localsessions" / name).mkdir(parents=True)
        (folder / ".localsessions" / name / "in the way").touch()

    with SessionStore(folder) as store:
        assert answers(store) == fresh_answers(folder, tmp_path)


def test_what_a_database_in_memory_needs_for_a_while_is_in_memory_too(filled: Path) -> None:
    in_memory = 2  # https://www.sqlite.org/pragma.html#pragma_temp_store
    for path, expected in [(None, in_memory), (str(filled / "another"), 0)]:
        database = Database(path, "CREATE TABLE kept (one)", 1)
        found = database.read(lambda db: db.execute("PRAGMA temp_store").fetchone()[0])
        assert found == expected
        database.close()


def test_two_processes_that_make_the_index_anew_at_once_agree(filled: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from localsessions import SessionStore\n"
        "with SessionStore(sys.argv[1]) as store:\n"
        "    for _ in range(5):\n"
        "        assert store.reindex() == 25 == store.count(), store.count()\n"
        "        assert len(store.search('parser', limit=100)) == 24\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(filled)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[1] for process in running] == [b""] * 3
    assert [process.returncode for process in running] == [0] * 3

    with SessionStore(filled, durability="fast") as store:
        assert answers(store) == fresh_answers(filled, tmp_path)


@pytest.mark.needs("open files that go")
def test_threads_that_share_a_store_survive_a_database_that_keeps_vanishing(
    filled: Path, tmp_path: Path
) -> None:
    wrong: list[object] = []

    def look(store: SessionStore) -> None:
        try:
            for _ in range(10):
                wrong.extend([count] if (count := store.count()) != 25 else [])
                wrong.extend([hits] if len(hits := store.search("parser", limit=99)) != 24 else [])
        except Exception as error:
            wrong.append(error)

    with SessionStore(filled, durability="fast") as store:
        threads = [threading.Thread(target=look, args=[store]) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for name in DATABASES:
                remove(filled / ".localsessions" / name)
            threads[0].join(0.05)
        for thread in threads:
            thread.join()
        assert wrong == []
        assert answers(store) == fresh_answers(filled, tmp_path)


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_database_that_is_lost_in_every_attempt_is_kept_in_memory(
    verb: str, tmp_path: Path
) -> None:
    database = Database(str(tmp_path / "index.sqlite3"), "CREATE TABLE kept (one)", 1)
    attempts: list[str | None] = []

    def act(db: sqlite3.Connection) -> int:
        attempts.append(database.path)
        if database.path is not None:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return int(db.execute("SELECT count(*) FROM kept").fetchone()[0])

    before = database.generation
    assert getattr(database, verb)(act) == 0
    assert attempts == [str(tmp_path / "index.sqlite3")] * 4 + [None]
    assert database.generation > before
    database.close()


@pytest.mark.needs("fork")
def test_a_forked_child_uses_a_connection_of_its_own(filled: Path) -> None:
    def child(store: SessionStore, pipe: multiprocessing.connection.Connection) -> None:
        store.append("s7", {"role": "user", "content": "from the child"})
        connection = local(store).index._database._connection
        pipe.send((store.count(), id(connection), connection is not inherited))
        pipe.close()

    context = multiprocessing.get_context("fork")
    with SessionStore(filled, durability="fast") as store:
        store.count()
        inherited = local(store).index._database._connection
        here, there = context.Pipe()
        process = context.Process(target=child, args=[store, there])
        process.start()
        count, _, is_its_own = here.recv()
        process.join()

        assert (count, is_its_own, process.exitcode) == (25, True, 0)
        assert local(store).index._database._connection is inherited
        assert store.list(limit=1).items[0].preview == "from the child"


@pytest.mark.needs("open files that go")
def test_generation_grows_whenever_something_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite3"
    kept = Database(str(path), "CREATE TABLE things (thing)", 1)
    kept.write(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    before = kept.generation
    kept.read(lambda db: db.execute("SELECT * FROM things"))
    assert kept.generation == before

    remove(path)
    assert kept.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert kept.generation > before
    kept.close()


def test_a_schema_of_another_version_is_made_anew(tmp_path: Path) -> None:
    for version in (1, 2, 1):
        kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", version)
        assert kept.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
        kept.write(lambda db: db.execute("INSERT INTO things VALUES (1)"))
        kept.close()


def test_of_two_that_make_a_database_the_second_leaves_it_alone(tmp_path: Path) -> None:
    first, second = (
        Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1) for _ in "12"
    )
    first.write(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    second._make(second._open())
    assert second.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == [(1,)]
    first.close()
    second.close()


def test_who_comes_while_another_process_makes_the_database_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite3"
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")  # as yet without a write-ahead log
    timer = threading.Timer(0.1, maker.execute, ["COMMIT"])
    timer.start()
    database = Database(str(path), "CREATE TABLE things (name)", 1)
    assert database.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert database.path == str(path)
    timer.join()
    database.close()
    maker.close()


def test_a_question_is_answered_of_the_database_that_was_looked_at(tmp_path: Path) -> None:
    """Another process empties it between the look at its identity and the question."""
    one, other = (
        Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1) for _ in "12"
    )
    one.write(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    generation = one.generation

    def emptied_meanwhile(db: sqlite3.Connection) -> list[tuple[int]]:
        def empty(writing: sqlite3.Connection) -> None:
            writing.execute("DELETE FROM things")
            other.lose_rows(writing)

        other.write(empty)
        return db.execute("SELECT * FROM things").fetchall()

    assert one.read(emptied_meanwhile) == [(1,)]
    assert one.generation == generation
    assert one.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert one.generation > generation
    one.close()
    other.close()


def test_a_damaged_file_that_cannot_be_removed_is_left_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.sqlite3"
    path.write_bytes(b"nothing like a database" * 100)
    before = path.read_bytes()

    def refuse(_: object) -> None:
        raise PermissionError("somebody has it open")

    monkeypatch.setattr("os.unlink", refuse)
    kept = Database(str(path), "CREATE TABLE things (thing)", 1)
    assert kept.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert kept.path is None
    assert path.read_bytes() == before
    kept.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1)

    def write_and_fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES (1)")
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        kept.write(write_and_fail)
    assert kept.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    kept.close()


def test_a_fault_that_comes_back_every_time_is_told(tmp_path: Path) -> None:
    kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1)
    with pytest.raises(sqlite3.DatabaseError, match="no such table"):
        kept.read(lambda db: db.execute("SELECT * FROM elsewhere"))
    kept.close()


def test_an_index_whose_size_cannot_be_told_fails_no_answer(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, lstat = os.stat, os.lstat

    def failing(path: str | int, **named: bool) -> os.stat_result:
        if str(path).endswith(("sqlite3", "-wal")):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return stat(path, **named)

    def failing_of_links(path: str) -> os.stat_result:
        if str(path).endswith(("sqlite3", "-wal", "-shm", "index.checked")):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return lstat(path)

    with SessionStore(filled) as store:
        assert store.stats().derived_bytes["index"] > 0
        monkeypatch.setattr(os, "stat", failing)
        monkeypatch.setattr(os, "lstat", failing_of_links)
        stats = store.stats()
        assert (stats.sessions, stats.derived_bytes["index"]) == (25, 0)


@pytest.mark.needs("open files that go")
def test_what_was_put_in_while_another_process_made_it_anew_is_put_in_again(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite3"
    first, second = (Database(str(path), "CREATE TABLE things (thing)", 1) for _ in "12")
    put: list[int] = []

    def put_in(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES ('put in')")
        put.append(1)
        if len(put) == 1:
            remove(path)
            second.read(lambda db: db.execute("SELECT * FROM things").fetchall())

    first.write(put_in)
    things = second.read(lambda db: db.execute("SELECT thing FROM things").fetchall())
    assert (things, len(put)) == ([("put in",)], 2)
    first.close()
    second.close()


def test_a_file_that_another_process_removes_just_now_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.sqlite3"
    made = Database(str(path), "CREATE TABLE things (thing)", 1)
    made.read(lambda db: db.execute("SELECT 1"))
    made.close()
    inode, real = path.stat().st_ino, os.lstat

    def lstat_of_one_being_removed(name: str) -> os.stat_result:
        status = list(real(name))
        status[3] = 0  # st_nlink, as it is between the removal of the name and the answer
        return os.stat_result(status)

    monkeypatch.setattr(os, "lstat", lstat_of_one_being_removed)
    kept = Database(str(path), "CREATE TABLE things (thing)", 1)
    kept.read(lambda db: db.execute("SELECT * FROM things").fetchall())
    kept.close()
    assert path.stat().st_ino == inode


@pytest.mark.needs("open files that go")
def test_words_that_another_thread_finds_lost_before_they_are_asked_are_filled_again(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(filled) as store:
        caught_up = local(store).searching._catch_up
        lost: list[int | None] = []

        def catch_up_and_lose(*given: object) -> int | None:
            generation = caught_up(Asked(1))
            if not lost:
                lost.append(generation)
                remove(filled / ".localsessions" / "search.sqlite3")
                # As another thread, which opens it anew.
                assert [*local(store).texts.digests()] == []
            return generation

        monkeypatch.setattr(local(store).searching, "_catch_up", catch_up_and_lose)
        assert len(store.search("parser", limit=99)) == 24
        assert lost


@pytest.mark.needs("open files that go")
@pytest.mark.parametrize("name", DATABASES)
def test_a_database_that_is_lost_in_every_question_gives_way_to_memory(
    name: str, filled: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionStore(filled) as store:
        right = answers(store)
        for asked, verb in [
            (local(store).index, "page"),
            (local(store).index, "count"),
            (local(store).texts, "search"),
        ]:
            real = getattr(asked, verb)

            def lose_and_ask(*given: object, real: Callable[..., object] = real) -> object:
                remove(filled / ".localsessions" / name)
                return real(*given)

            monkeypatch.setattr(asked, verb, lose_and_ask)
        assert answers(store) == right
        assert len(store.search("parser", limit=99)) == 24
    (told,) = {record.getMessage() for record in caplog.records}
    assert name in told
    assert told.endswith("is lost again and again; using memory instead")


def test_a_search_that_is_overtaken_at_every_look_misses_no_session(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(filled) as store, SessionStore(filled) as other:
        hits = {hit.session.session_id for hit in store.search("parser", limit=99)}
        gone, *_, busy = sorted(hits)
        look = local(store).reconciler.refresh_row

        def overtaken(row: IndexRow) -> bool:
            if row.summary.session_id == busy:
                other.append(busy, {"role": "user", "content": "once more"})
            elif row.summary.session_id == gone:
                other.delete(gone)
            return look(row)

        monkeypatch.setattr(local(store).reconciler, "refresh_row", overtaken)
        found = {hit.session.session_id for hit in store.search("parser", limit=99)}
        assert found == hits - {gone}


@pytest.mark.parametrize("name", ["index", "texts"])
def test_an_index_that_is_lost_in_memory_too_is_an_error_in_the_end(
    name: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(filled) as store:
        asked = getattr(local(store), name)
        verb = "page" if name == "index" else "search"
        real = getattr(asked, verb)

        def lose_and_ask(*given: object) -> object:
            asked._database.generation += 1  # as where memory has no room for what it sorts
            return real(*given)

        monkeypatch.setattr(asked, verb, lose_and_ask)
        with pytest.raises(OSError, match="again and again, in memory too"):
            store.search("parser") if name == "texts" else store.list()
        monkeypatch.undo()
        assert len(store.list(limit=99).items) == 25
        assert len(store.search("parser", limit=99)) == 24


# -- what it takes on the disk -------------------------------------------------------------------


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[Database]:
    made = Database(str(tmp_path / "blobs"), "CREATE TABLE blobs (one BLOB)", 1)
    yield made
    made.close()


def put_blobs(blobs: Database, count: int, size_bytes: int) -> None:
    def write(db: sqlite3.Connection) -> None:
        db.executemany("INSERT INTO blobs VALUES (?)", [(b"x" * size_bytes,)] * count)

    blobs.write(write)


def log_bytes(blobs: Database) -> int:
    return Path(f"{blobs.path}-wal").stat().st_size


def test_a_log_of_many_small_writes_is_short(blobs: Database) -> None:
    for _ in range(200):
        put_blobs(blobs, 10, 2_000)
    assert log_bytes(blobs) < 2 << 20


def test_the_log_of_a_large_write_is_cut_at_once(blobs: Database) -> None:
    put_blobs(blobs, 2_000, 4_000)
    assert log_bytes(blobs) == 0


def test_the_log_that_a_reader_held_up_is_cut_by_the_next_write_after_it(blobs: Database) -> None:
    put_blobs(blobs, 1, 1)
    with closing(sqlite3.connect(str(blobs.path))) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
        for _ in range(10):
            put_blobs(blobs, 100, 4_000)
        assert log_bytes(blobs) > 3 << 20
        assert reader.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
    put_blobs(blobs, 1, 1)
    assert log_bytes(blobs) < 1 << 20
    assert blobs.read(lambda db: db.execute("SELECT count(*) FROM blobs").fetchone()) == (1_002,)


def test_pages_that_are_free_are_given_back_by_the_next_writes(blobs: Database) -> None:
    put_blobs(blobs, 3_000, 4_000)
    blobs.write(lambda db: db.execute("DELETE FROM blobs WHERE rowid % 10"))
    for _ in range(20):
        put_blobs(blobs, 1, 1)
    (pages,) = blobs.read(lambda db: db.execute("PRAGMA page_count").fetchone())
    assert pages < 300 + 2 * 256


def test_few_free_pages_are_kept_for_what_comes(blobs: Database) -> None:
    put_blobs(blobs, 300, 4_000)
    blobs.write(lambda db: db.execute("DELETE FROM blobs WHERE rowid % 3"))
    for _ in range(20):
        put_blobs(blobs, 1, 1)
    (free,) = blobs.read(lambda db: db.execute("PRAGMA freelist_count").fetchone())
    assert free > 150


def test_a_database_that_gave_no_pages_back_does_so_when_it_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE old (value)")
        db.execute("INSERT INTO old VALUES (zeroblob(4000000))")
        db.execute("PRAGMA user_version = 6")
    made = Database(str(path), "CREATE TABLE new (value)", 7)
    assert made.read(lambda db: db.execute("PRAGMA auto_vacuum").fetchone()) == (2,)
    made.close()
    assert path.stat().st_size < 100_000
