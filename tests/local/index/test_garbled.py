"""What SQLite itself finds well, and is not: lost ends, hidden hits, values of another type."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from inside import local
from proof.indexed import ROOM, answers, fill, told

from localsessions import ChangesExpiredError, SessionStore


def execute(folder: Path, name: str, *statements: str) -> None:
    with closing(sqlite3.connect(folder / ROOM / name)) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    fill(folder)
    with SessionStore(folder, durability="fast") as store:
        answers(store)
    return folder


def changed_twice(store: SessionStore) -> int:
    """Change two sessions; return the number that a client knows from before."""
    since = store.last_change()
    store.rename("s1", "one")
    store.rename("s2", "two")
    return since


LOST: dict[str, str] = {
    "the last change": "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
    "both changes": "DELETE FROM changes",
    "the mark of the end": "UPDATE meta SET value = value - 1 WHERE key = 'last'",
    "the mark of the begin": "UPDATE meta SET value = 0 WHERE key = 'complete'",
    "the numbers": "UPDATE meta SET value = 9223372036854775807 WHERE key = 'change'",
    "a row of meta": "DELETE FROM meta WHERE key = 'waiting'",
}


@pytest.mark.parametrize("what", LOST)
def test_who_was_away_lists_again_where_the_log_has_lost(what: str, filled: Path) -> None:
    with SessionStore(filled, durability="fast") as store:
        since = changed_twice(store)
        execute(filled, "index.sqlite3", LOST[what])
        if what == "the mark of the begin":
            store.rename("s3", "while nothing was logged")
            store.list(fresh=True)
        elif what == "the numbers":
            store.rename("s3", "with a number too large")
        elif what == "a row of meta":
            (filled / "s4.json").write_text('{"title": "by another program"}')
        store.last_change()
        assert told(store, since) is None
        since = store.last_change()
        store.rename("s3", "logged again")
        assert [one.session_id for one in told(store, since) or ()] == ["s3"]


def test_a_difference_that_was_waiting_and_is_lost_is_told_by_listing_again(filled: Path) -> None:
    with SessionStore(filled, durability="fast") as store:
        since = store.last_change()
        (filled / "s4.json").write_text('{"title": "by another program"}')
        store.list(fresh=True)  # it waits to be logged
        execute(filled, "index.sqlite3", "DELETE FROM pending")
        assert told(store, since) is None


def test_a_hit_that_was_hidden_in_the_words_is_found_by_whoever_opens_next(filled: Path) -> None:
    body = "the parser of file 7 fails"
    execute(
        filled,
        "search.sqlite3",
        "INSERT INTO words (words, rowid, own, said, argued, thought) "
        f"SELECT 'delete', id, '', '{body}', '', '' FROM texts"
        " WHERE session_id = 's7' AND position >= 0",
    )
    with SessionStore(filled, durability="fast") as store:
        assert "s7" in {hit.session.session_id for hit in store.search("parser", limit=99)}


def test_words_are_sealed_anew_by_whoever_adds_some(filled: Path) -> None:
    for _ in range(2):
        with SessionStore(filled, durability="fast") as store:
            store.append("s7", {"role": "user", "content": "one more word"})
            assert len(store.search("word")) == 1
    with SessionStore(filled, durability="fast") as store:
        store.search("word")
        assert local(store).texts.generation == 0


def test_a_row_that_is_missing_from_an_index_is_found(filled: Path) -> None:
    """As after a bit that flips in a key: SQLite is kept from writing the index."""
    path = filled / ROOM / "index.sqlite3"
    with SessionStore(filled, durability="fast") as store:
        expected = store.list(user_id="user_1")
    with closing(sqlite3.connect(path)) as db, db:
        (index,) = db.execute("SELECT * FROM sqlite_master WHERE name = 'by_user'").fetchall()
        (row,) = db.execute("SELECT * FROM sessions WHERE session_id = 's7'").fetchall()
        db.execute("DELETE FROM sessions WHERE session_id = 's7'")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'by_user'")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"INSERT INTO sessions VALUES ({', '.join('?' * len(row))})", row)
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    with SessionStore(filled, durability="fast") as store:
        assert store.list(user_id="user_1") == expected


@pytest.mark.parametrize("garbled", ["'s1' || char(0) || 'x'", "x'7331'", "71"])
def test_an_id_that_no_file_can_have_takes_no_other_sessions_row(
    garbled: str, filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionStore(filled, durability="fast") as store:
        since = store.last_change()
        expected = answers(store)
    execute(
        filled,
        "index.sqlite3",
        f"UPDATE sessions SET session_id = {garbled} WHERE session_id = 's7'",
    )
    with SessionStore(filled, durability="fast") as store:
        assert store.count() == 25
        assert answers(store) == expected
        with pytest.raises(ChangesExpiredError):
            list(store.changes(since))
    assert "garbled" in caplog.text


def test_a_hit_that_was_invented_in_the_words_is_never_shown(filled: Path) -> None:
    with SessionStore(filled, durability="fast") as store:
        assert store.search("zebra") == []
        execute(
            filled,
            "search.sqlite3",
            "INSERT INTO words (rowid, said) SELECT max(id), ' zebra ' FROM texts",
        )
        assert store.search("zebra") == []


OTHER_TYPES = [
    ("index.sqlite3", "UPDATE sessions SET change = 'x' WHERE session_id = 's7'"),
    ("index.sqlite3", "UPDATE sessions SET message_count = 1.5, size_bytes = 'x'"),
    ("index.sqlite3", "UPDATE sessions SET session_id = x'ff00' WHERE session_id = 's7'"),
    ("search.sqlite3", "UPDATE texts SET begin = 'text', role = 7"),
    ("search.sqlite3", "UPDATE blocks SET body = CAST(body AS TEXT)"),
    ("search.sqlite3", "UPDATE indexed SET digest = CAST('text' AS TEXT)"),
    ("search.sqlite3", "UPDATE indexed SET active_at = 'text'"),
    ("search.sqlite3", "UPDATE sealed SET checksum = 'text'"),
    ("search.sqlite3", "UPDATE sealed SET learned = 'text'"),
    ("search.sqlite3", "DELETE FROM terms"),
    ("search.sqlite3", "DELETE FROM sealed"),
]


@pytest.mark.parametrize(("name", "statement"), OTHER_TYPES)
@pytest.mark.parametrize("when", ["before opening", "while open"])
def test_values_of_another_type_change_no_answer(
    when: str, name: str, statement: str, filled: Path
) -> None:
    with SessionStore(filled, durability="fast") as store:
        expected = answers(store)
    damage: Callable[[], None] = lambda: execute(filled, name, statement)  # noqa: E731
    if when == "before opening":
        damage()
    with SessionStore(filled, durability="fast") as store:
        if when == "while open":
            answers(store)
            damage()
            answers(store)  # no error, and
            store.list(fresh=True)
        assert answers(store) == expected
