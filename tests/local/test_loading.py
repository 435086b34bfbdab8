"""A file that a store wrote is read and parsed once; what nobody has proven is proven."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import needs
import orjson
import pytest
from inside import local
from pydantic import JsonValue

from localsessions import Session, SessionStore, UnreadableSessionError
from localsessions._codec import session_file, strict
from localsessions.models.standing import original_of

BEYOND = (1 << 70) + 1
HALF = "\ud800"


def messages(count: int, *more: JsonValue) -> list[dict[str, JsonValue]]:
    """Return so many messages of 1 kB, and one that says something else."""
    said: list[JsonValue] = ["said " * 200] * count
    return [{"role": "user", "content": content} for content in (*said, *more)]


def session_of(store: SessionStore, *more: JsonValue, count: int = 300) -> Session:
    session = store.create("long")
    session.messages = messages(count, *more)
    return store.save(session)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the functions that parse and write JSON, as they are called."""
    found: list[str] = []

    def counted(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            found.append(name)
            return act(*arguments, **options)

        return call

    class Counted:
        loads = staticmethod(counted("loads", orjson.loads))
        dumps = staticmethod(counted("dumps", orjson.dumps))

        def __getattr__(self, name: str) -> Any:
            return getattr(orjson, name)

    monkeypatch.setattr(session_file, "orjson", Counted())
    monkeypatch.setattr(strict, "parse_strictly", counted("strictly", strict.parse_strictly))
    return found


def by_saving(store: SessionStore) -> None:
    """Nothing more: it was saved."""


def by_appending(store: SessionStore) -> None:
    for _ in range(3):
        store.append("long", {"role": "assistant", "content": "so."})


def by_sweeping(store: SessionStore) -> None:
    store.reindex()
    while (row := local(store).index.get("long")) is None or not row.settled:
        store.list(fresh=True)  # the file is too young yet for its times to be believed


@pytest.mark.parametrize("known", [by_saving, by_appending, by_sweeping])
def test_what_is_known_to_lose_nothing_is_parsed_once_and_not_written_out(
    known: Callable[[SessionStore], None], store: SessionStore, calls: list[str]
) -> None:
    session_of(store)
    known(store)
    count = len(store.load("long").messages)
    calls.clear()
    with SessionStore(store.save_dir) as another:
        loaded = another.load("long")
    assert calls == ["loads"]
    assert len(loaded.messages) == count
    original = original_of(loaded)
    assert original is not None
    assert original.canonical


@pytest.mark.parametrize("known", [by_saving, by_appending])
def test_what_the_index_does_not_know_is_proven(
    known: Callable[[SessionStore], None], store: SessionStore, calls: list[str]
) -> None:
    session_of(store)
    known(store)
    count = len(store.load("long").messages)
    path = Path(store.path("long"))
    path.write_bytes(path.read_bytes())
    calls.clear()
    assert len(store.load("long").messages) == count
    assert calls == ["loads", "dumps"]


@pytest.mark.parametrize("known", [by_saving, by_appending, by_sweeping])
@pytest.mark.parametrize("value", [BEYOND, -BEYOND, HALF, {"deep": [1.5, BEYOND]}])
def test_what_orjson_would_lose_comes_back(
    known: Callable[[SessionStore], None], value: JsonValue, store: SessionStore
) -> None:
    session_of(store, value)
    known(store)
    assert store.load("long").messages[300]["content"] == value


@pytest.mark.parametrize("value", [BEYOND, HALF])
def test_what_orjson_would_lose_comes_back_when_it_was_added(
    value: JsonValue, store: SessionStore
) -> None:
    session_of(store)
    by_appending(store)
    store.append("long", {"role": "user", "content": value})
    by_appending(store)
    assert (store.stats().counters["ends_written"] >= 4) == needs.is_here("leases")
    assert store.load("long").messages[303]["content"] == value


def test_a_rewriting_in_place_is_told_by_the_times_that_nobody_can_set(store: SessionStore) -> None:
    """Same size, same time of modification: the index knows another file."""
    session_of(store)
    path = Path(store.path("long"))
    data, times = path.read_bytes(), path.stat()
    broken = data.replace(b'  "status": "active"', b'  "format": "active"')
    assert len(broken) == len(data)
    with path.open("r+b") as file:
        file.write(broken)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(UnreadableSessionError, match="duplicate key 'format'") as raised:
        store.load("long")
    line = broken[: broken.rfind(b'"format"')].count(b"\n") + 1
    assert (raised.value.line, raised.value.column) == (line, 3)


def test_a_session_is_loaded_without_an_index(store: SessionStore) -> None:
    session_of(store)
    store.close()
    for file in Path(store.save_dir, ".localsessions").glob("index.sqlite3*"):
        file.unlink()
    with SessionStore(store.save_dir) as another:
        assert len(another.load("long").messages) == 300


def peak_of(act: Callable[[], object]) -> int:
    act()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kept = act()
        peak = tracemalloc.get_traced_memory()[1]
        assert kept
    finally:
        tracemalloc.stop()
    return peak - before


@pytest.mark.parametrize("known", [True, False])
def test_loading_takes_no_more_memory_than_half_as_much_again_as_parsing(
    known: bool, store: SessionStore
) -> None:
    session_of(store, count=3000)
    path = Path(store.path("long"))
    if not known:
        path.write_bytes(path.read_bytes())

    def parse() -> object:
        data = path.read_bytes()
        return data, orjson.loads(data)

    assert peak_of(lambda: store.load("long")) <= 1.5 * peak_of(parse)


def test_a_session_is_equal_to_itself_read_when_its_file_was_young(store: SessionStore) -> None:
    store.create("a", title="A")
    young = store.load("a")
    os.utime(store.path("a"), ns=(10**18, 10**18))
    assert store.load("a") == young
