"""The table of SqliteSession: a real one, as agentscope's example makes it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import needs
import pytest

from localsessions import LockTimeoutError, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.agentscope import SqliteSession, StateModule

# examples/functionality/session_with_sqlite/sqlite_session.py of agentscope 1.0.11
EXAMPLES_TABLE = """
    CREATE TABLE as_session (
        session_id TEXT,
        session_data JSON,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY(session_id)
    )
"""


class Note(StateModule):
    """A module whose state is one value."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        self.register_state("value", lambda given: given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    odd = "se ss?ions#%.db" if needs.is_here("wild names") else "se ssions#%.db"
    return tmp_path / "deep" / odd


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def save(path: Path, session_id: str, **modules: Any) -> None:
    asyncio.run(SqliteSession(path).save_session_state(session_id, **modules))


def load(path: Path, session_id: str, allow: bool = True, **modules: Any) -> None:
    asyncio.run(SqliteSession(path).load_session_state(session_id, allow, **modules))


def test_a_save_makes_the_file_with_the_documented_table(path: Path) -> None:
    """S19: columns, primary key."""
    save(path, "s", note=Note("文"))
    with opened(path) as db:
        columns = db.execute("PRAGMA table_info(as_session)").fetchall()
        rows = db.execute("SELECT session_id, session_data FROM as_session").fetchall()
    assert [(name, kind, key) for _, name, kind, _, _, key in columns] == [
        ("session_id", "TEXT", 1),
        ("session_data", "JSON", 0),
        ("created_at", "TIMESTAMP", 0),
        ("updated_at", "TIMESTAMP", 0),
    ]
    assert rows == [("s", '{"note":{"value":"文"}}')]
    assert sorted(os.listdir(path.parent)) == [path.name]


