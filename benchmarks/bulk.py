"""Many sessions together against one by one: ``python -m benchmarks.bulk [--folder FOLDER]``.

Both ways do the same to sessions of two messages, in alternating rounds. Before each round the disk
may come to rest. Every round has its own stores, and nothing is removed before the last: if a disk
is told of free blocks (``discard``), it keeps working on that for a while.

The floor does with bare calls what a store has to do to the files: write each to a temp file and
sync it, rename it, sync the folder. It does this one by one, and together with several threads and
one sync of the folder for each batch. Its gain is the most that the disk can give.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

from localsessions import Session, SessionStore
from localsessions.transcripts import import_paths

__all__ = ["ALONE", "FLOORS", "TOGETHER", "VERBS", "measure"]

VERBS = ("create", "save", "delete", "import")
FLOORS = {"create": "make", "save": "replace", "import": "make"}
ALONE, TOGETHER = "one by one", "together"
_BATCH, _THREADS = 128, 4
_TEXT = "All work and no play makes a dull page. " * 25


def measure(folder: Path, count: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of each round, by verb and way; raise if the two did different work."""
    found: dict[tuple[str, str], list[float]] = {}
    paths = list(_transcripts(folder / "transcripts", count))
    for at in range(rounds):
        for way in (ALONE, TOGETHER)[:: 1 if at % 2 else -1]:
            with SessionStore(folder / f"{way} {at}") as store:
                for verb, seconds in _round(store, way, count, paths):
                    found.setdefault((verb, way), []).append(seconds)
            for verb, seconds in _bare_round(folder / f"bare {way} {at}", way, count):
                found.setdefault((verb, way), []).append(seconds)
    return found


def _bare_round(folder: Path, way: str, count: int) -> Iterator[tuple[str, float]]:
    folder.mkdir()
    data = orjson.dumps(_session(0).messages, option=orjson.OPT_INDENT_2)

    def write(number: int) -> None:
        fd = os.open(folder / f"{number}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)

    def publish(numbers: Sequence[int]) -> None:
        for number in numbers:
            (folder / f"{number}.tmp").rename(folder / f"{number}.json")
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def one_by_one() -> None:
        for number in range(count):
            write(number)
            publish([number])

    def together() -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            for begin in range(0, count, _BATCH):
                batch = range(begin, min(begin + _BATCH, count))
                list(pool.map(write, batch))
                publish(batch)

    act = one_by_one if way == ALONE else together
    yield "make", _timed(act)
    yield "replace", _timed(act)


def _transcripts(folder: Path, count: int) -> Iterator[str]:
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"imported-{number}.json"
        path.write_text(json.dumps({"messages": _session(number).messages}), "utf-8")
        yield str(path)


def _round(
    store: SessionStore, way: str, count: int, paths: Sequence[str]
) -> Iterator[tuple[str, float]]:
    sessions = [_session(number) for number in range(count)]
    ids = [session.session_id for session in sessions]
    if way == ALONE:
        yield "create", _timed(lambda: [store.save(one) for one in sessions])
        _change(sessions)
        yield "save", _timed(lambda: [store.save(one) for one in sessions])
        yield "delete", _timed(lambda: [store.delete(one) for one in ids])
        yield "import", _timed(lambda: [import_paths(store, [path]) for path in paths])
    else:
        yield "create", _timed(lambda: store.create_many(sessions))
        _change(sessions)
        yield "save", _timed(lambda: store.save_many(sessions))
        yield "delete", _timed(lambda: store.delete_many(ids))
        yield "import", _timed(lambda: import_paths(store, paths))
    if (store.count(), len(store.trash())) != (count, count):
        raise AssertionError(f"{way}: {store.count()} sessions, {len(store.trash())} in the trash")


def _session(number: int) -> Session:
    messages = [{"role": role, "content": _TEXT} for role in ("user", "assistant")]
    return Session(session_id=f"session-{number}", messages=[{**one} for one in messages])


def _change(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.title = "changed"


def _timed(act: Callable[[], object]) -> float:
    os.sync()
    gc.collect()
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a line for each verb, and for each floor."""
    parser = argparse.ArgumentParser(prog="benchmarks.bulk")
    parser.add_argument("--folder", type=Path, help="where to store; default: .bench")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(__file__).resolve().parent.parent / ".bench"
    folder.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder))
    try:
        found = measure(made, chosen.count, chosen.rounds)
    finally:
        shutil.rmtree(made)
    print(f"milliseconds a session, {chosen.count:,} sessions, median of {chosen.rounds} rounds")
    for verb in (*VERBS, "make", "replace"):
        alone, together = (
            statistics.median(found[verb, way]) / chosen.count * 1e3 for way in (ALONE, TOGETHER)
        )
        ratio = alone / together
        print(f"{verb:8} one by one {alone:.3f}  together {together:.3f}  {ratio:.2f} times")


if __name__ == "__main__":
    main()
