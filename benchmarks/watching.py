"""How soon a watch reports an edit, beside a bare observer of watchdog, in the same run.

    python benchmarks/watching.py [--edits 500] [FOLDER]

The folder decides which file system is watched; without it, a temporary folder is used. The editor,
the watcher and the bare observer are three processes, so that none waits for another's interpreter.
All take the time from the same clock: the editor when its replace, its close or its verb has
returned, the others when they are called. A verb of a store returns some time after other processes
can see what it wrote, so its floor is less than zero.

Each kind of edit is made to many sessions, once to each, at random moments. The exit status is 1 if
an edit was not reported, or the p99 of any kind is above the aim.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import orjson

from localsessions import SessionChange, SessionStore

SESSIONS = 1_000
UNREADABLE_SHARE = 5
GAP_SECONDS = (0.005, 0.060)
PATIENCE_SECONDS = 5.0
AIM_MS = 100.0
LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
TEXT = "All happy sessions are alike; each unhappy one is torn in its own way. " * 14

Times: TypeAlias = dict[str, int]
"""Nanoseconds of the clock, by session."""

# By which events of watchdog the observer detects that an edit of each kind is over.
KINDS = {
    "replaced by a program": ("moved",),
    "written in place": ("closed",),
    "written by another store": ("moved", "created"),
    "made unreadable": ("closed",),
}


def document(title: str) -> bytes:
    """Return a session of 10 kB."""
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": TEXT} for number in range(10)
    ]
    return orjson.dumps({"title": title, "messages": messages}, option=LAYOUT)


# -- the editor ----------------------------------------------------------------------------------


def replace(path: Path) -> None:
    """Save as most editors do."""
    temp = path.with_name(f".{path.name}.tmp")
    temp.write_bytes(document("replaced"))
    os.replace(temp, path)


def write(path: Path, data: bytes) -> None:
    """Save as a shell does."""
    with path.open("wb", buffering=0) as file:
        file.write(data)


def edit(folder: str, kind: str, count: int) -> Times:
    """Edit so many sessions; return when each edit was done."""
    chance = random.Random(kind)
    done: Times = {}
    with SessionStore(folder) as store:
        acts: dict[str, Callable[[Path], object]] = {
            "replaced by a program": replace,
            "written in place": lambda path: write(path, document("in place")),
            "written by another store": lambda path: store.rename(path.stem, "stored"),
            "made unreadable": lambda path: write(path, document("broken")[:-9]),
        }
        for number in chance.sample(range(SESSIONS), count):
            time.sleep(chance.uniform(*GAP_SECONDS))
            path = Path(folder, f"session-{number:04}.json")
            acts[kind](path)
            done[path.stem] = time.time_ns()
    return done


# -- the bare observer ---------------------------------------------------------------------------


def observe(folder: str, kind: str) -> Times:
    """Observe with watchdog alone until standard input ends; return the first call for each."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    called: Times = {}

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in KINDS[kind]:
                path = os.fsdecode(event.dest_path or event.src_path)
                called.setdefault(Path(path).stem, time.time_ns())

    observer = Observer()
    observer.schedule(Handler(), folder)
    observer.start()
    print("ready", flush=True)
    sys.stdin.read()
    observer.stop()
    observer.join()
    return called


@contextmanager
def observing(folder: str, kind: str, found: Times) -> Iterator[None]:
    """Let a process observe meanwhile, and collect its results."""
    command = [sys.executable, __file__, "--role", "observe", "--kind", kind, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        found.update(json.loads(process.communicate()[0]))


# -- the watcher ---------------------------------------------------------------------------------


def measure(folder: str, store: SessionStore, kind: str, count: int) -> tuple[Times, Times, Times]:
    """Return when each edit was done, reported, and observed."""
    told: Times = {}
    observed: Times = {}

    def hear(change: SessionChange) -> None:
        told.setdefault(change.session_id, time.time_ns())

    command = [sys.executable, __file__, "--role", "edit", "--kind", kind, "--edits", str(count)]
    with store.watch(hear), observing(folder, kind, observed):
        made = subprocess.run([*command, folder], check=True, stdout=subprocess.PIPE)
        done: Times = json.loads(made.stdout)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done.keys() <= told.keys() and time.monotonic() < deadline:
            time.sleep(0.01)
    return done, told, observed


def delays(done: Times, called: Times) -> list[float]:
    """Return the milliseconds from each edit to the call, the shortest first."""
    return sorted((called[one] - at) / 1e6 for one, at in done.items() if one in called)


def report(kind: str, done: Times, told: Times, observed: Times) -> bool:
    """Print a row; return whether all edits were reported soon enough."""
    found, floor = delays(done, told), delays(done, observed)
    if len(found) < 2 or len(floor) < 2:
        print(f"{kind:24} | told {len(found)} of {len(done)}, observed {len(floor)}")
        return False
    late, least = p99(found), p99(floor)
    least_median = statistics.median(floor)
    ratio = f"{statistics.median(found) / least_median:6.1f} x" if least_median > 0 else "     -"
    print(
        f"{kind:24} | {len(found):4} of {len(done):4} | {statistics.median(found):6.1f} "
        f"{late:6.1f} {found[-1]:6.1f} ms | {least_median:6.2f} {least:6.2f} "
        f"{floor[-1]:6.2f} ms | {ratio}"
    )
    return len(found) == len(done) and late <= AIM_MS


def p99(ordered: list[float]) -> float:
    return ordered[-(-len(ordered) * 99 // 100) - 1]


def compare(folder: str, edits: int) -> bool:
    """Print the table; return whether each kind reaches the aim."""
    for number in range(SESSIONS):
        Path(folder, f"session-{number:04}.json").write_bytes(document("at first"))
    print(f"{'':24} | {'told':12} | {'watch':>6} {'p99':>6} {'max':>6}    | ", end="")
    print(f"{'floor':>6} {'p99':>6} {'max':>6}    | median")
    with SessionStore(folder) as store:
        store.list()
        reached = True
        for kind in KINDS:
            count = edits // UNREADABLE_SHARE if kind == "made unreadable" else edits
            reached &= report(kind, *measure(folder, store, kind, count))
        return reached


def main() -> None:
    """Play the part that the arguments name; without arguments, watch and report."""
    parser = argparse.ArgumentParser(description="How soon a watch tells of an edit.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--edits", type=int, default=500, help=f"at most {SESSIONS}")
    parser.add_argument("--role", choices=["edit", "observe"], help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=list(KINDS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role == "edit":
        print(json.dumps(edit(chosen.folder, chosen.kind, chosen.edits)))
    elif chosen.role == "observe":
        print(json.dumps(observe(chosen.folder, chosen.kind)))
    else:
        with TemporaryDirectory(dir=chosen.folder) as folder:
            reached = compare(folder, chosen.edits)
        print(f"aim: each told, p99 at most {AIM_MS:.0f} ms: {'reached' if reached else 'MISSED'}")
        sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
