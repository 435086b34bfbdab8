"""How quick the page is for a person: opening a long session, scrolling, listing, searching.

    python benchmarks/page.py [--quick] [FOLDER]

A service and a browser of the system, each a process of its own, as a person has them. Times are
those of the browser: from the act until a frame after what was asked for is drawn. It writes
docs/benchmarks/page.md; a quick run writes nothing and takes half a minute. The exit status is 1
if an aim is missed. For Linux with Chromium and Playwright (the group ``dev``).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from itertools import cycle, islice
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions import Session, SessionStore
from localsessions.format import encode
from localsessions.transcripts import read_transcript

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "page.md"
TRANSCRIPTS = ROOT / "examples" / "transcripts" / "claude"
MOST_BUNDLE_KB = 90.0
WORD = "parser"
KEY_MS = 80
SCREENS = 40


class Plan(NamedTuple):
    """How much is shown."""

    rounds: int
    long_bytes: int
    listed: int


FULL = Plan(rounds=7, long_bytes=10_000_000, listed=25_000)
QUICK = Plan(rounds=2, long_bytes=2_000_000, listed=1_000)


class Row(NamedTuple):
    """What was measured, of which the aim is ``most``; None has no aim."""

    what: str
    values: Sequence[float]
    most: float | None
    unit: str = "ms"

    @property
    def is_missed(self) -> bool:
        return self.most is not None and statistics.median(self.values) > self.most


# -- what is shown -------------------------------------------------------------------------------


def long_session(size_bytes: int) -> Session:
    """Return a session joined from real ones, over and over, until it is so large."""
    paths = [path for path in sorted(TRANSCRIPTS.glob("*.jsonl")) if path.stat().st_size > 1_000]
    chats = [one for path in paths for one in read_transcript(path).sessions]
    every = [message for one in chats for message in one.messages]
    size = len(encode(Session(session_id="x", messages=every)))
    count = -(-size_bytes * len(every) // size)
    return Session(session_id="long", title="A long one", messages=[*islice(cycle(every), count)])


def fill(folder: Path, plan: Plan) -> int:
    """Store the long session and many short ones; return the bytes of the long one."""
    words = ["How do I", "the parser", "fails on", "an empty", "config file", "of the agent"]
    with SessionStore(folder, durability="fast") as store:
        for begin in range(0, plan.listed, 1_000):
            store.create_many(
                Session(
                    session_id=f"s{number:06}",
                    title=" ".join(words[(number + at) % len(words)] for at in range(4)),
                    messages=[{"role": "user", "content": f"{words[number % 6]} {number}?"}],
                )
                for number in range(begin, min(begin + 1_000, plan.listed))
            )
        store.save(long_session(plan.long_bytes))
        store.search(WORD)
        return len(store.raw("long"))


class Service(NamedTuple):
    """A running service."""

    url: str
    token: str


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Run a service of a folder meanwhile."""
    command = [sys.executable, "-m", "localsessions", "--dir", str(folder), "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            process.stderr.readline()
            advert = process.stderr.readline().decode().removeprefix("the token is in ").strip()
            told = json.loads(Path(advert).read_bytes())
            yield Service(told["url"], told["token"])
        finally:
            process.terminate()


# -- measuring -----------------------------------------------------------------------------------

# What is asked for is there, and two frames later it is drawn.
DRAWN = """([act, selector, text, count]) => new Promise((done) => {
    const begin = act === null ? 0 : performance.now();
    if (act?.place) location.hash = act.place;
    if (act?.key) window.dispatchEvent(new KeyboardEvent('keydown', act.key));
    if (act?.text) {
        const input = document.querySelector('#search');
        input.value = act.text;
        input.dispatchEvent(new InputEvent('input', {bubbles: true}));
    }
    const look = () => {
        const found = [...document.querySelectorAll(selector)];
        const fits = found.some((one) => one.textContent.includes(text) && isSeen(one));
        if (!fits || (count && found.length !== count)) return requestAnimationFrame(look);
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begin)));
    };
    const isSeen = (one) => {
        const box = one.getBoundingClientRect();
        return box.height > 0 && box.top < innerHeight && box.bottom > 0;
    };
    look();
})"""
FRAMES = """(screens) => new Promise((done) => {
    const box = document.querySelector('.reader .scroll');
    const times = [];
    let before = performance.now();
    const step = (now) => {
        times.push(now - before);
        before = now;
        box.scrollTop += box.clientHeight / 10;
        if (times.length < screens * 10) requestAnimationFrame(step);
        else done(times.slice(2));
    };
    requestAnimationFrame(step);
})"""
TO_THE_END = {"key": {"key": "G", "code": "KeyG", "shiftKey": True}}


class Shown:
    """The page in a tab, which has the token from the beginning."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self._url = page, url

    def opened(self, place: str, selector: str) -> float:
        """Open the page at a place, in a new document; return the time from the navigation."""
        self.page.goto("about:blank")
        self.page.goto(f"{self._url}/#{place}", wait_until="commit")
        return self.drawn(None, selector)

    def drawn(
        self, act: dict[str, Any] | None, selector: str, text: str = "", count: int = 0
    ) -> float:
        """Do an act; return the time until something with this text is drawn in view."""
        return float(self.page.evaluate(DRAWN, [act, selector, text, count]))

    def searched(self, word: str) -> float:
        """Type a word; return the time from its last letter."""
        self.page.fill("#search", "")
        self.page.locator("#search").press_sequentially(word[:-1], delay=KEY_MS)
        return self.drawn({"text": word}, "a.line", word, 1)


@contextmanager
def tab(service: Service) -> Iterator[Shown]:
    """Open a browser and a tab."""
    from playwright.sync_api import sync_playwright

    path = which("chromium") or which("chromium-browser") or which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        kept = json.dumps(service.token)
        context.add_init_script(
            f"if (location.origin === {json.dumps(service.url)})"
            f" sessionStorage.setItem('token', {kept})"
        )
        yield Shown(context.new_page(), service.url)
        browser.close()


def measured(folder: Path, plan: Plan) -> tuple[int, int, list[Row]]:
    """Return the bytes and messages of the long session, and what was measured."""
    size_bytes = fill(folder, plan)
    with SessionStore(folder) as store:
        total = store.load("long").messages
    last = f"[aria-label^='Message {len(total)},']"
    word = str(plan.listed // 2 + 345)
    taken: dict[str, list[float]] = defaultdict(list)
    with running(folder) as service, tab(service) as shown:
        for _ in range(plan.rounds):
            taken["first"].append(shown.opened("/", "a.line"))
            taken["searched"].append(shown.searched(word))
            shown.drawn({"text": " "}, "a.line")
            taken["warm"].append(shown.drawn({"place": "/s/long"}, "article"))
            taken["end"].append(shown.drawn(TO_THE_END, last))
            taken["cold"].append(shown.opened("/s/long", "article"))
            taken["frames"] += shown.page.evaluate(FRAMES, SCREENS)
    return (
        size_bytes,
        len(total),
        [
            Row("the long session, from the list to its first message", taken["warm"], 1000),
            Row("the same in a new tab, with the page itself", taken["cold"], 1000),
            Row("from there to its last message", taken["end"], 200),
            Row(
                f"a frame while {SCREENS} screens are scrolled, 95 of 100 within",
                [p95(taken["frames"])],
                50,
            ),
            Row("the list in a new tab, to its first sessions", taken["first"], None),
            Row("search, from the last letter to the hit", taken["searched"], None),
            Row("the files of the page, compressed", [bundle_kb()], MOST_BUNDLE_KB, "kB"),
        ],
    )


def p95(values: Sequence[float]) -> float:
    """Return what 95 of 100 values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def bundle_kb() -> float:
    """Return the size of the files that the page loads, each compressed."""
    folder = resources.files("localsessions.server") / "page"
    files = [folder / name for name in ("index.html", "page.js", "page.css")]
    return sum(len(gzip.compress(one.read_bytes(), 9)) for one in files) / 1000


# -- the page of it ------------------------------------------------------------------------------

INTRODUCTION = (
    "Made by `benchmarks/page.py`; do not edit. A service and Chromium on this machine, with "
    "{cores} cores and a load of {load:.1f} when it began; {rounds} rounds. The long session has "
    "{size:.1f} MB and {messages:,} messages, joined from real ones; beside it are {listed:,} "
    "short ones. Each time is that of the browser until a frame after what was asked for is in "
    "view. The search waits {typing} ms after a key."
)
TABLE = "| | median | worst | aim | |\n| --- | ---: | ---: | ---: | --- |\n"
TYPING_MS = 120


def told(row: Row) -> str:
    """Return a row of the table."""
    median, worst = statistics.median(row.values), max(row.values)
    digits = 1 if row.unit == "kB" else 0
    aim = "" if row.most is None else f"{row.most:.0f} {row.unit}"
    reached = "" if row.most is None else "missed" if row.is_missed else "reached"
    shown = f"{median:.{digits}f} {row.unit}", f"{worst:.{digits}f} {row.unit}"
    return f"| {row.what} | {shown[0]} | {shown[1]} | {aim} | {reached} |"


def page_of(plan: Plan, size_bytes: int, messages: int, rows: Sequence[Row], load: float) -> str:
    """Return what is written."""
    text = INTRODUCTION.format(
        cores=os.cpu_count(),
        load=load,
        size=size_bytes / 1e6,
        messages=messages,
        typing=TYPING_MS,
        **plan._asdict(),
    )
    table = "\n".join(map(told, rows))
    return f"# The page\n\n{textwrap.fill(text, 100)}\n\n{TABLE}{table}\n"


def main() -> int:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description="How quick the page is.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="half a minute, and no page")
    asked = parser.parse_args()
    plan, load = QUICK if asked.quick else FULL, os.getloadavg()[0]
    with TemporaryDirectory(dir=asked.folder) as folder:
        size_bytes, messages, rows = measured(Path(folder) / "sessions", plan)
    text = page_of(plan, size_bytes, messages, rows, load)
    print(text)
    if not asked.quick:
        PAGE.write_text(text, "utf-8")
    missed = [row.what for row in rows if row.is_missed]
    for what in missed:
        print(f"MISSED: {what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
