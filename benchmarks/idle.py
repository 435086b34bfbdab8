"""What a watch costs while nothing happens: processor time, and everything that grows.

    python benchmarks/idle.py [--minutes 30] [FOLDER]

The folder decides which file system is watched; without it, a temporary folder is used. The costs
of the opening, the first listing and the first minute are left out; in a shorter run, of the first
quarter. The exit status is 1 if the watch was not idle. For Linux: it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson

from localsessions import SessionStore

SESSIONS = 1_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MOST_CPU_PERCENT = 0.5
# An allocator that gets another arena from the system is not a leak.
MOST_GROWTH_KIB = 2_048


class State(NamedTuple):
    """The figures of the process at one moment."""

    at: float
    cpu: float
    rss_kib: int
    descriptors: int
    threads: int
    rows: int


def state(store: SessionStore) -> State:
    """Read the figures of this process and its index."""
    rows = rows_of(Path(store.save_dir, ".localsessions", "index.sqlite3"))
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return State(
        time.monotonic(),
        time.process_time(),
        resident * PAGE_BYTES // 1024,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        sum(rows.values()),
    )


def rows_of(index: Path) -> dict[str, int]:
    """Return how many rows each table of the index has."""
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        count = "SELECT count(*) FROM {}"
        return {name: db.execute(count.format(name)).fetchone()[0] for name in tables}


def fill(folder: Path) -> None:
    """Write sessions as another program would."""
    for number in range(SESSIONS):
        document = {"messages": [{"role": "user", "content": f"Question {number}"}]}
        (folder / f"session-{number:04}.json").write_bytes(orjson.dumps(document))


def rest(store: SessionStore, seconds: float) -> tuple[State, State, str, int]:
    """Watch for so long; return the states after the first minute and at the end."""
    told: list[int] = []
    with store.watch(lambda change: told.append(change.number)):
        mode = store.stats().watcher
        warm = min(60.0, seconds / 4)
        time.sleep(warm)
        begun = state(store)
        time.sleep(seconds - warm)
        return begun, state(store), mode, len(told)


def report(begun: State, ended: State, mode: str, told: int) -> list[str]:
    """Print what was measured; return the reasons why the watch was not idle."""
    elapsed = ended.at - begun.at
    cpu = ended.cpu - begun.cpu
    percent = 100 * cpu / elapsed
    print(f"{SESSIONS:,} sessions watched by {mode} for {elapsed / 60:.1f} minutes")
    print(f"{'processor time':24} | {cpu:9.3f} s | {percent:.3f} % of the time")
    print(f"{'':24} | {'begin':>9} | {'end':>9} | {'growth':>9}")
    for name, unit in (("rss_kib", "KiB"), ("descriptors", ""), ("threads", ""), ("rows", "")):
        was, now = getattr(begun, name), getattr(ended, name)
        label = {"rss_kib": "resident memory", "rows": "rows in the index"}.get(name, name)
        print(f"{label:24} | {was:9,} | {now:9,} | {now - was:+9,} {unit}".rstrip())
    found = {
        f"more than {MOST_CPU_PERCENT} % of the processor": percent > MOST_CPU_PERCENT,
        "memory grows": ended.rss_kib - begun.rss_kib > MOST_GROWTH_KIB,
        "descriptors grow": ended.descriptors > begun.descriptors,
        "threads grow": ended.threads > begun.threads,
        "rows grow": ended.rows > begun.rows,
        f"{told} changes told of": told > 0,
    }
    return [fault for fault, is_so in found.items() if is_so]


def main() -> None:
    """Watch a new folder inside the given one and print the verdict."""
    parser = argparse.ArgumentParser(description="What a watch costs while nothing happens.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.parse_args()
    with TemporaryDirectory(dir=chosen.folder) as name:
        fill(Path(name))
        with SessionStore(name) as store:
            store.list()
            faults = report(*rest(store, 60 * chosen.minutes))
    print("verdict: " + ("; ".join(faults) or "idle"))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
