"""Databases of programs that may be running: the newest is seen, and nothing is touched."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localsessions.transcripts import databases, read_transcript
from localsessions.transcripts.databases import opened_database
from localsessions.transcripts.source import Source, read_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WRITER = """
import sqlite3, sys
path, *statements = sys.argv[1:]
connection = sqlite3.connect(path, isolation_level=None)
for statement in statements:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def writer(path: Path, *statements: str) -> Iterator[None]:
    """Have another process do statements and keep the database open."""
    command = [sys.executable, "-c", _WRITER, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == b"ready"
            yield
        finally:
            process.kill()


def made(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("CREATE TABLE said (text)", "INSERT INTO said VALUES ('a')", *statements):
            connection.execute(statement).fetchall()
    return path


def texts(path: Path) -> list[object]:
    with opened_database(str(path)) as database:
        rows = list(database.rows("SELECT text FROM said ORDER BY rowid"))
        database.check()
        return [row["text"] for row in rows]


def traces(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return everything that a visitor could change in a folder."""
    return {
        name.name: (
            name.read_bytes() if name.is_file() else b"",
            name.stat().st_mtime_ns,
            name.stat().st_ino,
        )
        for name in (folder, *folder.rglob("*"))
    }


WAL = "PRAGMA journal_mode = WAL"
STATES = [
    ("WAL, with a writer", (WAL,), ("INSERT INTO said VALUES ('b')",), ["a", "b"]),
    ("WAL, at rest", (WAL, "INSERT INTO said VALUES ('b')"), None, ["a", "b"]),
    ("journal, at rest", (), None, ["a"]),
    ("journal, with an idle writer", (), (), ["a"]),
    (
        "journal, in a transaction",
        (),
        ("BEGIN IMMEDIATE", "INSERT INTO said VALUES ('not yet')"),
        ["a"],
    ),
    (
        "journal, in a transaction that is written already",
        ("CREATE TABLE more (data)", *("INSERT INTO more VALUES (zeroblob(3000))",) * 50),
        (
            *("PRAGMA cache_size = 1", "PRAGMA cache_spill = 1", "BEGIN IMMEDIATE"),
            *("UPDATE said SET text = 'not yet'", "UPDATE more SET data = randomblob(3000)"),
        ),
        ["a"],
    ),
    (
        "a journal that stays",
        ("PRAGMA journal_mode = PERSIST",),
        ("PRAGMA journal_mode = PERSIST", "INSERT INTO said VALUES ('b')"),
        ["a", "b"],
    ),
]


@pytest.mark.parametrize(
    ("before", "acts", "expected"), [state[1:] for state in STATES], ids=[s[0] for s in STATES]
)
def test_what_was_last_written_is_seen_and_the_folder_stays_as_it_is(
    tmp_path: Path, before: tuple[str, ...], acts: tuple[str, ...] | None, expected: list[str]
) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    path = made(folder / "state.db", *before)

    def read() -> None:
        earlier = traces(folder)
        assert texts(path) == expected
        assert traces(folder) == earlier

    if acts is None:
        read()
    else:
        with writer(path, *acts):
            read()


def test_newest_message_is_in_the_log_only(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db", WAL)
    with writer(path, "INSERT INTO said VALUES ('newest, not checkpointed')"):
        assert b"not checkpointed" not in path.read_bytes()
        assert texts(path) == ["a", "newest, not checkpointed"]


@pytest.mark.needs("modes")
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_folder_that_cannot_be_written_is_read(
    tmp_path: Path, mode: str, as_other_user: Callable[[Path, Callable[[], object]], object]
) -> None:
    path = made(tmp_path / "state.db", f"PRAGMA journal_mode = {mode}")
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert as_other_user(tmp_path, lambda: texts(path)) == ["a"]
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.needs("modes")
def test_copy_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = made(tmp_path / "state.db", WAL)
    with writer(path, "INSERT INTO said VALUES ('b')"):
        with opened_database(str(path)):
            (copy,) = (tmp_path / "temporary").iterdir()
            assert stat.S_IMODE(copy.stat().st_mode) == 0o700
        assert list((tmp_path / "temporary").iterdir()) == []


def test_database_that_stays_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_PATIENCE_SECONDS", 0.2)
    path = made(tmp_path / "state.db")
    with writer(path, "BEGIN EXCLUSIVE"):
        reason = read_transcript(path).report.skipped
    assert reason == "cannot be read: a SQLite database that another program keeps locked"


def test_database_that_goes_on_changing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_PATIENCE_SECONDS", 0.2)
    path = made(tmp_path / "state.db", WAL)
    copyfile = shutil.copyfile

    def checkpoint_meanwhile(source: str, target: str) -> None:
        copyfile(source, target)
        os.utime(path)

    monkeypatch.setattr("localsessions.transcripts.databases.shutil.copyfile", checkpoint_meanwhile)
    with writer(path, "INSERT INTO said VALUES ('b')"):
        reason = str(read_transcript(path).report.skipped)
    assert "goes on changing" in reason


def replaced(path: Path) -> None:
    made(path.with_name("other.db")).replace(path)


def written_and_checkpointed(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO said VALUES ('b')")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(replaced, marks=pytest.mark.needs("open files that go")),
        written_and_checkpointed,
    ],
)
def test_database_that_changed_while_it_was_read_is_told(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = made(tmp_path / "state.db", WAL)
    with opened_database(str(path)) as database:
        database.check()
        change(path)
        with pytest.raises(OSError, match="goes on changing"):
            database.check()


def test_rows_are_of_one_state(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db", "CREATE TABLE more (text)")
    with opened_database(str(path)) as database:
        assert len(list(database.rows("SELECT text FROM said"))) == 1
        with closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("INSERT INTO more VALUES ('late')")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.commit()
        assert list(database.rows("SELECT text FROM more")) == []


def test_only_ordinary_tables_are_seen(tmp_path: Path) -> None:
    path = made(
        tmp_path / "state.db",
        "CREATE VIEW seen AS SELECT * FROM said",
        "CREATE VIRTUAL TABLE found USING fts5(text)",
    )
    with opened_database(str(path)) as database:
        assert "seen" not in database.tables
        assert "found" not in database.tables
        assert database.tables["said"] == {"text"}


def test_text_that_is_no_utf8_comes_as_bytes(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db", "INSERT INTO said VALUES (CAST(x'ff' AS TEXT))")
    assert texts(path) == ["a", b"\xff"]


def test_damaged_database_is_told(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db")
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    reason = str(read_transcript(path).report.skipped)
    assert reason.startswith("cannot be read: a SQLite database that SQLite does not read: ")


def test_database_whose_schema_is_no_text_is_told(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db")
    data = path.read_bytes()
    garbled = data.replace(b"CREATE TABLE said", b"CREATE TABLE\xbe said"[:17])
    assert garbled != data
    path.write_bytes(garbled)
    reason = str(read_transcript(path).report.skipped)
    assert reason.startswith("cannot be read: a SQLite database that SQLite does not read: ")


def test_database_that_asks_for_too_much_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, connect = made(tmp_path / "state.db"), sqlite3.connect

    class Garbled(sqlite3.Connection):
        def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
            if query.startswith("SELECT"):
                raise MemoryError  # as a garbled page makes SQLite do, now and then
            return super().execute(query, *values)

    def garbled(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return connect(*arguments, factory=Garbled, **named)

    monkeypatch.setattr(sqlite3, "connect", garbled)
    reason = str(read_transcript(path).report.skipped)
    assert reason.endswith("SQLite does not read: it asks for more memory than there is")


def test_database_of_no_known_program_is_named_with_its_tables(tmp_path: Path) -> None:
    path = made(tmp_path / "state.db", "CREATE TABLE heard (text)")
    reason = str(read_transcript(path).report.skipped)
    assert reason == "a SQLite database of no program that is known here (tables: heard, said)"


def test_path_with_signs_of_a_uri_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "a#b%20c"
    folder.mkdir()
    path = made(folder / "state.db")
    (found,) = read_sources(str(path))
    assert isinstance(found, Source)
    assert texts(path) == ["a"]
