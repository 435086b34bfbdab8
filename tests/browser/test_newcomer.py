"""A newcomer's first ten minutes on the page: the real chats of a machine, to one that was shared.

Each step is a picture in ``.screens``; ``make screens`` puts the one of the README into docs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server.asking import Asking, running

from browser.opening import Opened
from localsessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    Show = Callable[..., AbstractContextManager[Opened]]

pytestmark = pytest.mark.needs("browser")

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Asking]:
    """The service of a folder into which a newcomer has imported, by the command line."""
    folder = tmp_path / "sessions"
    env = {**os.environ, "LOCALSESSIONS_DIR": str(folder)}
    command = [sys.executable, "-m", "localsessions", "import", "--yes", str(TRANSCRIPTS)]
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=120)
    with running(folder) as service:
        yield service


def test_from_an_import_to_a_found_forked_and_exported_session(
    imported: Asking, show: Show, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with show(imported, width=1280, height=800) as opened:
        page = opened.page
        expect(page.locator("a.line").first).to_be_visible()
        opened.keep("newcomer-1-list")

        page.keyboard.press("/")
        page.keyboard.type("write a function")
        hit = page.locator("a.line", has_text="Create a simple Python function")
        expect(hit.locator("mark").first).to_be_visible()
        opened.keep("newcomer-2-found")

        hit.click()
        title = page.get_by_role("heading", level=1)
        expect(title).to_be_visible()
        expect(page.locator("[aria-label^='Message ']").first).to_be_visible()
        opened.keep("page")
        found = title.inner_text()

        page.keyboard.press("Control+k")
        page.keyboard.type("fork")
        opened.keep("newcomer-3-palette")
        page.keyboard.press("Enter")
        expect(title).not_to_have_text(found)
        expect(title).to_contain_text("fork")
        opened.keep("newcomer-4-forked")

        page.keyboard.press("Control+k")
        page.keyboard.type("export")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Looking for secrets")).to_have_count(0)
        opened.keep("newcomer-5-export")
        with page.expect_download() as caught:
            page.get_by_role("button", name="Save").click()
        caught.value.save_as(tmp_path / "exported")
    exported = (tmp_path / "exported").read_text()
    assert "Let me write it now." in exported
    with SessionStore(imported.folder) as store:
        titles = [one.title for one in store.list(limit=1000) if one.parent is not None]
    assert f"{found} (fork)" in titles
