"""Listing, counting and naming sessions."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import local

from localsessions import SessionNotFoundError, SessionStore
from localsessions._local.index import row
from localsessions.models import Order, SessionSummary

ORDERS: list[Order] = [
    "-last_activity",
    "last_activity",
    "-created_at",
    "created_at",
    "-size_bytes",
    "size_bytes",
]
DAY = datetime(2025, 3, 1, tzinfo=UTC)


def write(folder: Path, session_id: str, **fields: object) -> None:
    document = {"messages": [], "last_activity": DAY.isoformat(), **fields}
    folder.mkdir(exist_ok=True)
    (folder / f"{session_id}.json").write_text(json.dumps(document))


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max(path.lstat().st_ctime_ns for path in folder.glob("*.json"))
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


def ids(store: SessionStore, **arguments: Any) -> list[str]:
    return [one.session_id for one in store.list(**arguments)]


def walk(store: SessionStore, **arguments: Any) -> list[str]:
    """All pages, one after the other."""
    found: list[str] = []
    cursor = None
    while True:
        page = store.list(cursor=cursor, **arguments)
        found += [one.session_id for one in page]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page) == arguments["limit"]


@pytest.fixture
def filled(folder: Path, store: SessionStore) -> SessionStore:
    """Sessions with many ties."""
    for number in range(30):
        write(
            folder,
            f"s{number:02}",
            user_id=f"user_{number % 3}",
            agent_id=["coder", None, "пишущий"][number % 3],
            status=["active", "archived"][number % 2],
            last_activity=(DAY + timedelta(hours=number // 4)).isoformat(),
            created_at=(DAY - timedelta(days=number % 7)).isoformat(),
            metadata={"fill": "x" * (number % 5)},
        )
    store.list(fresh=True)
    return store


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 4, 7, 29, 30, 31])
def test_pages_follow_each_other_in_every_order(
    order: Order, limit: int, filled: SessionStore
) -> None:
    every = filled.list(limit=100).items
    name = order.lstrip("-")
    expected = sorted(
        every, key=lambda one: (getattr(one, name), one.session_id), reverse=order[0] == "-"
    )
    assert walk(filled, order=order, limit=limit) == [one.session_id for one in expected]


FILTERS: list[dict[str, Any]] = [
    {},
    {"user_id": "user_1"},
    {"agent_id": "пишущий"},
    {"status": "archived"},
    {"since": DAY + timedelta(hours=2)},
    {"until": DAY + timedelta(hours=2)},
    {"since": DAY + timedelta(hours=1), "until": DAY + timedelta(hours=5)},
    {"user_id": "user_0", "agent_id": "coder", "status": "active"},
    {"user_id": "nobody"},
    {"user_id": "user_0", "agent_id": "пишущий"},
]


@pytest.mark.parametrize("which", FILTERS)
def test_filters_restrict_lists_and_counts_alike(
    which: dict[str, Any], filled: SessionStore
) -> None:
    def fits(one: Any) -> bool:
        return (
            which.get("user_id") in (None, one.user_id)
            and which.get("agent_id") in (None, one.agent_id)
            and which.get("status") in (None, one.status)
            and one.last_activity >= which.get("since", one.last_activity)
            and ("until" not in which or one.last_activity < which["until"])
        )

    expected = {one.session_id for one in filled.list(limit=100) if fits(one)}
    for order in ORDERS:
        found = walk(filled, order=order, limit=4, **which)
        assert set(found) == expected
        assert len(found) == len(expected)
    assert filled.count(**which) == len(expected)


def test_pages_double_and_skip_nothing_while_sessions_come_go_and_move(
    filled: SessionStore, folder: Path
) -> None:
    before = ids(filled, limit=100)
    seen: list[str] = []
    cursor = None
    moved = [before[25], before[0]]

    def move_up() -> None:
        for one in moved:
            filled.append(one, {"role": "user", "content": "moves up"})

    steps: list[Callable[[], object]] = [
        lambda: write(folder, "aa new", last_activity="2000-01-01T00:00:00Z"),
        move_up,
        (folder / f"{before[20]}.json").unlink,
        (folder / f"{before[1]}.json").unlink,
        lambda: write(folder, "zz new", last_activity="2030-01-01T00:00:00Z"),
    ]
    while True:
        page = filled.list(limit=4, cursor=cursor, fresh=True)
        seen += [one.session_id for one in page]
        cursor = page.next_cursor
        if cursor is None:
            break
        if steps:
            steps.pop()()

    assert len(seen) == len(set(seen))
    stayed = set(before) - {before[20], *moved}
    assert stayed <= set(seen)
    assert before[20] not in seen
    assert seen[-1] == "aa new"


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 5), st.sampled_from(ORDERS)
)
def test_pages_of_any_ties_are_whole(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], limit: int, order: Order
) -> None:
    folder = tmp_path_factory.mktemp("ties")
    for number, hour in enumerate(hours):
        instant = (DAY + timedelta(hours=hour)).isoformat()
        write(folder, f"s{number}", last_activity=instant, created_at=instant)
    with SessionStore(folder) as store:
        assert sorted(walk(store, limit=limit, order=order)) == sorted(
            f"s{number}" for number in range(len(hours))
        )


@pytest.mark.parametrize(
    "other",
    [
        {"order": "created_at"},
        {"order": "last_activity"},
        {"user_id": "user_1"},
        {"status": "active"},
        {"since": DAY},
    ],
)
def test_the_cursor_of_another_listing_is_refused(
    other: dict[str, Any], filled: SessionStore
) -> None:
    cursor = filled.list(limit=3).next_cursor
    with pytest.raises(ValueError, match="another order or other filters"):
        filled.list(cursor=cursor, **other)
    assert filled.list(limit=3, cursor=cursor)
    assert filled.list(limit=20, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "x", "????", "é", "bnVsbA", "W10", "\ud800", "W" * 9999])
def test_garbage_is_no_cursor(cursor: str, filled: SessionStore) -> None:
    with pytest.raises(ValueError, match="cursor"):
        filled.list(cursor=cursor)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "title"},
        {"order": ""},
        {"limit": 0},
        {"limit": -1},
        {"since": datetime(2025, 1, 1)},  # noqa: DTZ001
        {"until": datetime(2025, 1, 1)},  # noqa: DTZ001
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any], store: SessionStore) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        store.list(**wrong)


def test_a_summary_says_what_the_session_says(store: SessionStore, folder: Path) -> None:
    store.create("a", user_id="u", agent_id="g", ttl=60)
    store.append("a", {"role": "system", "content": "Be kind."})
    store.append("a", {"role": "user", "content": "Show\n  the files " + "x" * 200})
    store.append("a", {"role": "assistant", "content": [{"type": "text", "text": "Two files."}]})
    store.append("a", {"role": "assistant", "content": None, "tool_calls": []})
    store.switch_agent("a", "coder")
    store.tag("a", "x")
    store.pin("a")

    (listed,) = store.list()
    session = store.load("a")
    assert listed.title.startswith("Show the files x")
    assert len(listed.title) == 80
    assert (listed.preview, listed.message_count) == ("Two files.", 4)
    assert (listed.user_id, listed.agent_id, listed.current_agent) == ("u", "g", "coder")
    assert (listed.pinned, listed.tags, listed.status) == (True, ("x",), "active")
    assert listed.size_bytes == (folder / "a.json").stat().st_size
    for name in ("created_at", "last_activity", "updated_at", "expires_at", "revision"):
        assert getattr(listed, name) == getattr(session, name)
    store.rename("a", "My own")
    assert store.list().items[0].title == "My own"
    assert store.reindex() == 1
    assert store.list().items[0] == store.list().items[0].model_copy(update={"title": "My own"})


def test_what_sqlite_cannot_hold_as_text_is_listed_and_found_all_the_same(
    store: SessionStore,
) -> None:
    store.create("a", user_id="u\ud800", title="t\udfff", agent_id="nul\0")
    assert ids(store, user_id="u\ud800") == ["a"]
    assert ids(store, agent_id="nul\0") == ["a"]
    assert ids(store, user_id="u\ud801") == []
    assert store.list().items[0].title == "t\udfff"


# -- the price -----------------------------------------------------------------------------------


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

    def noted(text: str) -> SessionSummary:
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
    assert len(unpacked) <= 1
    store.rename("s3", "T" * 5000)  # a long one is not remembered
    assert len(store.list().items) == 10
    del unpacked[:]
    assert len(store.list().items) == 10
    assert len(unpacked) == 1


def test_the_index_is_used_for_every_order_and_filter(filled: SessionStore) -> None:
    plans: list[str] = []

    def explain(db: sqlite3.Connection, query: str, values: list[object]) -> None:
        plans.extend(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values))

    database = local(filled).index._database
    statements: list[str] = []
    database._open().set_trace_callback(statements.append)
    for order in ORDERS:
        filled.list(order=order)
    which: dict[str, Any]
    for which in ({"user_id": "u"}, {"agent_id": "a"}, {"status": "s"}, {"since": DAY}):
        filled.list(**which)
    database._open().set_trace_callback(None)
    for statement in statements:
        if "ORDER BY" in statement:
            database.read(lambda db, query=statement: explain(db, query, []))  # type: ignore[misc]
    assert len(plans) >= 10
    assert not [plan for plan in plans if "TEMP B-TREE" in plan or plan == "SCAN sessions"]


# -- resolve -------------------------------------------------------------------------------------


def test_a_session_is_found_by_what_a_person_types(store: SessionStore) -> None:
    store.create("alpha-1", title="My First")
    store.create("alpha-2", title="Straße")
    store.create("beta", title="alpha-2")

    assert store.resolve("alpha-1") == "alpha-1"
    assert store.resolve("alpha-2") == "alpha-2"
    assert store.resolve("be") == "beta"
    assert store.resolve("my first") == "alpha-1"
    assert store.resolve("STRASSE") == "alpha-2"
    assert store.resolve("latest") == "beta"


def test_what_fits_more_than_one_or_none_is_refused(store: SessionStore) -> None:
    for number in range(7):
        store.create(f"alpha-{number}", title="same")
    with pytest.raises(ValueError, match=r"alpha-0, alpha-1.*\.\.\."):
        store.resolve("alpha")
    with pytest.raises(ValueError, match="more than one"):
        store.resolve("Same")
    for nothing in ("gamma", "a/b", "", "\0", "x" * 300, "\ud800"):
        with pytest.raises((SessionNotFoundError, ValueError)):
            store.resolve(nothing)


def test_an_empty_store_has_no_latest(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError, match="latest"):
        store.resolve("latest")
    store.create("latest")
    store.create("later")
    assert store.resolve("latest") == "latest"


def test_an_empty_store_lists_nothing(store: SessionStore) -> None:
    page = store.list()
    assert (page.items, page.next_cursor, len(page), store.count()) == ((), None, 0, 0)
