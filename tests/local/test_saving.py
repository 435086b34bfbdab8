"""What a save of a long session hashes and copies: not what it left as it was."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from inside import local

from localsessions import Session, SessionStore
from localsessions._local.version import digest_of


@pytest.fixture
def session(store: SessionStore) -> Session:
    session = store.create("long", title="old")
    session.messages = [{"role": "user", "content": "said " * 200} for _ in range(1000)]
    return store.save(session)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many bytes each hash was made of, as they are made."""
    sizes: list[int] = []

    def counted(data: bytes, **options: Any) -> Any:
        sizes.append(len(data))
        return sha1(data, **options)

    monkeypatch.setattr(hashlib, "sha1", counted)
    return sizes


def set_state(session: Session) -> None:
    session.state = {"step": 7}


def add_a_message(session: Session) -> None:
    session.messages.append({"role": "assistant", "content": "so."})


def change_the_title(session: Session) -> None:
    session.title = "new, and longer"


def change_the_first_message(session: Session) -> None:
    session.messages[0]["content"] = "another"


def remove_the_last_messages(session: Session) -> None:
    del session.messages[-500:]


def remove_all_messages(session: Session) -> None:
    session.messages.clear()


CHANGES = [
    set_state,
    add_a_message,
    change_the_title,
    change_the_first_message,
    remove_the_last_messages,
    remove_all_messages,
]


def digest_in_the_index(store: SessionStore) -> bytes:
    row = local(store).index.get("long")
    assert row is not None
    return row.digest


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_in_the_index_is_that_of_the_file(
    change: Callable[[Session], None], session: Session, store: SessionStore
) -> None:
    for _ in range(3):
        change(session)
        session.state["again"] = session.revision
        store.save(session)
        assert digest_in_the_index(store) == digest_of(Path(store.path("long")).read_bytes())


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_cannot_be_believed_gives_no_hash(
    change: Callable[[Session], None], session: Session, store: SessionStore
) -> None:
    """As after an edit in place within the grain of the clock: its hash is of something else."""
    row = local(store).index.get("long")
    assert row is not None
    local(store).index.put([row._replace(settled=False, digest=b"\1" * 20)], lambda row: True)
    change(session)
    store.save(session)
    assert digest_in_the_index(store) == digest_of(Path(store.path("long")).read_bytes())


@pytest.mark.parametrize("change", [set_state, add_a_message])
def test_what_stands_before_the_end_is_not_hashed_again(
    change: Callable[[Session], None], session: Session, store: SessionStore, hashed: list[int]
) -> None:
    size = os.stat(store.path("long")).st_size
    change(session)
    store.save(session)
    assert 0 < sum(hashed) < 65_536 < size


def test_comparing_with_what_was_loaded_copies_nothing(
    session: Session, store: SessionStore
) -> None:
    size = os.stat(store.path("long")).st_size
    set_state(session)
    store.save(session)
    session.title = "new"
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        store.save(session)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The new content, which orjson lets grow by doubling; not another copy of it.
    assert peak - before < 2.3 * size
