"""What a store of many sessions costs, beside the least that the same question asks of the disk.

    python -m benchmarks.size [--sessions 100000] [--rounds 15] FOLDER

The sessions are those of examples/transcripts, repeated; each file has its own id, user, agent and
times. It prints JSON: for each act the seconds of each round, for the store and for its floor,
which alternate. ``make bench`` runs it in a separate process.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks.contestants.rewrite_floor import LAYOUT, read
from localsessions import SessionStore

ROOT = Path(__file__).resolve().parent.parent
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
APART = timedelta(minutes=10)
"""Time between two sessions; a cleanup counts from the time of its look."""
USERS, AGENTS = 7, 2
PAGE = 50
CHANGES = (1, 100, 10_000)
CLEANED = 10_000
SLOW_ROUNDS = 3
REVISION = b'\n  "revision": '
GRAIN_SECONDS = 0.1
"""After this time, the times of a file are reliable."""


class Act(NamedTuple):
    """Something that is timed; ``ready`` runs before each round and is not timed."""

    what: str
    ours: Callable[[], object]
    floor: Callable[[], object] | None = None
    ready: Callable[[], object] = lambda: None
    is_slow: bool = False


# -- the sessions --------------------------------------------------------------------------------


def documents() -> list[dict[str, Any]]:
    """Return the sessions of all transcripts, as files hold them."""
    from localsessions import _codec
    from localsessions.transcripts import read_transcript

    return [
        orjson.loads(_codec.encode(session))
        for file in sorted((ROOT / "examples" / "transcripts").rglob("*"))
        if file.suffix in {".json", ".jsonl", ".traj"}
        for session in read_transcript(file).sessions
    ]


def stamp(number: int) -> str:
    """Return when a session was active."""
    instant = BEGIN + number * APART
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_sessions(folder: Path, count: int) -> None:
    """Write so many sessions; the last was active last."""
    folder.mkdir(parents=True)
    made = documents()
    for number in range(count):
        own = {
            "session_id": f"session-{number:06}",
            "user_id": f"user-{number % USERS}",
            "agent_id": f"agent-{number % AGENTS}",
            "created_at": stamp(number),
            "last_activity": stamp(number),
            "updated_at": stamp(number),
        }
        document = made[number % len(made)] | own
        ours = {name: document[name] for name in _order() if name in document}
        path = folder / f"session-{number:06}.json"
        path.write_bytes(orjson.dumps(ours | document, option=LAYOUT))


def _order() -> list[str]:
    from localsessions.models import Session

    return list(Session.model_fields)


# -- the floors ----------------------------------------------------------------------------------


def paths(folder: Path) -> list[str]:
    """Return the files of all sessions."""
    with os.scandir(folder) as entries:
        return [entry.path for entry in entries if entry.name.endswith(".json")]


def look(folder: Path) -> int:
    """Look at every file."""
    with os.scandir(folder) as entries:
        return len([entry.stat() for entry in entries])


def parse(files: list[str]) -> int:
    """Read and parse some files."""
    return len([len(orjson.loads(read(Path(path)))) for path in files])


def move(files: list[str], into: Path) -> None:
    """Move files to another folder, durably one by one; and back, which costs little."""
    into.mkdir(exist_ok=True)
    folders = [os.open(place, os.O_RDONLY) for place in (into, Path(files[0]).parent)]
    for path in files:
        os.rename(path, into / Path(path).name)
        for folder in folders:
            os.fsync(folder)
    for folder in folders:
        os.close(folder)
    for path in files:
        os.rename(into / Path(path).name, path)


# -- the acts ------------------------------------------------------------------------------------


def listings(store: SessionStore, folder: Path, count: int) -> Iterator[Act]:
    """Yield every way to list; a look at the folder is due in none of them."""
    middle = store.list(limit=count // 2).next_cursor
    middle_of_user = store.list(limit=count // 2 // USERS, user_id="user-1").next_cursor
    half = {"since": BEGIN + count // 4 * APART, "until": BEGIN + count // 2 * APART}
    ways: dict[str, dict[str, Any]] = {
        "the newest 50": {},
        "one user's": {"user_id": "user-1"},
        "one agent's": {"agent_id": "agent-1"},
        "of one status": {"status": "active"},
        "a user's with an agent": {"user_id": "user-1", "agent_id": "agent-1"},
        "of a time": half,
        "the oldest": {"order": "last_activity"},
        "made last": {"order": "-created_at"},
        "the largest": {"order": "-size_bytes"},
        "a page from the middle": {"cursor": middle},
        "one user's, from the middle": {"cursor": middle_of_user, "user_id": "user-1"},
    }
    for what, way in ways.items():
        found = store.list(limit=PAGE, **way)
        if len(found) != PAGE:
            raise AssertionError(f"{what}: {len(found)} of {PAGE}")
        files = [str(folder / f"{one.session_id}.json") for one in found]
        yield Act(
            f"list: {what}",
            partial(store.list, limit=PAGE, **way),
            partial(look_at, files),
        )


def counts(store: SessionStore, count: int) -> Iterator[Act]:
    """Yield the questions whose answer is a number, and a search."""
    if store.count() != count or store.count(user_id="user-0") != -(-count // USERS):
        raise AssertionError("a count is wrong")
    yield Act("count: all", store.count)
    yield Act("count: one user's", lambda: store.count(user_id="user-1"))
    yield Act("count: the live", lambda: store.count(live=True))
    yield Act("stats", store.stats)


def wholes(store: SessionStore, folder: Path, files: list[str]) -> Iterator[Act]:
    """Yield the acts that look at all sessions, or read them all."""

    def open_and_list() -> None:
        with SessionStore(folder) as opened:
            if len(opened.list(limit=PAGE)) != PAGE:
                raise AssertionError("not all are there")

    yield Act("open and list", open_and_list, lambda: look(folder))
    yield Act("look at the folder", lambda: store.list(fresh=True), lambda: look(folder))
    for changes in CHANGES:
        few = files[:: max(1, len(files) // changes)][:changes]
        yield Act(
            f"after {len(few):,} changed",
            lambda: store.list(fresh=True),
            partial(look_and_parse, folder, few),
            partial(touch, few),
            is_slow=changes > 1_000,
        )
    yield Act("rebuild", lambda: rebuilt(store, len(files)), lambda: parse(files), is_slow=True)


def look_at(files: list[str]) -> None:
    """Look at each of some files."""
    for path in files:
        os.lstat(path)


def look_and_parse(folder: Path, files: list[str]) -> None:
    """Look at a folder, and parse some of its files."""
    look(folder)
    parse(files)


def touch(files: list[str]) -> None:
    """Change a digit in each file as another program would, and wait until their times are old."""
    for path in files:
        with Path(path).open("r+b") as file:
            place = file.read().rindex(REVISION) + len(REVISION)
            file.seek(place)
            digit = int(file.read(1))
            file.seek(place)
            file.write(b"%d" % (digit % 9 + 1))
    time.sleep(GRAIN_SECONDS)


def rebuilt(store: SessionStore, count: int) -> None:
    """Rebuild the index."""
    if store.reindex() != count:
        raise AssertionError("the index does not hold all")


def search(store: SessionStore) -> Iterator[Act]:
    """Yield the search; the first search indexes the words of all sessions."""
    yield Act("search", lambda: store.search("historical puzzle", limit=20))


def cleaning(store: SessionStore, folder: Path, count: int) -> Iterator[Act]:
    """Yield a cleanup of the oldest sessions, and its dry run."""
    old = min(CLEANED, count // 2)
    end = BEGIN + (old - 0.5) * APART
    files = [str(folder / f"session-{number:06}.json") for number in range(old)]

    def clean(*, dry_run: bool) -> None:
        age = datetime.now(UTC) - end
        if len(store.cleanup(max_age=age, dry_run=dry_run).deleted) != old:
            raise AssertionError("not all old ones were found")

    def floor() -> None:
        move(files, folder / ".floor")
        shutil.rmtree(folder / ".floor")

    yield Act(
        f"cleanup of {old:,}, tried",
        lambda: clean(dry_run=True),
        lambda: (look(folder), [os.lstat(path) for path in files]),
    )
    yield Act(f"cleanup of {old:,}", lambda: clean(dry_run=False), floor, is_slow=True)


# -- the run -------------------------------------------------------------------------------------


def settle(store: SessionStore) -> None:
    """Look until the index believes what it saw."""
    for _ in range(100):
        before = store.stats().counters["files_read"]
        store.list(fresh=True)
        if store.stats().counters["files_read"] == before:
            return
        time.sleep(GRAIN_SECONDS)
    raise AssertionError("the index does not settle")


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds an act took."""
    gc.collect()
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def measure(act: Act, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round; the floor runs before or after the store, in turn."""
    ours: list[float] = []
    floor: list[float] = []
    print(f"  {act.what}", file=sys.stderr, flush=True)
    for number in range(min(rounds, SLOW_ROUNDS) if act.is_slow else rounds):
        act.ready()
        steps = [(ours, act.ours), *([(floor, act.floor)] if act.floor else [])]
        for seconds, step in steps if number % 2 else reversed(steps):
            seconds.append(timed(step))
    return {"ours": ours, "floor": floor}


def run(folder: Path, count: int, rounds: int) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Create the store and measure everything; the folder is removed at the end."""
    write_sessions(folder, count)
    try:
        with SessionStore(folder) as store:
            settle(store)
            for acts in (listings(store, folder, count), counts(store, count)):
                yield from ((act.what, measure(act, rounds)) for act in acts)
        with SessionStore(folder) as store:
            for act in wholes(store, folder, paths(folder)):
                yield act.what, measure(act, rounds)
            first = Act("search, the first", lambda: store.search("puzzle"))
            yield first.what, measure(first, 1)
            for act in search(store):
                yield act.what, measure(act, rounds)
            for act in cleaning(store, folder, count):
                yield act.what, measure(act, 1)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.size", description="A store of many sessions."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    json.dump(dict(run(chosen.folder, chosen.sessions, chosen.rounds)), sys.stdout)


if __name__ == "__main__":
    main()
