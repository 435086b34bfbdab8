"""SessionIndex on its own: rows, seals, change numbers, what was lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore
from localsessions._local.index import UNSETTLED, IndexRow, SessionIndex, table
from localsessions._local.index.changelog import State
from localsessions._local.index.row import row_of_state
from localsessions._local.version import Fingerprint
from localsessions._rules.question import read_question
from localsessions.engine import Query
from localsessions.models import PlainSummary, PlainUnreadable

DAY = datetime(2025, 3, 1, tzinfo=UTC)


def row(session_id: str, digest: bytes = b"d", **fields: object) -> IndexRow:
    times: dict[str, Any] = dict.fromkeys(("created_at", "last_activity", "updated_at"), DAY)
    summary = PlainSummary(session_id=session_id, **{**times, **fields})
    return IndexRow(summary, Fingerprint(1, 2, 3, 4), True, digest)


def put(index: SessionIndex, *rows: IndexRow) -> None:
    index.put(rows, lambda _: True)


@pytest.fixture(params=["file", "memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionIndex]:
    made = SessionIndex(str(tmp_path / "index.sqlite3") if request.param == "file" else None)
    yield made
    made.close()


def test_a_row_comes_back_as_it_was_put(index: SessionIndex) -> None:
    rich = row(
        "а\u0301\ud800 b",
        user_id="u\ud800",
        agent_id="ü",
        title="t",
        tags=("x", "y"),
        pinned=True,
        expires_at=DAY + timedelta(microseconds=1),
        size_bytes=2**40,
        unreadable=PlainUnreadable(reason="torn", line=3, column=4),
    )._replace(settled=False)
    rich = rich._replace(summary=replace(rich.summary, session_id="ä b"))
    put(index, rich)
    found = index.get("ä b")
    assert found is not None
    assert found == rich._replace(change=found.change)
    assert index.get("none") is None
    assert index.fingerprints() == {"ä b": f"{UNSETTLED}{rich.fingerprint.text}"}


@pytest.mark.parametrize("text", ["{}", "[]", '{"revision": 1, "session_id": "s"}', "no JSON"])
def test_a_summary_that_another_version_packed_is_damage(text: str) -> None:
    state = State(Fingerprint(1, 2, 3, 4), True, b"d", text, None)
    with pytest.raises(sqlite3.DatabaseError, match="not of this version"):
        row_of_state(state, None)


def test_a_long_revision_comes_back(index: SessionIndex) -> None:
    put(index, row("s", revision=10**30))
    found = index.get("s")
    assert found is not None
    assert found.summary.revision == 10**30


def test_put_replaces_and_counts_changes(index: SessionIndex) -> None:
    put(index, row("a"), row("b"))
    first = index.changed_since(0)
    put(index, row("a"))  # touched only
    put(index)
    assert index.changed_since(0) == first
    put(index, row("a", b"other"))
    changes = index.changed_since(0)
    assert [change[1:3] for change in changes] == [("b", b"d"), ("a", b"other")]
    assert index.changed_since(changes[0][0]) == changes[1:]


def test_live_are_those_that_are_neither_expired_nor_archived_nor_unreadable(
    index: SessionIndex,
) -> None:
    put(
        index,
        row("lives"),
        row("later", expires_at=DAY + timedelta(seconds=1)),
        row("expired", expires_at=DAY),
        row("archived", status="archived"),
        row("torn", status="unreadable", unreadable=PlainUnreadable(reason="torn")),
    )
    live = Query(live_at=DAY)
    assert {one.summary.session_id for one in index.page(live, "created_at", 10, None)} == {
        "lives",
        "later",
    }
    assert index.count(live) == 2


def test_a_row_that_was_overtaken_is_left_out(index: SessionIndex) -> None:
    index.put([row("a"), row("b")], lambda one: one.summary.session_id == "b")
    assert [*index.rows(["a", "b"])] == ["b"]


def test_a_removal_is_a_change_and_a_return_another(index: SessionIndex) -> None:
    put(index, row("a"), row("b"))
    index.remove(["a", "b", "none"], lambda one: one != "b")
    changes = index.changed_since(0)
    assert [change[1:3] for change in changes] == [("b", b"d"), ("a", None)]
    put(index, row("a"))
    assert [change[1:3] for change in index.changed_since(changes[0][0])] == [("a", b"d")]
    index.remove([], lambda _: True)


def test_totals_and_expiry(index: SessionIndex) -> None:
    put(
        index,
        row("a", size_bytes=5, message_count=2, expires_at=DAY),
        row("b", size_bytes=7, expires_at=DAY + timedelta(seconds=1)),
        row("c", unreadable=PlainUnreadable(reason="torn")),
    )
    assert index.totals() == (3, 1, 2, 12)
    assert index.ids(Query(expired_at=DAY)) == ["a"]
    assert index.ids(Query(expired_at=DAY + timedelta(days=1))) == ["a", "b"]
    assert index.ids(Query(expired_at=DAY - timedelta(days=1))) == []


def test_ids_by_beginning_and_by_fold(index: SessionIndex) -> None:
    put(index, row("Alpha"), row("alpine"), row("al%"), row("älp"))
    assert index.ids_like("al", 5) == ["al%", "alpine"]
    assert index.ids_like("al", 1) == ["al%"]
    assert index.ids_like("ä", 5) == ["älp"]
    assert index.ids_folded_like(["alpha", "beta"]) == ["Alpha"]


def test_clearing_begins_another_epoch(index: SessionIndex) -> None:
    put(index, row("a"))
    epoch, generation = index.epoch(), index.generation
    index.clear()
    assert index.count(Query()) == 0
    assert index.changed_since(0) == []
    assert index.epoch() != epoch
    assert index.generation > generation


def test_two_connections_see_each_other_and_each_others_clearing(tmp_path: Path) -> None:
    one, two = (SessionIndex(str(tmp_path / "index.sqlite3")) for _ in range(2))
    put(one, row("a"))
    assert two.count(Query()) == 1
    generation = two.generation
    one.clear()
    assert two.count(Query()) == 0
    assert two.generation > generation
    one.close()
    two.close()


GARBLINGS = {
    "title": "UPDATE sessions SET summary = replace(summary, 'title', 'titel')",
    "another session's summary": (
        "UPDATE sessions SET summary = (SELECT summary FROM sessions WHERE session_id = 'b')"
    ),
    "fingerprint": "UPDATE sessions SET fingerprint = '1:2:3:5'",
    "no fingerprint": "UPDATE sessions SET fingerprint = 'x'",
    "digest": "UPDATE sessions SET digest = x'00'",
    "settled": "UPDATE sessions SET settled = 0",
    "change": "UPDATE sessions SET change = 77",
    "seal": "UPDATE sessions SET seal = seal + 1",
    "id": "UPDATE sessions SET session_id = 'c' WHERE session_id = 'a'",
}


@pytest.mark.parametrize("garbling", GARBLINGS)
def test_a_garbled_row_is_damage(garbling: str, tmp_path: Path) -> None:
    index = SessionIndex(str(tmp_path / "index.sqlite3"))
    put(index, row("a", title="t"), row("b", title="u"))
    generation = index.generation
    index._database.write(lambda db: db.execute(GARBLINGS[garbling]))

    assert index.page(Query(), "created_at", 10, None) == []
    assert index.generation > generation
    index.close()


@pytest.mark.parametrize("column", ["user_id = 'v'", "last_activity = last_activity - 1"])
def test_a_column_that_does_not_agree_with_its_summary_is_damage(
    column: str, tmp_path: Path
) -> None:
    index = SessionIndex(str(tmp_path / "index.sqlite3"))
    put(index, row("a", user_id="u"), row("b", user_id="u"))
    generation = index.generation
    index._database.write(
        lambda db: db.execute(f"UPDATE sessions SET {column} WHERE session_id = 'b'")
    )
    index.page(Query(user_id="v"), "last_activity", 10, None)
    index.page(Query(), "last_activity", 10, None)
    assert index.generation > generation
    index.close()


@pytest.mark.parametrize("name", ["by_user", "by_last_activity", "by_size_bytes"])
def test_an_index_of_another_size_than_its_table_is_damage(name: str, tmp_path: Path) -> None:
    index = SessionIndex(str(tmp_path / "index.sqlite3"))
    put(index, row("a"), row("b"))
    root = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    page = index._database.read(lambda db: int(db.execute(root, [name]).fetchone()[0]))
    index.close()
    with (tmp_path / "index.sqlite3").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x0a\0\0\0\0\x10\0\0")  # a leaf without entries

    index = SessionIndex(str(tmp_path / "index.sqlite3"))
    assert index.fingerprints() == {}
    index.close()


def test_fingerprints_are_of_one_instant_while_another_writes(tmp_path: Path) -> None:
    path = str(tmp_path / "index.sqlite3")
    index, other = SessionIndex(path), SessionIndex(path)
    put(index, row("a"))
    connection = index._database._open()
    statements: list[str] = []

    def write_between(statement: str) -> None:
        statements.append(statement)
        if "integrity_check" in statement:
            put(other, row(f"s{len(statements)}"))

    connection.set_trace_callback(write_between)
    generation = index.generation
    assert set(index.fingerprints()) == {"a"}
    assert len(index.fingerprints()) == 2
    assert index.generation == generation
    index.close()
    other.close()


def test_a_secondary_index_of_wrong_keys_hides_nothing_after_the_next_sweep(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("mine", user_id="u", agent_id="a")
    keys = "ON sessions ({}, last_activity, session_id)"
    with closing(sqlite3.connect(tmp_path / ".localsessions" / "index.sqlite3")) as db:
        db.execute("DROP INDEX by_user")
        db.execute(f"CREATE INDEX by_user {keys.format('agent_id')}")
        db.execute("PRAGMA writable_schema = ON")
        lie = f"CREATE INDEX by_user {keys.format('user_id')}"
        db.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'by_user'", [lie])
        db.commit()
    with SessionStore(tmp_path) as store:
        assert [one.session_id for one in store.list(user_id="u")] == ["mine"]


def test_any_number_of_differences_is_settled(index: SessionIndex) -> None:
    index.epoch()  # opens it
    index.begin_log(index.generation)
    known = index.last_change()
    rows = [row(f"s{number}") for number in range(2500)]
    put(index, *rows)
    index.log_waiting({one: change for one, (change, _) in index.pending().items()})
    index.remove([one.summary.session_id for one in rows], lambda _: True)
    index.log_waiting({one: change for one, (change, _) in index.pending().items()})
    assert index.pending() == {}
    told = [(one.session_id, one.kind) for one in index.changes(known, 9999, "x") or []]
    names = [f"s{number}" for number in range(2500)]
    for kind, some in (("created", told[:2500]), ("deleted", told[2500:])):
        assert sorted(some) == sorted((name, kind) for name in names)


def test_a_garbled_id_of_an_index_that_was_lost_meanwhile_is_no_damage_of_the_new_one(
    index: SessionIndex,
) -> None:
    put(index, row("a"), row("b"))
    generation = index.generation
    index.remove(["a", "b\0x"], lambda _: True)
    assert index.fingerprints().keys() == {"b"}
    assert index.generation == generation


def test_a_field_is_answered_while_indexes_are_missing(index: SessionIndex) -> None:
    put(index, row("a", agent_id="Coder", tags=("x",)), row("b", agent_id="other"))
    index._database.write(table.drop_indexes)
    for text in ("agent:coder", "tag:x"):
        choices = index.choices(read_question(text))
        assert index.newest_ids(Query(), choices, 9) == ["a"]


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("agent", "agent_id", 7),
        ("agent", "agent_id", b"\xff\xff"),
        ("tag", "tags", "x"),
        ("tag", "tags", "\x1f7\x1f"),
    ],
)
def test_a_garbled_value_of_a_field_makes_the_index_anew(
    index: SessionIndex, field: str, column: str, value: object
) -> None:
    put(index, row("a", agent_id="coder", tags=("x",)))
    generation = index.generation
    index._database.write(lambda db: db.execute(f"UPDATE sessions SET {column} = ?", [value]))
    assert index.choices(read_question(f"{field}:x")) == {column: []}
    assert index.generation > generation
