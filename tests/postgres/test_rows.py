"""Rows: the bytes are those of a file, and a turn and a tail cost the same at any length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster
import needs
import psycopg
import pytest
from pydantic import JsonValue

from localsessions import Deletion, Session, SessionStore, UnstorableValueError
from localsessions.moving import move

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")

ODD: dict[str, JsonValue] = {
    "zero": -0.0,
    "big": 10**40,
    "half": "\ud800",
    "nul": "a\0b",
    "order": {"b": 1, "a": 2},
    "empty": [{}, [], ""],
    "bars": '\n  "messages": [\n    {\n  ],',
}


def test_the_bytes_are_those_of_a_file(store: SessionStore, tmp_path: Path) -> None:
    with SessionStore(tmp_path / "sessions") as folder:
        folder.save(Session(session_id="a", messages=[{"role": "user", **ODD}] * 3, metadata=ODD))
        store.create("a")
        store.adopt("a", lambda _: folder.load("a"))
        assert store.raw("a") == folder.raw("a")


@pytest.mark.parametrize("messages", [[], [{"role": "user", **ODD}], [{"role": "a", "n": 1}] * 3])
def test_what_is_stored_comes_back_byte_by_byte(
    messages: list[dict[str, JsonValue]], store: SessionStore
) -> None:
    made = Session(session_id="a", messages=messages, metadata=ODD, tags=["x"], title="t")
    store.save(made)
    loaded = store.load("a")
    assert loaded.messages == made.messages
    assert repr(loaded.metadata) == repr(ODD)
    assert len(store.raw("a")) == store.list().items[0].size_bytes
    for turn in range(3):
        store.append("a", {"role": "user", "content": f"turn {turn}", **ODD})
        assert len(store.raw("a")) == store.list().items[0].size_bytes
    store.rename("a", "another title of another length")
    store.upsert_run("a", {"run_id": "r"}, {"role": "user", "id": "m", "content": "x"})
    store.upsert_run("a", {"run_id": "r"}, {"role": "user", "id": "m", "content": "longer"})
    session = store.load("a")
    del session.messages[0]
    session.messages.insert(1, {"role": "tool", "content": "between"})
    store.save(session)
    assert [one["content"] for one in store.tail("a", 1)] == ["longer"]
    assert len(store.raw("a")) == store.list().items[0].size_bytes
    assert store.verify() == []


ACTS: dict[str, Callable[[SessionStore], object]] = {
    "append": lambda store: store.append("a", {"role": "user", "content": "x"}),
    "rename": lambda store: store.rename("a", "T"),
    "tail": lambda store: store.tail("a", 3),
    "upsert_run": lambda store: store.upsert_run("a", {"run_id": "r"}, {"role": "a", "id": "m"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_turn_and_a_tail_take_as_many_bytes_at_any_length(
    act: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {count: cost(act, f"{address}-{count}", count, monkeypatch) for count in (10, 2000)}
    few, many = costs[10], costs[2000]
    assert few["statements"] == many["statements"]
    assert many["bytes"] < few["bytes"] + 300


def cost(act: str, address: str, count: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how many statements an act sends, and how many bytes go and come."""
    found = Counter[str]()
    with SessionStore(address) as store, monkeypatch.context() as patch:
        said: list[dict[str, JsonValue]] = [
            {"role": "user", "content": f"message {at}", "id": f"m{at}"} for at in range(count)
        ]
        store.save(Session(session_id="a", messages=said))
        ACTS[act](store)
        real, fetch = psycopg.Cursor.execute, psycopg.Cursor.fetchall

        def execute(self: Any, query: Any, values: Any = None, **more: Any) -> Any:
            found.update(statements=1, bytes=len(repr(values)))
            return real(self, query, values, **more)

        def fetchall(self: Any) -> Any:
            rows = fetch(self)
            found.update(bytes=len(repr(rows)))
            return rows

        patch.setattr(psycopg.Cursor, "execute", execute)
        patch.setattr(psycopg.Cursor, "fetchall", fetchall)
        ACTS[act](store)
    return found


def test_what_listings_say_is_made_again(store: SessionStore) -> None:
    store.create("a", title="right")
    store.append("a", {"role": "user", "content": "wombat"})
    with psycopg.connect(cluster.shared().address(), autocommit=True) as connection:
        connection.execute("DELETE FROM localsessions.texts")
    assert not store.search("wombat")
    (finding,) = store.verify()
    assert (finding.kind, finding.automatic) == ("index", True)
    assert "made again" in store.repair(finding)
    assert store.verify() == []
    assert store.search("wombat")
    assert "nothing to repair" in store.repair(finding)


def test_a_message_that_is_missing_is_told_and_not_papered_over(store: SessionStore) -> None:
    store.create("a")
    store.append("a", {"role": "user"}, {"role": "user"})
    no = store.engine._reader.whole("a").no  # type: ignore[attr-defined]
    with psycopg.connect(cluster.shared().address(), autocommit=True) as connection:
        connection.execute("DELETE FROM localsessions.messages WHERE no = %s", [no])
    (finding,) = store.verify()
    assert (finding.kind, finding.automatic) == ("unreadable", False)


# -- what comes and goes ---------------------------------------------------------------------------


def test_what_is_too_large_to_be_read_again_is_not_written(
    store: SessionStore, address: str, tmp_path: Path
) -> None:
    large: dict[str, JsonValue] = {"role": "user", "content": "words " * 500}
    with SessionStore(address, max_file_bytes=2000) as small:
        small.create("a")
        with pytest.raises(UnstorableValueError, match="larger max_file_bytes"):
            small.append("a", large)
        with pytest.raises(UnstorableValueError):
            small.save_checkpoint("a", "x" * 3000)
        made = [
            Session(session_id=name, messages=said) for name, said in (("b", [large]), ("c", []))
        ]
        assert [*small.engine.create_many(made)] == ["b"]
        with SessionStore(tmp_path / "sessions") as folder:
            folder.create("d", messages=[large])
            for dry_run in (True, False):
                refused = move(folder, small, ["d"], dry_run=dry_run)
                assert isinstance(refused["d"], UnstorableValueError)
            assert folder.load("d").messages[0]["content"] == large["content"]
    assert [one.session_id for one in store.list(order="created_at")] == ["a", "c"]
    assert (store.load("a").messages, store.checkpoints("a")) == ([], [])


def test_where_a_session_was_moved_to_may_have_a_name_of_any_bytes(store: SessionStore) -> None:
    when = store.create("a").created_at
    gone = [Deletion("x", {"n": 1}, when, where) for where in ("/home/\udcff/\0", "/home/é", None)]
    for _ in range(2):
        store.engine.remember([*gone, *gone])
    assert [*store.engine.purged()] == gone
    store.engine.remember([Deletion("a", {}, when, "elsewhere")])  # it is there
    assert not store.deletions(["a"])
