from __future__ import annotations

import gc
from pathlib import Path

import pytest

from localsessions import AsyncSessionStore, SessionStore
from localsessions.adapters.document import Given, hold


class Owner:
    def __init__(self, given: Given) -> None:
        self.store, self.close = hold(self, given)


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_folder_is_opened_and_closed(tmp_path: Path, as_path: type) -> None:
    owner = Owner(as_path(tmp_path))
    owner.store.create("s")
    owner.close()
    owner.close()
    with pytest.raises(ValueError, match="closed"):
        owner.store.get("s")


def test_a_store_that_was_opened_here_is_closed_with_its_owner(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    store = owner.store
    del owner
    gc.collect()
    with pytest.raises(ValueError, match="closed"):
        store.get("s")


def test_an_open_store_stays_open(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        owner = Owner(store)
        assert owner.store is store
        owner.close()
        store.create("s")


def test_an_async_store_lends_its_store(tmp_path: Path) -> None:
    store = AsyncSessionStore(tmp_path)
    owner = Owner(store)
    assert owner.store is store.store
    owner.close()
    store.store.close()


def test_what_is_no_place_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a path"):
        Owner(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no store can be kept"):
        Owner("redis://localhost")
