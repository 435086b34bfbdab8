"""What the page looks like: pictures of a folder of real chats, in .screens, for people to look at.

What can be said of them in words stands in the other tests; here nothing may be wrong on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser.opening import Opened
from localsessions import Session, SessionStore
from localsessions.transcripts import import_paths

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Show = Callable[..., AbstractContextManager[Opened]]

pytestmark = pytest.mark.needs("browser")

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"


@pytest.fixture
def chats(store: SessionStore) -> str:
    """Real chats, a few of them of today; returns the longest of Claude Code."""
    import_paths(store, [TRANSCRIPTS / "claude", TRANSCRIPTS / "codex", TRANSCRIPTS / "gemini"])
    now = datetime.now(UTC)
    found = [*store.list(limit=1000)]
    for number, one in enumerate(found[:40]):
        with store.edit(one.session_id, is_activity=False) as session:
            session.last_activity = now - timedelta(hours=7 * number)
    longest = max(found, key=lambda one: one.message_count * (one.program == "claude-code"))
    store.tag(longest.session_id, "review", "parser")
    store.pin(found[3].session_id)
    made = Session(session_id="hands", title="Many hands", last_activity=now)
    made.runs = [
        {"run_id": f"r{n}", "agent_id": ["coder", "reviewer", "tester"][n % 3], "status": status}
        for n, status in enumerate(["COMPLETED", "ERROR", "COMPLETED", "COMPLETED", "COMPLETED"])
    ]
    for minute in range(50):
        at = (now - timedelta(minutes=60 - minute)).isoformat()
        usage = {"input_tokens": 900 * minute, "output_tokens": 40}
        text = f"Step {minute}: look, change, run the tests."
        told: dict[str, Any] = {
            "role": "assistant",
            "content": text,
            "created_at": at,
            "usage": usage,
        }
        made.messages.append({**told, "run_id": f"r{minute // 10}"})
    store.save(made)
    store.create("torn", title="Torn", messages=[{"role": "user", "content": "x"}] * 30)
    torn = Path(store.path("torn"))
    torn.write_bytes(torn.read_bytes()[:900])
    return str(longest.session_id)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_looked_at(store: SessionStore, show: Show, chats: str, dark: bool) -> None:
    from playwright.sync_api import expect

    theme = "dark" if dark else "light"
    with show(dark=dark) as opened:
        page = opened.page
        expect(page.locator("figcaption")).to_be_visible()
        opened.keep(f"list-{theme}")
        opened.go(f"/s/{chats}")
        expect(page.locator("article").first).to_be_visible()
        page.wait_for_timeout(300)
        opened.keep(f"session-{theme}")
        page.keyboard.press("n")
        page.wait_for_timeout(300)
        opened.keep(f"reading-{theme}")
        open_folds(page)
        page.wait_for_timeout(300)
        opened.keep(f"folds-{theme}")
        page.keyboard.press("Control+k")
        expect(page.get_by_role("listbox")).to_be_visible()
        opened.keep(f"palette-{theme}")
        page.keyboard.press("Escape")
        page.locator("summary", has_text="Acts").click()
        page.get_by_role("button", name="Export…").click()
        page.wait_for_timeout(500)
        opened.keep(f"export-{theme}")
        page.keyboard.press("Escape")
        opened.go("/s/hands")
        page.locator(".lanes summary").click()
        page.locator(".tokens summary").click()
        opened.keep(f"lanes-{theme}")
        page.get_by_role("button", name="Many hands").click()
        page.route("**/outline", lambda route: route.abort())
        store.rename("hands", "Theirs")
        page.get_by_label("Title").fill("Mine")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        opened.keep(f"conflict-{theme}")
        page.get_by_role("button", name="Write mine").click()
        page.unroute("**/outline")
        opened.go("/s/torn")
        expect(page.locator(".fault")).to_be_visible()
        opened.keep(f"broken-{theme}")
        opened.go("/?by=project")
        expect(page.locator("button.group").first).to_be_visible()
        page.locator("summary", has_text="Filter").click()
        opened.keep(f"projects-{theme}")
        page.keyboard.press("Escape")
        opened.go("/?q=test")
        expect(page.locator("a.line mark").first).to_be_visible()
        opened.keep(f"search-{theme}")


def test_the_page_is_looked_at_on_a_phone(show: Show, chats: str) -> None:
    from playwright.sync_api import expect

    with show(width=390, height=780) as opened:
        page = opened.page
        expect(page.locator("a.line").first).to_be_visible()
        opened.keep("phone-list")
        opened.go(f"/s/{chats}")
        expect(page.locator("article").first).to_be_visible()
        page.wait_for_timeout(300)
        opened.keep("phone-session")
        page.locator("summary", has_text="Prompts").click()
        opened.keep("phone-prompts")
        page.keyboard.press("Escape")
        opened.go("/s/hands")
        page.locator(".lanes summary").click()
        opened.keep("phone-lanes")


def open_folds(page: Page) -> None:
    for fold in page.locator("details.fold:not([open]) > summary").all()[:6]:
        if fold.is_visible():
            fold.click()
