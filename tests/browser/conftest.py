"""One browser and one service for the tests of a worker; each test begins with an empty folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from server.asking import Asking, running

from browser.opening import Opened, browsing, opened
from localsessions import SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# Of the package: Playwright's event loop stays in the thread, where tests of others have theirs.
@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)
    with browsing() as running:
        yield running


@pytest.fixture(scope="package")
def page_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """The service whose page is opened."""
    with running(tmp_path_factory.mktemp("page") / "sessions") as asking:
        yield asking


@pytest.fixture
def store(page_service: Asking) -> Iterator[SessionStore]:
    """The folder of the service as another program has it, with nothing in it."""
    with SessionStore(page_service.folder, durability="fast") as made:
        made.delete_many([one.session_id for one in made.list(limit=1000)])
        made.empty_trash(max_age=0)
        made.forget_deletions()
        yield made


@pytest.fixture
def show(chrome: Browser, page_service: Asking) -> Callable[..., AbstractContextManager[Opened]]:
    """Open the page of the folder, or that of another service."""

    @contextmanager
    def showing(service: Asking = page_service, **how: Any) -> Iterator[Opened]:
        with opened(chrome, address_of_page(service), **how) as found:
            yield found

    return showing


def address_of_page(service: Asking) -> str:
    """Return where the page is, with a code that works once."""
    code = service("POST", "codes").document["code"]
    return f"http://127.0.0.1:{service.port}/#code={code}"
