"""Whatever happens to the databases, at any moment, the store answers as a fresh one would."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from localsessions import SessionExistsError, SessionStore
from localsessions._index import database
from localsessions._index.database import Database
from localsessions.models import Order

PAGE = 4096
NAMES = ["index.sqlite3", "search.sqlite3"]
SUFFIXES = ("", "-wal", "-shm", "-journal")

Damage: TypeAlias = Callable[[Path], None]


def write(folder: Path, session_id: str, text: str, **fields: object) -> None:
    number = int(session_id[1:])
    document = {
        "title": f"Title {number % 5}",
        "user_id": f"user_{number % 3}",
        "agent_id": "coder" if number % 2 else None,
        "status": "archived" if number % 4 == 0 else "active",
        "created_at": f"2025-01-{31 - number:02}T00:00:00Z",
        "last_activity": f"2025-02-{number % 9 + 1:02}T00:00:00Z",
        "expires_at": f"2026-01-{number:02}T00:00:00Z" if number % 6 == 1 else None,
        "messages": [{"role": "user", "content": text}] * (number % 3 + 1),
    }
    (folder / f"{session_id}.json").write_text(json.dumps(document | fields))


def fill(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(1, 25):
        write(folder, f"s{number}", f"the parser of file {number} fails")
    (folder / "s25.json").write_text("{torn")


def answers(store: SessionStore) -> object:
    """Everything that the two databases are asked for."""
    orders: tuple[Order, ...] = ("-last_activity", "last_activity", "-created_at", "size_bytes")
    hits = (*store.search("parser", limit=100), *store.search("file 7"))
    return {
        "orders": [store.list(order=order, limit=100) for order in orders],
        "users": [store.list(user_id=f"user_{number}", limit=5) for number in range(3)],
        "agent": store.list(agent_id="coder", limit=100).items,
        "status": [store.list(status=one).items for one in ("active", "archived", "unreadable")],
        "counts": [store.count(), store.count(user_id="user_1"), store.count(status="active")],
        "hits": [(hit.session, hit.position, hit.snippet, hit.highlights) for hit in hits],
        "loaded": [store.load("s3").messages, store.get("s99"), store.resolve("s25")],
        "expired": store.purge_expired(dry_run=True).actions,
    }


def fresh_answers(folder: Path, beside: Path) -> object:
    """The answers of a store that never had an index."""
    copied = beside / "fresh"
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(".localsessions"))
    with SessionStore(copied, durability="fast") as store:
        found = answers(store)
    shutil.rmtree(copied)
    return found


def remove(path: Path) -> None:
    for suffix in SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def garble_a_page(path: Path) -> None:
    overwrite(path, PAGE * 2, random.Random(7).randbytes(PAGE))


def other_store(path: Path) -> Path:
    """The database of another store, with other rows under the same ids."""
    folder = path.parent.parent.parent / "other"
    folder.mkdir()
    for number in (1, 3, 7, 30):
        write(folder, f"s{number}", "foreign parser", user_id="user_0", created_at="2025-03-01")
    with SessionStore(folder) as store:
        store.search("parser")
    return folder / ".localsessions" / path.name


def set_version(path: Path, version: int) -> None:
    remove(path)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE sessions (odd)")
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (other)")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


def replace_by_folder(path: Path) -> None:
    remove(path)
    path.mkdir()


def rename_over(path: Path) -> None:
    other_store(path).replace(path)


def overwrite_in_place(path: Path) -> None:
    shutil.copyfile(other_store(path), path)


def drop_a_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        table = "sessions" if path.name == "index.sqlite3" else "texts"
        db.execute(f"DROP TABLE {table}")
    db.close()


def delete_rows(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM identity")
    db.close()


DAMAGES: dict[str, Damage] = {
    "deleted": remove,
    "only the main file deleted": lambda path: path.unlink(),
    "-wal deleted": lambda path: Path(f"{path}-wal").unlink(missing_ok=True),
    "-shm deleted": lambda path: Path(f"{path}-shm").unlink(missing_ok=True),
    "truncated to nothing": lambda path: cut(path, 0),
    "truncated to half": lambda path: cut(path, 0.5),
    "truncated within a page": lambda path: cut(path, 0.77),
    "header garbled": lambda path: overwrite(path, 0, b"\xa5" * 100),
    "magic garbled": lambda path: overwrite(path, 0, b"NOT A DATABASE, "),
    "page garbled": garble_a_page,
    "everything garbled": lambda path: overwrite(path, 0, b"\x5a" * path.stat().st_size),
    "a text instead": lambda path: overwrite(path, 0, b"nothing\n" * (path.stat().st_size // 8)),
    "swapped by rename": rename_over,
    "swapped in place": overwrite_in_place,
    "older schema": lambda path: set_version(path, 0),
    "newer schema": lambda path: set_version(path, 99),
    "a folder instead": replace_by_folder,
    "table dropped": drop_a_table,
    "identity lost": delete_rows,
    ".localsessions removed": lambda path: shutil.rmtree(path.parent),
}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    fill(folder)
    with SessionStore(folder) as store:
        answers(store)
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_before_opening_changes_no_answer(
    name: str, damage: str, filled: Path, tmp_path: Path
) -> None:
    DAMAGES[damage](filled / ".localsessions" / name)

    with SessionStore(filled, durability="fast") as store:
        assert answers(store) == fresh_answers(filled, tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_between_two_calls_changes_no_answer(
    name: str, damage: str, filled: Path, tmp_path: Path
) -> None:
    with SessionStore(filled, durability="fast") as store:
        answers(store)
        store.append("s2", {"role": "user", "content": "written before"})

        DAMAGES[damage](filled / ".localsessions" / name)

        assert answers(store) == fresh_answers(filled, tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_before_a_save_loses_neither_it_nor_others(
    name: str, damage: str, filled: Path, tmp_path: Path
) -> None:
    with SessionStore(filled, durability="fast") as store:
        answers(store)
        session = store.load("s3")

        DAMAGES[damage](filled / ".localsessions" / name)
        session.title = "A parser of one's own"
        store.save(session)
        store.create("s26", title="Another parser")
        store.delete("s4")

        assert answers(store) == fresh_answers(filled, tmp_path)
        assert store.count() == 25


@pytest.mark.parametrize("name", NAMES)
def test_any_garbled_page_changes_no_answer(name: str, filled: Path, tmp_path: Path) -> None:
    path = filled / ".localsessions" / name
    whole = path.read_bytes()
    expected = fresh_answers(filled, tmp_path)
    noise = random.Random(1)
    for offset in range(0, len(whole), PAGE):
        remove(path)
        path.write_bytes(whole)
        overwrite(path, offset, noise.randbytes(PAGE))

        with SessionStore(filled, durability="fast") as store:
            assert answers(store) == expected, f"page at {offset}"


def test_a_garbled_row_is_never_shown(filled: Path, tmp_path: Path) -> None:
    path = filled / ".localsessions" / "index.sqlite3"
    whole = path.read_bytes()
    expected = fresh_answers(filled, tmp_path)
    places = [at for at in range(len(whole)) if whole.startswith(b'"title":"Title', at)]
    assert places
    for place in places:
        remove(path)
        path.write_bytes(whole)
        overwrite(path, place + 10, b"Z")

        with SessionStore(filled, durability="fast") as store:
            assert answers(store) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_garbled_schema_that_is_no_text_changes_no_answer(
    name: str, filled: Path, tmp_path: Path
) -> None:
    path = filled / ".localsessions" / name
    whole = path.read_bytes()
    expected = fresh_answers(filled, tmp_path)
    places = [at for at in range(len(whole)) if whole.startswith(b"CREATE ", at)]
    assert len(places) >= 4
    for place in places:
        remove(path)
        path.write_bytes(whole)
        overwrite(path, place + 4, b"\xd4")

        with SessionStore(filled, durability="fast") as store:
            assert answers(store) == expected


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((ValueError, SessionExistsError)) as caught:
        act()
    return str(caught.value)


VERBS: dict[str, Callable[[SessionStore], object]] = {
    "list": lambda store: store.list(user_id="user_1"),
    "count": lambda store: store.count(),
    "search": lambda store: [hit.session for hit in store.search("parser", limit=100)],
    "resolve a beginning": lambda store: store.resolve("s25"),
    "resolve a title": lambda store: refusal(lambda: store.resolve("title 3")),
    "resolve latest": lambda store: store.resolve("latest"),
    "purge_expired": lambda store: store.purge_expired(dry_run=True).actions,
    "cleanup": lambda store: store.cleanup(max_age=86400, dry_run=True).actions,
    "stats": lambda store: (store.stats().sessions, store.stats().messages),
    "verify": lambda store: [one for one in store.verify() if one.kind != "index"],
    "rename": lambda store: store.rename("s3", "new").title,
    "a twin": lambda store: refusal(lambda: store.create("S3")),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "damage", ["deleted", "everything garbled", "swapped in place", ".localsessions removed"]
)
def test_the_first_verb_after_a_damage_is_right(
    damage: str, verb: str, filled: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(filled, copied, ignore=shutil.ignore_patterns(".localsessions"))
    with SessionStore(copied, durability="fast") as fresh:
        expected = repr(VERBS[verb](fresh)).replace(str(copied), str(filled))

    with SessionStore(filled, durability="fast") as store:
        answers(store)
        for name in NAMES[: 1 if damage == "swapped in place" else 2]:
            if (filled / ".localsessions").exists():
                DAMAGES[damage](filled / ".localsessions" / name)

        assert repr(VERBS[verb](store)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_never_an_error_and_never_invents(name: str, filled: Path) -> None:
    path = filled / ".localsessions" / name
    whole = path.read_bytes()
    with SessionStore(filled, durability="fast") as store:
        every = {session.session_id: session for session in store.list(limit=100)}
    noise = random.Random(3)
    places = noise.sample([at for at, byte in enumerate(whole) if byte], 100)
    for place in places:
        remove(path)
        path.write_bytes(whole)
        overwrite(path, place, bytes([whole[place] ^ 1 << noise.randrange(8)]))

        with SessionStore(filled, durability="fast") as store:
            answers(store)
            assert {one.session_id: one for one in store.list(limit=100)} == every
            for user in ("user_0", "user_1"):
                assert all(one.user_id == user for one in store.list(user_id=user))
            for hit in store.search("parser", limit=100):
                assert hit.snippet == f"the parser of file {hit.session.session_id[1:]} fails"


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Another process holds the database for ever."""
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA locking_mode = EXCLUSIVE') if sys.argv[2] == 'all' else None;"
        "db.execute('BEGIN EXCLUSIVE'); db.execute('PRAGMA user_version = 1');"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path), "write"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


