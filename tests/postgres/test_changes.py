"""The log of changes: no number skips, and a wake-up is only a wake-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import cluster
import needs
import psycopg
import pytest

from localsessions import ChangesExpiredError, SessionStore
from localsessions._postgres import changelog, feed

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_change_waits_for_each_older_transaction(
    store: SessionStore, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the older one would get a lower number when it ends, and nobody would see it."""
    monkeypatch.setattr(changelog, "_LONGEST_WAIT", 0.05)
    store.create("a")
    since = store.last_change()
    told: list[str] = []
    with (
        store.watch(lambda change: told.append(change.session_id)),
        psycopg.connect(cluster.shared().address()) as slow,
    ):
        slow.execute("CREATE TEMP TABLE older (x int)")
        store.create("b")
        assert [one.session_id for one in store.changes(since)] == []
        time.sleep(0.3)
        assert told == []
        slow.commit()
        wait_until(lambda: told == ["b"])
    assert [one.session_id for one in store.changes(since)] == ["b"]


def test_numbers_grow_and_none_is_missed_by_many_writers(store: SessionStore, address: str) -> None:
    first, seen, over = store.last_change(), list[int](), threading.Event()

    def write(at: int) -> None:
        with SessionStore(address) as other:
            for turn in range(20):
                other.create(f"s{at}-{turn}")

    def read() -> None:
        last = first
        while not over.is_set():
            for change in store.changes(last):
                seen.append(change.number)
                last = change.number

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=[at]) for at in range(6)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    wait_until(lambda: len(seen) >= 120)
    over.set()
    reader.join()
    assert seen == sorted(set(seen)) == [one.number for one in store.changes(first)]
    assert len(seen) == 120


def test_the_log_keeps_what_it_says(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "KEPT", 5)
    monkeypatch.setattr(changelog, "_SLACK", 0)
    numbers = []
    for at in range(9):
        store.create(f"s{at}")
        numbers.append(store.last_change())
    store.engine._changelog.trim()  # type: ignore[attr-defined]
    assert [one.session_id for one in store.changes(numbers[3])] == [f"s{at}" for at in range(4, 9)]
    for unknown in (numbers[2], numbers[8] + 1):
        with pytest.raises(ChangesExpiredError):
            store.changes(unknown)


def test_numbers_go_on_after_a_dump_is_restored_on_a_younger_server(
    store: SessionStore, address: str
) -> None:
    """There the transactions are numbered from the beginning."""
    store.create("a")
    last = store.last_change() + (1 << 40)
    with psycopg.connect(cluster.shared().address(), autocommit=True) as connection:
        query = "UPDATE localsessions.stores SET begin = %s WHERE name = %s"
        connection.execute(query, [last, address.rpartition("=")[2]])
    with SessionStore(address) as again:
        assert again.last_change() == last
        again.rename("a", "renamed")
        assert [one.session_id for one in again.changes(last)] == ["a"]
        assert again.last_change() > last


def test_a_standby_is_read_and_watched_by_asking(lone: cluster.Cluster) -> None:
    with SessionStore(lone.address(store="s")) as primary:
        primary.create("a")
        standby = cluster.Cluster(base=lone)
        try:
            with SessionStore(standby.address(store="s")) as store:
                told: list[str] = []
                with store.watch(lambda change: told.append(change.session_id)):
                    wait_until(lambda: store.stats().watcher == "polling")
                    assert "recovery" in store.stats().watcher_reason
                    primary.create("b")
                    wait_until(lambda: told == ["b"])
                with pytest.raises(PermissionError, match="standby"):
                    store.create("c")
        finally:
            standby.remove()


def test_where_messages_do_not_arrive_the_server_is_asked(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that hands transactions around takes LISTEN, and nothing comes of it."""
    monkeypatch.setattr(feed, "_CANARY", 0.1)
    monkeypatch.setattr(feed, "_LISTEN", "SET application_name = %s")
    told: list[str] = []
    with store.watch(lambda change: told.append(change.session_id)):
        wait_until(lambda: store.stats().watcher == "polling")
        assert "pooler" in store.stats().watcher_reason
        store.create("a")
        wait_until(lambda: told == ["a"])
