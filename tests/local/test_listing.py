"""What listing, counting and naming sessions costs."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from inside import local

from localsessions import Session, SessionStore
from localsessions._local.index import row
from localsessions.models import Order, PlainSummary

ORDERS: list[Order] = [
    "-last_activity",
    "last_activity",
    "-created_at",
    "created_at",
    "-size_bytes",
    "size_bytes",
]
DAY = datetime(2025, 3, 1, tzinfo=UTC)


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max(path.lstat().st_ctime_ns for path in folder.glob("*.json"))
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


class Work:
    """What one listing does, counted."""

    def __init__(self, store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = self.stats = 0
        self.store = store
        local(store).index._database._open().set_progress_handler(self._step, 1)
        fingerprint_at = local(store).folder.fingerprint_at

        def counted(path: str) -> object:
            self.stats += 1
            return fingerprint_at(path)

        monkeypatch.setattr(local(store).folder, "fingerprint_at", counted)
        monkeypatch.setattr(local(store).reconciler, "_is_due", lambda: False)

    def _step(self) -> int:
        self.steps += 1
        return 0

    def of(self, **arguments: Any) -> tuple[int, int, int]:
        self.steps = self.stats = 0
        read = local(self.store).folder.files_read
        page = self.store.list(**arguments)
        assert len(page) == 50
        return self.steps, self.stats, local(self.store).folder.files_read - read


def fill_fast(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        name = f"{folder}/s{number:05}.json"
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
        activity = (DAY + timedelta(minutes=number)).isoformat()
        text = (
            f'{{"user_id":"u{number % 7}","agent_id":"a{number % 5}","messages":[],'
            f'"created_at":"{activity}","last_activity":"{activity}"}}'
        )
        os.write(fd, text.encode())
        os.close(fd)


@pytest.mark.untraced
def test_a_listing_does_not_grow_with_the_number_of_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[list[tuple[int, int, int]]] = []
    for count in (400, 4_000):
        fill_fast(tmp_path / str(count), count)
        with SessionStore(tmp_path / str(count)) as store:
            store.list()
            settle(tmp_path / str(count))
            store.list(limit=count)
            work = Work(store, monkeypatch)
            pages = [work.of(order=order) for order in ORDERS]
            pages += [work.of(user_id="u3"), work.of(agent_id="a3"), work.of(status="active")]
            middle = store.list(limit=count // 2).next_cursor
            pages.append(work.of(cursor=middle))
            done.append(pages)
    hundreds, thousands = done
    assert all(read == 0 for pages in done for _, _, read in pages)
    assert all(stats == 51 for pages in done for _, stats, _ in pages)
    for (few, _, _), (many, _, _) in zip(hundreds, thousands, strict=True):
        assert many <= few * 1.2


def test_listing_again_unpacks_only_the_rows_that_changed(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        store.create(f"s{number}")
    unpacked: list[str] = []
    unpack = row._unpacked_summary

    def noted(text: str) -> PlainSummary:
        unpacked.append(text)
        return unpack(text)

    monkeypatch.setattr(row, "_unpacked_summary", noted)
    first = store.list()
    del unpacked[:]
    assert store.list() == first
    assert not unpacked
    store.rename("s3", "T")
    del unpacked[:]
    assert {one.title for one in store.list()} == {"", "T"}
    assert all('"s3"' in text for text in unpacked)
    store.rename("s3", "T" * 5000)  # a long one is not remembered
    assert len(store.list().items) == 10
    del unpacked[:]
    assert len(store.list().items) == 10
    assert len(unpacked) == 1


@pytest.mark.parametrize("by", ["program", "project", "tag", "day"])
@pytest.mark.parametrize("which", [{}, {"archived": False, "folded": True, "since": DAY}], ids=str)
def test_groups_are_one_statement_that_an_index_answers(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch, by: Any, which: Any
) -> None:
    store.create_many(Session(session_id=f"s{n}", tags=["a", f"t{n % 3}"]) for n in range(50))
    database = local(store).index._database
    store.groups(by)
    unpacked: list[object] = []
    monkeypatch.setattr(row, "_unpacked_summary", unpacked.append)
    statements: list[str] = []
    database._open().set_trace_callback(statements.append)
    store.groups(by, **which)
    database._open().set_trace_callback(None)
    (statement,) = [one for one in statements if "GROUP BY" in one]
    plan = database.read(
        lambda db: [one[3] for one in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    )
    assert unpacked == []
    assert any("USING" in one and "INDEX by_" in one for one in plan), plan


def test_the_index_is_used_for_every_order_and_filter(store: SessionStore) -> None:
    store.create("s")
    plans: list[str] = []

    def explain(db: sqlite3.Connection, query: str, values: list[object]) -> None:
        plans.extend(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values))

    database = local(store).index._database
    statements: list[str] = []
    database._open().set_trace_callback(statements.append)
    for order in ORDERS:
        store.list(order=order)
    which: dict[str, Any]
    for which in ({"user_id": "u"}, {"agent_id": "a"}, {"status": "s"}, {"since": DAY}):
        store.list(**which)
    database._open().set_trace_callback(None)
    for statement in statements:
        if "ORDER BY" in statement:
            database.read(lambda db, query=statement: explain(db, query, []))  # type: ignore[misc]
    assert len(plans) >= 10
    assert not [plan for plan in plans if "TEMP B-TREE" in plan or plan == "SCAN sessions"]
