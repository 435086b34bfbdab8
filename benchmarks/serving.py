"""What the service bears: who listens, who asks at a steady pace, and who lists very many sessions.

    python benchmarks/serving.py [--quick] [FOLDER]

The service is a process of its own and is asked over sockets, each request on a connection of its
own, as a program does that keeps none. Beside each request stands the bare call of the store, made
in this process while nothing else runs. It writes docs/benchmarks/serving.md; a quick run writes
nothing and takes a quarter of a minute. The exit status is 1 if a request failed, a listener
missed a message, a page left out a session, or the memory of the service grew. For Linux: it reads
/proc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from localsessions import Session, SessionStore

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "serving.md"
MOST_GROWTH = 1.1
PATIENCE_SECONDS = 30.0
PAGE_SIZE = 1_000
ASKED = ("a session", "the last 50", "append")
NOTHING = "nothing"
CALLS = 100
MESSAGE = {"role": "user", "content": "and more"}


class Plan(NamedTuple):
    """How much is asked; ``pace`` is in requests a second."""

    seconds: int
    sessions: int
    listeners: int
    pace: int
    listed: int


FULL = Plan(seconds=60, sessions=10_000, listeners=200, pace=50, listed=25_000)
QUICK = Plan(seconds=5, sessions=300, listeners=20, pace=20, listed=2_500)


# -- the service ---------------------------------------------------------------------------------


class Service(NamedTuple):
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    token: str

    @property
    def rss_kib(self) -> int:
        """The memory of the process."""
        told = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(told.split("VmRSS:")[1].split()[0])

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return the bytes of a request."""
        head = (
            f"{method} /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\n"
        )
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + body


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
            yield Service(process, int(told["url"].rpartition(":")[2]), told["token"])
        finally:
            process.terminate()


def fill(folder: Path, count: int, messages: int) -> None:
    """Store sessions with so many messages of 200 characters."""
    text = "All happy sessions are alike, but each one fails in its own way. " * 3
    with SessionStore(folder, durability="fast") as store:
        for begin in range(0, count, 1_000):
            store.create_many(
                Session(
                    session_id=name_of(number),
                    messages=[{"role": "user", "content": text} for _ in range(messages)],
                )
                for number in range(begin, min(begin + 1_000, count))
            )


def name_of(number: int) -> str:
    return f"s{number:06}"


def chosen(number: int, sessions: int) -> str:
    """Return a session, another one for each number."""
    return name_of(number * 7919 % sessions)


# -- asking --------------------------------------------------------------------------------------


