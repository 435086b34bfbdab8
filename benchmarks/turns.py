"""What verbs cost, as ratios against bare ``os`` calls and orjson, interleaved in one run.

    python benchmarks/turns.py [FOLDER]

The folder decides which file system is measured; a temporary one is used without it. Everything
is durable (fsync of the file and of the folder), the floor too.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from localsessions import Message, SessionStore

LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
SIZES = (10, 100, 1_000, 10_000)
STORES = (1_000, 10_000)
ROUNDS = 15
TEXT = "All happy sessions are alike; each unhappy one is torn in its own way. " * 14


def message(number: int) -> Message:
    """Return a message of 1 kB."""
    role = "assistant" if number % 2 else "user"
    return {"id": f"msg_{number:08}", "role": role, "content": TEXT}


def rewrite(path: Path, document: object) -> None:
    """Do the least that replaces a file whole and durably."""
    temp = path.with_suffix(".tmp")
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, orjson.dumps(document, option=LAYOUT))
    os.fsync(fd)
    os.close(fd)
    os.replace(temp, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def compare(acts: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median milliseconds of each act, all of them run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}


def session_costs(folder: Path, count: int) -> None:
    """Print what a turn, a save and a load cost in a session of ``count`` messages."""
    bare = folder / f"bare-{count}.bin"
    with SessionStore(folder / f"store-{count}") as store:
        session = store.create("chat")
        session.messages = [message(number) for number in range(count)]
        store.save(session)
        document = orjson.loads(Path(store.path("chat")).read_bytes())

        def save() -> None:
            session.state["turn"] = time.time_ns()
            store.save(session)

        def append() -> None:
            store.append("chat", message(0), message(1))

        costs = compare(
            {
                "rewrite floor": lambda: rewrite(bare, document),
                "save": save,
                "read floor": lambda: orjson.loads(bare.read_bytes()),
                "load": lambda: store.load("chat"),
            }
        )
        costs |= compare({"append": append}, 7)
    print(
        f"{count:7,} messages | rewrite {costs['rewrite floor']:8.2f} ms | "
        f"save {costs['save'] / costs['rewrite floor']:5.2f} x | "
        f"append {costs['append'] / costs['rewrite floor']:5.2f} x | "
        f"read {costs['read floor']:8.2f} ms | load {costs['load'] / costs['read floor']:5.2f} x"
    )


def listing_costs(folder: Path, count: int) -> None:
    """Print what listing costs in a store of ``count`` sessions."""
    store_folder = folder / f"list-{count}"
    store_folder.mkdir()
    for number in range(count):
        stamp = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
        document = {"messages": [message(0)], "user_id": f"u{number % 7}", "last_activity": stamp}
        (store_folder / f"session-{number:06}.json").write_bytes(
            orjson.dumps(document, option=LAYOUT)
        )
    names = [entry.path for entry in os.scandir(store_folder)]
    with SessionStore(store_folder) as store:
        begun = time.perf_counter()
        store.list(limit=50)
        rebuilt = (time.perf_counter() - begun) * 1000
        costs = compare(
            {
                "parse all": lambda: [orjson.loads(Path(name).read_bytes()) for name in names],
                "scan": lambda: [entry.stat() for entry in os.scandir(store_folder)],
                "sweep": lambda: store.list(limit=50, fresh=True),
            },
            5,
        )
        time.sleep(0.1)
        store.list(limit=50, fresh=True)
        read = store.stats().counters["files_read"]
        costs |= compare(
            {
                "list": lambda: store.list(limit=50),
                "filtered": lambda: store.list(limit=50, user_id="u3"),
                "count": store.count,
            },
            50,
        )
        opened = store.stats().counters["files_read"] - read
    print(
        f"{count:7,} sessions | list 50 {costs['list']:6.2f} ms | filtered {costs['filtered']:6.2f}"
        f" ms | count {costs['count']:6.2f} ms | files opened {opened} | "
        f"sweep {costs['sweep'] / costs['scan']:5.2f} x scandir | "
        f"rebuild {rebuilt / costs['parse all']:5.2f} x parsing"
    )


def main() -> None:
    """Measure in a new folder inside the given one."""
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        for count in SIZES:
            session_costs(Path(name), count)
        for count in STORES:
            listing_costs(Path(name), count)


if __name__ == "__main__":
    main()
