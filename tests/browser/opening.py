"""The page as a person opens it: by a code, in a browser that reports what it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from needs import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Opened", "browsing", "opened", "serving"]

_REPORTS = """
window.reports = [];
document.addEventListener('securitypolicyviolation', (told) => {
    window.reports.push([told.violatedDirective, told.blockedURI, told.sample].join(' '));
});
"""


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run the system's browser; names of the outside lead nowhere."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--host-resolver-rules=MAP outside.test ~NOTFOUND"],
            timeout=120_000,
        )
        yield running
        running.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `localsessions serve --open` where no browser is; return the address that it tells."""
    command = [sys.executable, "-m", "localsessions", "serve", "--dir", str(folder)]
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    process = subprocess.Popen(
        [*command, "--port", "0", "--open"], stderr=subprocess.PIPE, env=environment
    )
    try:
        assert process.stderr is not None
        told = "".join(process.stderr.readline().decode() for _ in range(3))
        found = re.search(r"http://\S+#code=\S+", told)
        assert found, told
        yield found[0]
    finally:
        process.kill()
        process.communicate()


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
    context.close()