@pytest.mark.needs("modes")
def test_the_file_is_the_users_own(path: Path) -> None:
    """S19: it holds what was said."""
    save(path, "s", note=Note("文"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_save_keeps_created_at_and_moves_updated_at(path: Path) -> None:
    """S19: ON CONFLICT update, two saves in one second are told apart."""
    save(path, "s", note=Note(1))
    save(path, "t", note=Note(1))
    times = "SELECT created_at, updated_at FROM as_session WHERE session_id = 's'"
    with opened(path) as db:
        first = db.execute(times).fetchone()
        last = first
        while last[1] == first[1]:
            save(path, "s", note=Note(2))
            last = db.execute(times).fetchone()
        assert db.execute("SELECT count(*) FROM as_session").fetchone() == (2,)
        assert db.execute("SELECT datetime(?) IS NOT NULL", (last[1],)).fetchone() == (1,)
    assert first[0] == first[1] == last[0] < last[1]
    assert [len(each) for each in last] == [len("2025-01-01 10:00:00.000")] * 2


def test_rows_of_agentscopes_example_are_loaded_and_updated(path: Path) -> None:
    """S19: the table is taken as it is found, other tables stay."""
    path.parent.mkdir()
    with opened(path) as db:
        db.execute(EXAMPLES_TABLE)
        db.execute("CREATE TABLE theirs (x)")
        db.execute(
            "INSERT INTO as_session (session_id, session_data, created_at) VALUES (?, json(?), ?)",
            ("s", json.dumps({"note": {"value": "их"}}, ensure_ascii=False), "2025-01-01 10:00:00"),
        )
    note = Note()
    load(path, "s", False, note=note)
    assert note.value == "их"
    save(path, "s", other=Note(2))
    load(path, "s", False, note=Note(), other=Note())
    with opened(path) as db:
        row = db.execute("SELECT created_at, created_at < updated_at FROM as_session").fetchone()
    assert row == ("2025-01-01 10:00:00", 1)


def test_a_module_that_was_never_saved_is_an_error_and_none_is_loaded(path: Path) -> None:
    """S10: ValueError naming it; those before it in the call stay as they were."""
    save(path, "s", old=Note("saved"))
    old = Note("as it was")
    with pytest.raises(ValueError, match="'new'"):
        load(path, "s", old=old, new=Note())
    assert old.value == "as it was"


@pytest.mark.parametrize("absent", ["file", "table", "row"])
def test_what_is_missing_is_skipped_or_an_error(
    path: Path, caplog: pytest.LogCaptureFixture, absent: str
) -> None:
    """S20: with INFO; the file is not made by a load, nor the table."""
    caplog.set_level("INFO")
    if absent != "file":
        path.parent.mkdir()
        with opened(path) as db:
            db.execute("CREATE TABLE theirs (x)" if absent == "table" else EXAMPLES_TABLE)
    before = path.read_bytes() if path.exists() else None
    note = Note("as it was")
    load(path, "s", note=note)
    assert "'s'" in caplog.text
    with pytest.raises(ValueError, match="'s'"):
        load(path, "s", False, note=note)
    assert note.value == "as it was"
    assert (path.read_bytes() if path.exists() else None) == before


def test_an_empty_file_is_a_database_without_a_table(path: Path) -> None:
    """S20: as sqlite3 itself leaves it when it was killed early."""
    path.parent.mkdir()
    path.touch()
    load(path, "s", note=Note())
    save(path, "s", note=Note(1))
    load(path, "s", False, note=Note())


def test_a_save_waits_for_a_writer_and_gives_up_with_an_error_of_ours(path: Path) -> None:
    """S21: never "database is locked"; afterwards it goes on."""
    save(path, "s", note=Note(1))
    impatient = SqliteSession(path, lock_timeout=0.05)
    with opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockTimeoutError, match="try again") as raised:
            asyncio.run(impatient.save_session_state("s", note=Note(2)))
        assert (raised.value.session_id, raised.value.path) == ("s", str(path))

        async def save_while_locked() -> None:
            saving = asyncio.ensure_future(
                SqliteSession(path, lock_timeout=60).save_session_state("s", note=Note(3))
            )
            await asyncio.sleep(0)
            db.execute("COMMIT")
            await saving

        asyncio.run(save_while_locked())
    note = Note()
    load(path, "s", note=note)
    assert note.value == 3


def test_no_connection_stays_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S21: after a save, a load and a fault."""
    connect: Any = sqlite3.connect
    made: list[sqlite3.Connection] = []

    def remembered(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*arguments, check_same_thread=False, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    save(path, "s", note=Note(1))
    load(path, "s", note=Note())
    with opened(path) as db:
        db.execute("UPDATE as_session SET session_data = ''")
    for act in (save, load):
        with pytest.raises(UnreadableSessionError):
            act(path, "s", note=Note())
    assert len(made) == 5
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_state_that_is_not_json_makes_no_file(path: Path) -> None:
    """S15: refused before the disk is touched."""
    with pytest.raises(UnstorableValueError, match=r"note\.value"):
        save(path, "s", note=Note({1, 2}))
    assert not path.parent.exists()


@pytest.mark.parametrize("broken", ['{"note": {"value": ', "", "[1]", '{"a": 1, "a": 2}'])
def test_a_broken_row_is_an_error_and_stays_as_it_is(path: Path, broken: str) -> None:
    """S15: never overwritten; other rows work."""
    save(path, "s", note=Note(1))
    save(path, "good", note=Note("good"))
    with opened(path) as db:
        db.execute("UPDATE as_session SET session_data = ? WHERE session_id = 's'", (broken,))
    for act in (save, load):
        with pytest.raises(UnreadableSessionError, match="'s'"):
            act(path, "s", note=Note())
    with opened(path) as db:
        found = db.execute("SELECT session_data FROM as_session WHERE session_id = 's'").fetchone()
    assert found == (broken,)
    load(path, "good", False, note=Note())


def test_what_no_module_can_have_written_stays_beside_a_save(path: Path) -> None:
    """D1: the merge keeps everything that the row says."""
    save(path, "s", note=Note(1))
    with opened(path) as db:
        db.execute("""UPDATE as_session SET session_data = '{"version": 3, "note": {}}'""")
    save(path, "s", other=Note(2))
    with opened(path) as db:
        found = json.loads(db.execute("SELECT session_data FROM as_session").fetchone()[0])
    assert found == {"version": 3, "note": {}, "other": {"value": 2}}


def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(path: Path) -> None:
    """S15: and so is one that cannot be opened."""
    path.parent.mkdir()
    path.write_bytes(b"a letter to grandmother\n" * 100)
    for act in (save, load):
        with pytest.raises(UnreadableSessionError, match="not a database"):
            act(path, "s", note=Note())
    assert path.read_bytes() == b"a letter to grandmother\n" * 100
    folder = path.parent / "folder.db"
    folder.mkdir()
    for act in (save, load):
        with pytest.raises(OSError, match=r"folder\.db"):
            act(folder, "s", note=Note())
