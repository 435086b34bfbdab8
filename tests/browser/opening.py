"""The page as a person opens it: by a code, in a browser that reports what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from needs import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Opened", "browsing", "opened"]

SCREENS = Path(__file__).parents[2] / ".screens"

_NAMES = "MAP evil.test 127.0.0.1, MAP outside.test ~NOTFOUND"
_REPORTS = """
window.reports = [];
document.addEventListener('securitypolicyviolation', (told) => {
    window.reports.push([told.violatedDirective, told.blockedURI, told.sample].join(' '));
});
"""


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run the system's browser: one name leads here, as rebinding makes it; another nowhere."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", f"--host-resolver-rules={_NAMES}"],
            timeout=120_000,
        )
        yield running
        running.close()


class Opened:
    """An open page, what it asked for, and what went wrong in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.origin = address.partition("/#")[0]
        self.asked: list[str] = []
        self.wrong: list[str] = []
        page.on("request", lambda one: self.asked.append(one.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        # What the service refuses is told to the person by the page.
        if getattr(message, "type", "") == "error" and "Failed to load resource" not in text:
            self.wrong.append(text)

    def keep(self, name: str) -> None:
        """Keep a picture of the page, for people to look at; it is not committed."""
        SCREENS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png", timeout=120_000)

    def go(self, place: str) -> None:
        """Go to a place, as a link does."""
        self.page.evaluate("(place) => { location.hash = place; }", place)

    def refuse_anything_odd(self) -> None:
        """Refuse a report of the policy, an error of a script, and a request to the outside."""
        assert self.page.evaluate("() => window.reports") == []
        assert self.wrong == []
        outside = [url for url in self.asked if not url.startswith((self.origin, "data:", "blob:"))]
        assert outside == []


@contextmanager
def opened(
    browser: Browser, address: str, *, width: int = 1280, height: int = 860, dark: bool = False
) -> Iterator[Opened]:
    """Open the page; at the end nothing odd may have happened."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.add_init_script(_REPORTS)
    page = context.new_page()
    page.set_default_timeout(30_000)
    found = Opened(page, address)
    page.goto(address)
    yield found
    found.refuse_anything_odd()
    page.unroute_all(behavior="ignoreErrors")  # closing waits for what a test holds back
    context.close()
