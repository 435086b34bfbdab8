"""One browser for the tests of a module, and the page of a folder with a few sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser.opening import Opened, browsing, opened, serving
from localsessions import SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)
    with browsing() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    """A folder that another program writes too."""
    with SessionStore(tmp_path / "sessions", durability="fast") as made:
        yield made


@pytest.fixture
def show(chrome: Browser, store: SessionStore) -> Callable[..., AbstractContextManager[Opened]]:
    """Open the page of the folder."""
    from contextlib import contextmanager

    @contextmanager
    def showing(**how: Any) -> Iterator[Opened]:
        with serving(Path(store.save_dir)) as address, opened(chrome, address, **how) as found:
            yield found

    return showing