async def ask(
    service: Service, method: str, path: str, body: bytes = b""
) -> tuple[int, float, bytes]:
    """Ask once; return the status, the seconds and the body."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1 << 22)
    try:
        writer.write(service.request(method, path, body))
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        answer = await reader.readexactly(size)
    finally:
        writer.close()
    return int(head[9:12]), time.perf_counter() - began, answer


def request_of(name: str, session_id: str) -> tuple[str, str, bytes]:
    """Return method, path and body of a request."""
    if name == "append":
        body = json.dumps({"messages": [MESSAGE]}).encode()
        return "POST", f"sessions/{session_id}/messages", body
    paths = {"a session": f"sessions/{session_id}", "the last 50": "sessions?limit=50"}
    return "GET", paths.get(name, name), b""


class Load:
    """What is asked of a service, and what came of it."""

    def __init__(self, service: Service, plan: Plan) -> None:
        self._service, self._plan = service, plan
        self.took: dict[str, list[float]] = {name: [] for name in ASKED}
        self.failed: list[str] = []
        self.heard = [0] * plan.listeners
        self.rss_kib: list[int] = []
        self._ready = [asyncio.Event() for _ in range(plan.listeners)]
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Ask while others listen, until each has heard of each message or time is up."""
        listening = [asyncio.create_task(self._listen(at)) for at in range(self._plan.listeners)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(one.wait() for one in self._ready))
        await self._ask_steadily()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_heard(), PATIENCE_SECONDS)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)

    @property
    def added(self) -> int:
        """How many messages were added."""
        return len(self.took["append"])

    @property
    def missed(self) -> int:
        """How many messages some listener was not told of."""
        return self.added - min(self.heard)

    async def _listen(self, at: int) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._service.port, limit=1 << 22
        )
        try:
            writer.write(self._service.request("GET", "changes"))
            while line := await reader.readline():
                if line.startswith(b"event: ready"):
                    self._ready[at].set()
                # Changes of one session within a moment are one event, with the messages of all.
                self.heard[at] += line.count(b'"what":"added"')
                self._news.set()
        finally:
            writer.close()

    async def _all_heard(self) -> None:
        while self.missed:
            self._news.clear()
            await self._news.wait()

    async def _ask_steadily(self) -> None:
        plan = self._plan
        asking: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        for number in range(plan.seconds * plan.pace):
            # Requests for which the machine stood still are not sent together afterwards.
            due = max(due + 1 / plan.pace, time.perf_counter() - 1)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._ask(number))
            asking.add(task)
            task.add_done_callback(asking.discard)
            if number % plan.pace == 0:
                self.rss_kib.append(self._service.rss_kib)
        await asyncio.gather(*asking)

    async def _ask(self, number: int) -> None:
        name, session_id = ASKED[number % len(ASKED)], chosen(number, self._plan.sessions)
        try:
            status, seconds, _ = await ask(self._service, *request_of(name, session_id))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failed.append(f"{name}: {error!r}")
            return
        if status not in (200, 201):
            self.failed.append(f"{name}: {status}")
        self.took[name].append(seconds)

    @property
    def growth(self) -> float:
        """How many times the memory of its first third its last third takes."""
        third = max(1, len(self.rss_kib) // 3)
        return max(self.rss_kib[-third:]) / max(self.rss_kib[:third])


async def ask_alone(service: Service, sessions: int) -> dict[str, list[float]]:
    """Return the seconds of requests that come one after the other, and nothing else runs."""
    return {
        name: [
            (await ask(service, *request_of(name, chosen(at, sessions))))[1] for at in range(CALLS)
        ]
        for name in (*ASKED, NOTHING)
    }


def bare_calls(folder: Path, sessions: int) -> dict[str, list[float]]:
    """Return the seconds of the store's own calls."""
    with SessionStore(folder) as store:
        store.list(limit=50)
        acts: dict[str, Callable[[str], object]] = {
            "a session": store.load,
            "the last 50": lambda _: store.list(limit=50),
            "append": lambda session_id: store.append(session_id, dict(MESSAGE)),
        }
        return {
            name: [timed(partial(act, chosen(at, sessions))) for at in range(CALLS)]
            for name, act in acts.items()
        }


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


# -- listing very many ---------------------------------------------------------------------------


async def list_by_pages(service: Service) -> tuple[set[str], list[float]]:
    """Return all sessions by pages, and the seconds of each page."""
    found: set[str] = set()
    took: list[float] = []
    path = f"sessions?limit={PAGE_SIZE}"
    while True:
        status, seconds, body = await ask(service, "GET", path)
        assert status == 200, body
        page = json.loads(body)
        found.update(one["session_id"] for one in page["sessions"])
        took.append(seconds)
        if page["next_cursor"] is None:
            return found, took
        path = f"sessions?limit={PAGE_SIZE}&cursor={page['next_cursor']}"


def bare_pages(folder: Path) -> list[float]:
    """Return the seconds of each page of the store's own list."""
    took: list[float] = []
    with SessionStore(folder) as store:
        store.list(limit=1)
        cursor: str | None = None
        while True:
            began = time.perf_counter()
            page = store.list(limit=PAGE_SIZE, cursor=cursor)
            took.append(time.perf_counter() - began)
            if page.next_cursor is None:
                return took
            cursor = page.next_cursor


# -- the page ------------------------------------------------------------------------------------


INTRODUCTION = (
    "Made by `benchmarks/serving.py`; do not edit. For {seconds} s, {listeners} listeners followed "
    "all changes while others asked {pace} times a second, each time on a connection of its own: "
    "in turn for a session without its 10 messages or more, for the list of the last 50, and to "
    "append a message. There were {sessions:,} sessions, and {cores} cores for the service, those "
    'who asked and those who listened, with a load of {load:.1f} when it began. "One by one" is '
    "the same request afterwards, when nothing else runs, and the bare call is that of the store "
    "in a process of its own."
)
TABLE = """\
| | requests | median | 99 of 100 within | one by one | bare call | under load | one by one |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def rows(
    took: dict[str, list[float]], alone: dict[str, list[float]], bare: dict[str, list[float]]
) -> Iterator[str]:
    """Yield a row for each kind of request; the last two columns are ratios to the bare call."""
    for name, seconds in took.items():
        median, quiet, call = (1e3 * statistics.median(one[name]) for one in (took, alone, bare))
        most = 1e3 * sorted(seconds)[max(0, -(-len(seconds) * 99 // 100) - 1)]
        yield (
            f"| {name} | {len(seconds):,} | {median:.1f} ms | {most:.1f} ms | {quiet:.1f} ms "
            f"| {call:.2f} ms | {median / call:.1f} times | {quiet / call:.1f} times |"
        )


def measure(folder: Path, plan: Plan) -> tuple[str, list[str]]:
    """Return the page, and what is wrong."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    text = paragraphs(INTRODUCTION.format(cores=cores, load=load, **plan._asdict()))
    bore, wrong = measure_load(folder / "asked", plan)
    listed, missing = measure_list(folder / "listed", plan.listed)
    return f"# Serving\n\n{text}\n{TABLE}{bore}\n{listed}", [*wrong, *missing]


def measure_load(folder: Path, plan: Plan) -> tuple[str, list[str]]:
    """Return what the page says of many who listen and ask, and what is wrong."""
    fill(folder, plan.sessions, 10)
    with running(folder) as service:
        # What is new is loaded, and threads are started.
        asyncio.run(Load(service, plan._replace(seconds=plan.seconds // 3)).run())
        load = Load(service, plan)
        asyncio.run(load.run())
        alone = asyncio.run(ask_alone(service, plan.sessions))
    table = [*rows(load.took, alone, bare_calls(folder, plan.sessions))]
    http = 1e3 * statistics.median(alone[NOTHING])
    first, last = load.rss_kib[0] / 1024, load.rss_kib[-1] / 1024
    text = paragraphs(
        f"An address that is not there is answered in {http:.1f} ms, one by one: that is HTTP.",
        f"Errors: {len(load.failed)}. Each listener was told of {min(load.heard):,} of the "
        f"{load.added:,} messages. The memory of the service was {first:.0f} MiB at the beginning "
        f"and {last:.0f} MiB at the end; in its last third it took at most {load.growth:.2f} times "
        "what it took in its first.",
    )
    wrong = [*load.failed]
    if load.missed:
        wrong.append(f"a listener missed {load.missed} messages")
    if load.growth > MOST_GROWTH:
        wrong.append(f"the memory grew, in KiB: {load.rss_kib}")
    return "\n".join([*table, "", text]), wrong


def paragraphs(*texts: str) -> str:
    return "\n\n".join(textwrap.fill(one, 100) for one in texts) + "\n"


def measure_list(folder: Path, count: int) -> tuple[str, list[str]]:
    """Return what the page says of a list of very many by pages, and what is wrong."""
    fill(folder, count, 1)
    with running(folder) as service:
        asyncio.run(ask(service, "GET", "sessions?limit=1"))
        found, paged = asyncio.run(list_by_pages(service))
    alone = bare_pages(folder)
    page, whole = 1e3 * statistics.median(paged), sum(paged)
    text = paragraphs(
        f"The list of {count:,} sessions in pages of {PAGE_SIZE:,} took {whole:.2f} s, a page "
        f"{page:.0f} ms, the last one {1e3 * paged[-1]:.0f} ms. The bare calls took "
        f"{sum(alone):.2f} s: the service takes {whole / sum(alone):.1f} times as long."
    )
    if found == {name_of(number) for number in range(count)}:
        return text, []
    return text, [f"the pages have {len(found)} sessions of {count}"]


def main() -> int:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description="What the service bears.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="a few seconds, and no page")
    asked = parser.parse_args()
    with TemporaryDirectory(dir=asked.folder) as folder:
        text, wrong = measure(Path(folder), QUICK if asked.quick else FULL)
    print(text)
    if not asked.quick:
        PAGE.write_text(text, "utf-8")
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
