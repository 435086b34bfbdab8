"""What a turn costs if several processes append, and how often a process writes a file whole.

    python benchmarks/handover.py [--turns 200] [FOLDER]

The folder decides which file system is measured; without it, a temporary folder is used. Each
process opens the store, waits for the others and appends its turns, two messages of 1 kB each, as
fast as it can: all to the same session, each to its own session, or each turn to any of sixty-four.
The floor does the same with lines at the end of a file, under a lock of the file and with
``fdatasync``. Floor and store alternate, round by round. It writes docs/benchmarks/handover.md. The
exit status is 1 if a turn was lost.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from localsessions import SessionStore
from localsessions.models import Message

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "handover.md"
PROCESSES = (1, 2, 4)
WAYS = ("one session", "a session each", "any of sixty-four")
MANY = 64
FIRST = 300
ROUNDS = 3
TEXT = "All happy sessions are alike; each unhappy one is torn in its own way. " * 14
TURN = ({"role": "user", "content": TEXT}, {"role": "assistant", "content": TEXT})


# -- the process that appends --------------------------------------------------------------------


def chosen_session(way: str, who: int, chance: random.Random) -> str:
    """Return the session that the next turn goes to."""
    if way == "one session":
        return "shared"
    return f"own-{who}" if way == "a session each" else f"any-{chance.randrange(MANY)}"


def append(folder: str, way: str, who: int, turns: int, floor: bool) -> dict[str, Any]:
    """Append so many turns; return the seconds of each and the counts."""
    chance = random.Random(who)
    with SessionStore(folder) as store:
        before = Counter(store.stats().counters)
        print("ready", flush=True)
        sys.stdin.readline()
        times = []
        for _ in range(turns):
            session = chosen_session(way, who, chance)
            began = time.perf_counter()
            line(folder, session) if floor else store.append(session, *TURN)
            times.append(time.perf_counter() - began)
        after = Counter(store.stats().counters)
        print("done", flush=True)
        sys.stdin.readline()  # closing removes the spares, which other processes may still need
        return {"times": times, "counters": after - before}


def line(folder: str, session: str) -> None:
    """Append the lines of a turn with the least that makes them durable."""
    file = os.open(f"{folder}/{session}.lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.write(file, b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in TURN))
    os.fdatasync(file)
    os.close(file)


# -- the process that counts ---------------------------------------------------------------------


def together(folder: str, way: str, count: int, turns: int, floor: bool) -> list[dict[str, Any]]:
    """Let so many processes append at once; return the result of each."""
    command = [sys.executable, __file__, "--role", "append", "--way", way, "--turns", str(turns)]
    command += ["--floor"] if floor else []
    started = [
        subprocess.Popen(
            [*command, "--who", str(who), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in range(count)
    ]
    for _ in ("ready", "done"):
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
    return [json.loads(process.communicate()[0]) for process in started]


def fill(folder: str) -> None:
    """Create the sessions, each with some messages."""
    said: list[Message] = [
        {"id": f"m{number}", "role": "user", "content": TEXT} for number in range(FIRST)
    ]
    names = ["shared", *(f"own-{who}" for who in range(max(PROCESSES)))]
    with SessionStore(folder, durability="fast") as store:
        for name in (*names, *(f"any-{number}" for number in range(MANY))):
            session = store.create(name)
            session.messages = [*said]
            store.save(session)


def row(folder: str, way: str, count: int, turns: int) -> tuple[list[str], bool]:
    """Measure a line of the table; return it, and whether every turn is there."""
    with SessionStore(folder) as store:
        before = store.stats().messages
    found: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for floor in (True, False):
            found[floor] += together(folder, way, count, turns, floor)
    with SessionStore(folder) as store:
        kept = store.stats().messages - before
    floor_ms, ours_ms = (
        [1000 * one for process in found[floor] for one in process["times"]]
        for floor in (True, False)
    )
    counted = sum((Counter(process["counters"]) for process in found[False]), Counter[str]())
    whole = counted["files_written"] - counted["ends_written"]
    why = [
        f"{name.removeprefix('written whole: ')} {number}"
        for name, number in counted.most_common()
        if name.startswith("written whole")
    ]
    cells = [
        way,
        str(count),
        f"{statistics.median(floor_ms):.2f}",
        f"{statistics.median(ours_ms):.2f} ({p90(ours_ms):.2f})",
        f"{statistics.mean(ours_ms) / statistics.mean(floor_ms):.1f}",
        f"{whole} of {counted['files_written']:,}",
        "; ".join(why),
    ]
    return cells, kept == len(TURN) * count * turns * ROUNDS


def p90(values: list[float]) -> float:
    return sorted(values)[-(-len(values) * 9 // 10) - 1]


HEAD = """\
# Several processes

Made by `benchmarks/handover.py`; do not edit. Two messages of 1 kB are appended as fast as each
process can, to sessions that began with {first:,} messages, on {cores} cores. The floor is a line
appended under a lock of the file, and `fdatasync`. Milliseconds of a turn, waiting for the others
included: median, and in brackets the ninth decile; the ratio is that of the means. The first turn
of a session has no version before it that could be brought up to date.

| to | processes | floor | localsessions | ratio | written whole | why |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
"""


def compare(folder: str, turns: int) -> tuple[str, bool]:
    """Return the page, and whether no turn was lost."""
    page, is_whole = HEAD.format(first=FIRST, cores=os.cpu_count()), True
    fill(folder)
    for way in WAYS:
        for count in PROCESSES:
            cells, is_kept = row(folder, way, count, turns // count)
            page += f"| {' | '.join(cells)} |\n"
            is_whole &= is_kept
            print(" | ".join(cells), flush=True)
    return page, is_whole


def main() -> None:
    """Play the part that the arguments name; without arguments, the process that counts."""
    parser = argparse.ArgumentParser(description="What a turn costs among several processes.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--turns", type=int, default=200, help="of a round, of all processes")
    parser.add_argument("--role", choices=["append"], help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--who", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role == "append":
        found = append(chosen.folder, chosen.way, chosen.who, chosen.turns, chosen.floor)
        print(json.dumps(found))
        return
    with TemporaryDirectory(dir=chosen.folder) as folder:
        page, is_whole = compare(folder, chosen.turns)
    PAGE.write_text(page, "utf-8")
    print("every turn is there" if is_whole else "TURNS WERE LOST")
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
