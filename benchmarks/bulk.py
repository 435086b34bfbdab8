"""Many sessions together against one by one: ``python -m benchmarks.bulk [--folder FOLDER]``.

Both do the same to sessions of two messages, taking turns round by round; the disk is let come to
rest before each. Every round has stores of its own, and nothing is removed before the last: where
a disk is told of blocks that are free (``discard``), it goes on working on that for a while.
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
from pathlib import Path

from localsessions import Session, SessionStore
from localsessions.formats import import_paths

__all__ = ["ALONE", "TOGETHER", "VERBS", "measure"]

VERBS = ("create", "save", "delete", "import")
ALONE, TOGETHER = "one by one", "together"
_TEXT = "All work and no play makes a dull page. " * 25


def measure(folder: Path, count: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of each round, by verb and way; both do the same work or it raises."""
    found: dict[tuple[str, str], list[float]] = {}
    paths = list(_transcripts(folder / "transcripts", count))
    for at in range(rounds):
        for way in (ALONE, TOGETHER)[:: 1 if at % 2 else -1]:
            with SessionStore(folder / f"{way} {at}") as store:
                for verb, seconds in _round(store, way, count, paths):
                    found.setdefault((verb, way), []).append(seconds)
    return found


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
    """Measure, and print a line for each verb."""
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
    for verb in VERBS:
        alone, together = (
            statistics.median(found[verb, way]) / chosen.count * 1e3 for way in (ALONE, TOGETHER)
        )
        ratio = alone / together
        print(f"{verb:8} one by one {alone:.3f}  together {together:.3f}  {ratio:.2f} times")


if __name__ == "__main__":
    main()
