"""What a store in PostgreSQL costs, beside others on the same server, in the same run.

    python benchmarks/postgres.py [--quick] [FOLDER]

It makes a server of its own, which syncs as Debian's does, and a database for each contestant and
each size. Each contestant is a process of its own in an environment of its own; they take turns,
round by round, and what comes back is compared with what was stored. It writes
docs/benchmarks/postgres.md; a quick run writes nothing. The exit status is 1 if a contestant
answered wrong, or if one that can do the same was quicker than this store. For Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "tests")]  # the tests make servers, too

import cluster  # noqa: E402

from benchmarks.contestants import Entry  # noqa: E402
from benchmarks.rounds import SHORT, Rounds  # noqa: E402
from localsessions import Session, SessionChange, SessionStore  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks" / "postgres.md"
OURS = "localsessions"
PATIENCE_SECONDS = 30.0
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
"""What agno drops from a message: then it would have no figures."""
_DRIVER = ("psycopg[binary]>=3.2", "sqlalchemy>=2", "greenlet>=3")


class Plan(NamedTuple):
    """How much is done; ``long`` is in messages, ``listed`` and ``searched`` in sessions."""

    long: int
    rounds: int
    listed: int
    searched: int
    changes: int


FULL = Plan(long=10_000, rounds=50, listed=100_000, searched=10_000, changes=500)
QUICK = Plan(long=1_000, rounds=8, listed=2_000, searched=300, changes=30)


def peer(name: str, label: str, way: str, requirements: Sequence[str], offers: str) -> Entry:
    return Entry(
        name=name.replace("-", "_"),
        label=label,
        module=name.replace("-", "_"),
        kind="peer",
        offers=frozenset(offers.split()),
        way=way,
        environment=name,
        requirements=(*requirements, *_DRIVER),
    )


ENTRIES = (
    Entry(
        name=OURS,
        label=OURS,
        module="localsessions_postgres",
        kind="ours",
        offers=frozenset({"turn", "list"}),
        way="`append`; `list(limit=50)`",
    ),
    peer(
        "agno-postgres",
        "agno PostgresDb",
        "`upsert_run` and `upsert_session`; `get_sessions(limit=50, include_runs=False)`",
        ("agno>=3,<4",),
        "turn list",
    ),
    peer(
        "langgraph-postgres",
        "LangGraph PostgresSaver",
        "`update_state` with both messages; it lists no sessions",
        ("langgraph-checkpoint-postgres>=3", "langgraph>=1"),
        "turn",
    ),
    peer(
        "adk-postgres",
        "Google ADK DatabaseSessionService",
        "`append_event` twice; `list_sessions`, which has no limit",
        ("google-adk>=2",),
        "turn list",
    ),
)

# -- the contest -----------------------------------------------------------------------------------


class Contest(Rounds):
    """The contestants of one server."""

    def __init__(self, server: cluster.Cluster, folder: Path, plan: Plan) -> None:
        super().__init__(folder, long=plan.long, listed=plan.listed)
        self._server = server
        pieces: list[str] = json.loads(self.material.read_text("utf-8"))
        self.material.write_text(json.dumps([_CONTROLS.sub(" ", one) for one in pieces]), "utf-8")

    def prepare(self, folder: Path) -> None:
        (folder / "server").write_text(str(self._server.folder), "utf-8")


# -- this store alone ------------------------------------------------------------------------------


def searches(address: str, plan: Plan) -> Iterator[tuple[str, list[float]]]:
    """Yield questions, each with the seconds of its answers; what they find is checked."""
    rare, common = "wombat", "happy"
    text = "All happy sessions are alike; each unhappy one is torn in its own way. " * 14
    with SessionStore(address) as store:
        for begin in range(0, plan.searched, 500):
            store.create_many(
                Session(
                    session_id=f"s{at:06}",
                    messages=[
                        {"role": "user", "content": f"{text} {rare if at == 7 else at}"},
                        {"role": "assistant", "content": f"データベースの移行 {at}"},
                    ],
                )
                for at in range(begin, min(begin + 500, plan.searched))
            )
        for question in (rare, common, "torn way", "移行"):
            took = []
            for _ in range(plan.rounds):
                began = time.perf_counter()
                found = store.search(question, limit=10)
                took.append(time.perf_counter() - began)
                assert len(found) == (1 if question == rare else 10), question
            yield question, took


def callbacks(address: str, plan: Plan) -> list[float]:
    """Return the seconds from the return of ``append`` to the call of a watch of another store."""
    called: dict[int, float] = {}

    def note(change: SessionChange) -> None:
        if change.new_messages is not None:
            called[change.new_messages[0]] = time.perf_counter()

    returned: dict[int, float] = {}
    with SessionStore(address) as writer, SessionStore(address) as reader:
        writer.create("a")
        with reader.watch(note):
            for at in range(plan.changes):
                writer.append("a", {"role": "user", "content": str(at)})
                returned[at] = time.perf_counter()
                time.sleep(random.uniform(0.005, 0.02))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(called) < plan.changes and time.monotonic() < deadline:
                time.sleep(0.01)
    assert called.keys() == returned.keys(), "a change was not told"
    return [called[at] - returned[at] for at in returned]


# -- the page --------------------------------------------------------------------------------------

INTRODUCTION = (
    "Made by `benchmarks/postgres.py`; do not edit. PostgreSQL {server} on this machine, over a "
    "socket, with `fsync` on; {cores} cores for the server and all others, with a load of "
    "{load:.1f} when it began. A turn is two messages of 1,000 bytes, at the end of a session of "
    "{short} and of {long:,} messages. The list is that of the newest 50 of {listed:,} sessions. "
    "Medians of {rounds} rounds, in milliseconds. Stores of agno and ADK for the list are prepared "
    "by copying rows that their own calls wrote. agno drops control characters from a message, so "
    "that the messages here have none."
)


def page(contest: Contest, plan: Plan, server: str, load: float, address: str) -> str:
    told = {"server": server, "cores": os.cpu_count(), "load": load, "short": SHORT}
    lines = [
        "# PostgreSQL",
        "",
        textwrap.fill(INTRODUCTION.format(**told, **plan._asdict()), 100),
        "",
        f"| | version | turn at {SHORT} | turn at {plan.long:,} | list | calls |",
        "| --- | --- | ---: | ---: | ---: | --- |",
        *(_row(contest, entry) for entry in ENTRIES),
        "",
        f"A search in {plan.searched:,} sessions of two messages, the first 10:",
        "",
        "| question | median | 99 of 100 within |",
        "| --- | ---: | ---: |",
        *(_times(question, took) for question, took in searches(f"{address}_searched", plan)),
        "",
        f"From the return of `append` to the call of another store's watch, {plan.changes} times:",
        "",
        "| | median | 99 of 100 within |",
        "| --- | ---: | ---: |",
        _times("callback", callbacks(f"{address}_told", plan)),
    ]
    return "\n".join(lines) + "\n"


def _row(contest: Contest, entry: Entry) -> str:
    found = [contest.median(kind, entry.name) for kind in ("short", "long", "list")]
    told = " | ".join("" if one is None else f"{one:.2f}" for one in found)
    return f"| {entry.label} | {contest.versions.get(entry.name, '')} | {told} | {entry.way} |"


def _times(name: str, seconds: Sequence[float]) -> str:
    most = sorted(seconds)[max(0, -(-len(seconds) * 99 // 100) - 1)]
    return f"| {name} | {1e3 * statistics.median(seconds):.2f} ms | {1e3 * most:.2f} ms |"


def main() -> int:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description="What a store in PostgreSQL costs.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="a few seconds each, and no page")
    asked = parser.parse_args()
    plan, load = QUICK if asked.quick else FULL, os.getloadavg()[0]
    server = cluster.Cluster({"fsync": "on", "shared_buffers": "128MB"})
    try:
        with TemporaryDirectory(dir=asked.folder) as folder:
            contest = Contest(server, Path(folder), plan)
            contest.run(ENTRIES, plan.rounds)
            version_of_server = server.run("postgres", "--version").split()[2]
            text = page(contest, plan, version_of_server, load, server.address(store="bench"))
    finally:
        server.remove()
    print(text)
    if not asked.quick:
        PAGE.write_text(text, "utf-8")
    peers = [entry.name for entry in ENTRIES if entry.kind == "peer"]
    wrong = [*contest.wrong, *chain.from_iterable(contest.behind(OURS, one) for one in peers)]
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