@pytest.mark.parametrize("name", NAMES)
def test_a_database_locked_for_ever_changes_no_answer(
    name: str, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 50)
    with SessionStore(filled, durability="fast") as opened_before:
        answers(opened_before)
        with held_by_another_process(filled / ".localsessions" / name):
            opened_before.append("s5", {"role": "user", "content": "a parser at last"})
            with SessionStore(filled, durability="fast") as opened_after:
                opened_after.append("s6", {"role": "user", "content": "one more parser"})
                expected = fresh_answers(filled, tmp_path)
                assert answers(opened_after) == expected
                assert answers(opened_before) == expected

    with SessionStore(filled, durability="fast") as later:
        assert answers(later) == expected


def test_a_folder_that_is_full_of_other_things_still_has_an_index_in_memory(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "sessions"
    fill(folder)
    for name in NAMES:
        (folder / ".localsessions" / name).mkdir(parents=True)
        (folder / ".localsessions" / name / "in the way").touch()

    with SessionStore(folder) as store:
        assert answers(store) == fresh_answers(folder, tmp_path)


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
            for name in NAMES:
                remove(filled / ".localsessions" / name)
            threads[0].join(0.05)
        for thread in threads:
            thread.join()
        assert wrong == []
        assert answers(store) == fresh_answers(filled, tmp_path)


def test_a_forked_child_uses_a_connection_of_its_own(filled: Path) -> None:
    def child(store: SessionStore, pipe: multiprocessing.connection.Connection) -> None:
        store.append("s7", {"role": "user", "content": "from the child"})
        connection = store._index._database._connection
        pipe.send((store.count(), id(connection), connection is not inherited))
        pipe.close()

    context = multiprocessing.get_context("fork")
    with SessionStore(filled, durability="fast") as store:
        store.count()
        inherited = store._index._database._connection
        here, there = context.Pipe()
        process = context.Process(target=child, args=[store, there])
        process.start()
        count, _, is_its_own = here.recv()
        process.join()

        assert (count, is_its_own, process.exitcode) == (25, True, 0)
        assert store._index._database._connection is inherited
        assert store.list(limit=1).items[0].preview == "from the child"


def test_generation_grows_whenever_something_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite3"
    kept = Database(str(path), "CREATE TABLE things (thing)", 1)
    kept.run(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    before = kept.generation
    kept.run(lambda db: db.execute("SELECT * FROM things"))
    assert kept.generation == before

    remove(path)
    assert kept.run(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert kept.generation > before
    kept.close()


def test_a_schema_of_another_version_is_made_anew(tmp_path: Path) -> None:
    for version in (1, 2, 1):
        kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", version)
        assert kept.run(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
        kept.run(lambda db: db.execute("INSERT INTO things VALUES (1)"))
        kept.close()


def test_of_two_that_make_a_database_the_second_leaves_it_alone(tmp_path: Path) -> None:
    first, second = (
        Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1) for _ in "12"
    )
    first.run(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    second.run(second._make)
    assert second.run(lambda db: db.execute("SELECT * FROM things").fetchall()) == [(1,)]
    first.close()
    second.close()


def test_a_question_is_answered_of_the_database_that_was_looked_at(tmp_path: Path) -> None:
    """Another process empties it between the look at its identity and the question."""
    one, other = (
        Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1) for _ in "12"
    )
    one.run(lambda db: db.execute("INSERT INTO things VALUES (1)"))
    generation = one.generation

    def emptied_meanwhile(db: sqlite3.Connection) -> list[tuple[int]]:
        def empty(writing: sqlite3.Connection) -> None:
            with other.writing(writing):
                writing.execute("DELETE FROM things")
                other.renew(writing)

        other.run(empty)
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
    assert kept.run(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert kept.path is None
    assert path.read_bytes() == before
    kept.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1)

    def write_and_fail(db: sqlite3.Connection) -> None:
        with kept.writing(db):
            db.execute("INSERT INTO things VALUES (1)")
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        kept.run(write_and_fail)
    assert kept.run(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    kept.close()


def test_a_fault_that_comes_back_every_time_is_told(tmp_path: Path) -> None:
    kept = Database(str(tmp_path / "some.sqlite3"), "CREATE TABLE things (thing)", 1)
    with pytest.raises(sqlite3.DatabaseError, match="no such table"):
        kept.run(lambda db: db.execute("SELECT * FROM elsewhere"))
    kept.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs another uid")
@pytest.mark.parametrize("name", NAMES)
def test_a_database_that_may_only_be_read_changes_no_answer(
    name: str, filled: Path, tmp_path: Path
) -> None:
    path = filled / ".localsessions" / name
    expected = fresh_answers(filled, tmp_path)
    for entry in (filled, *filled.rglob("*")):
        os.chown(entry, 1234, 1234)
    for parent in filled.parents:
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)
    for suffix in SUFFIXES:
        if os.path.exists(f"{path}{suffix}"):
            os.chown(f"{path}{suffix}", 0, 0)
            os.chmod(f"{path}{suffix}", 0o444)

    def as_another(pipe: multiprocessing.connection.Connection) -> None:
        os.setgid(1234)
        os.setuid(1234)
        with SessionStore(filled, durability="fast") as store:
            pipe.send(answers(store))
            store.append("s1", {"role": "user", "content": "written"})
            pipe.send(store.list(limit=1).items[0].preview)

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=as_another, args=[there])
    process.start()
    there.close()
    assert here.recv() == expected
    assert here.recv() == "written"
    process.join()
