"""What an answer costs that is stored while it is said, beside one append of all of it.

    python benchmarks/streaming.py [--rounds 9] [--seconds 3] [FOLDER]

The folder decides which file system is measured; without it, a temporary folder is used. An answer
has 1,000 deltas of 20 bytes. It is stored in four ways, in turn, in a session of few and in one of
many messages:

    appended      one ``append`` of the whole answer, when it is complete
    at once       ``streaming``, the deltas as fast as they can be written
    as models do  ``streaming``, the deltas spread over some seconds; what counts is the time that
                  the writer spends in ``write`` and at both ends, not the time between the deltas
    by hand       an ``upsert_run`` for each delta, as one would do without ``streaming``; of 50
                  deltas, times 20

The exit status is 1 if an answer was not stored whole, or an aim was missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

from localsessions import SessionStore

DELTAS = ["0123456789 abcdefgh "] * 1_000
ANSWER = "".join(DELTAS)
FEW, MANY = 10, 10_000
BY_HAND = 50
# The beginning is a write, the end is one, and what lies between is flushed once or not at all.
AIM_AT_ONCE = 6.0
# Each flush writes the end of the file, as an append does; the message is longer each time.
AIM_A_WRITE = 6.0


def appended(store: SessionStore, name: str) -> float:
    """Return the seconds for one append."""
    begun = time.perf_counter()
    store.append(name, {"role": "assistant", "content": ANSWER})
    return time.perf_counter() - begun


def at_once(store: SessionStore, name: str) -> float:
    """Return the seconds for an answer whose deltas come as fast as they are written."""
    begun = time.perf_counter()
    with store.streaming(name) as draft:
        for delta in DELTAS:
            draft.write(delta)
    return time.perf_counter() - begun


def as_models_do(store: SessionStore, name: str, seconds: float) -> float:
    """Return the seconds that the store takes of an answer that is said in so many seconds."""
    pause, spent = seconds / len(DELTAS), 0.0
    begun = time.perf_counter()
    stream = store.streaming(name)
    with stream as draft:
        spent += time.perf_counter() - begun
        due = time.perf_counter()
        for delta in DELTAS:
            due += pause
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
            begun = time.perf_counter()
            draft.write(delta)
            spent += time.perf_counter() - begun
        begun = time.perf_counter()
    return spent + time.perf_counter() - begun


def by_hand(store: SessionStore, name: str) -> float:
    """Return the seconds for an ``upsert_run`` for each delta; most of them are computed."""
    run = {"run_id": f"r{time.time_ns()}", "status": "RUNNING"}
    message = {"id": run["run_id"], "role": "assistant"}
    begun = time.perf_counter()
    for count in range(BY_HAND):
        store.upsert_run(name, run, {**message, "content": "".join(DELTAS[: count + 1])})
    spent = time.perf_counter() - begun
    store.upsert_run(name, run, {**message, "content": ANSWER})
    return spent / BY_HAND * len(DELTAS)


def measure(store: SessionStore, name: str, rounds: int, seconds: float) -> bool:
    """Print the rows of a session; return whether the aims were reached."""
    ways: dict[str, Callable[[], float]] = {
        "appended": lambda: appended(store, name),
        "at once": lambda: at_once(store, name),
        "as models do": lambda: as_models_do(store, name, seconds),
        "by hand": lambda: by_hand(store, name),
    }
    slow = ("as models do", "by hand")
    taken: dict[str, list[float]] = {way: [] for way in ways}
    before, writes = len(store.load(name).messages), 0
    for number in range(rounds):
        for way, act in ways.items():
            if way not in slow or number < 2:
                revision = store.load(name).revision
                taken[way].append(act())
                writes = store.load(name).revision - revision if way == slow[0] else writes
    answers = [one["content"] for one in store.load(name).messages[before:]]
    found = {way: statistics.median(times) for way, times in taken.items()}
    for way, median in found.items():
        ratio = median / found["appended"]
        print(f"{before:7,} | {way:13} | {1e3 * median:9.2f} ms | {ratio:8.1f} x")
    slowly, a_write = found["as models do"], found["as models do"] / writes / found["appended"]
    print(
        f"{before:7,} | in {seconds:g} s {writes} writes, {slowly / seconds:.1%} of the time, "
        f"each {a_write:.1f} x"
    )
    return (
        answers == [ANSWER] * sum(map(len, taken.values()))
        and found["at once"] <= AIM_AT_ONCE * found["appended"]
        and a_write <= AIM_A_WRITE
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What an answer costs while it is said.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    chosen = parser.parse_args()
    with TemporaryDirectory(dir=chosen.folder) as folder, SessionStore(folder) as store:
        reached = True
        for count in (FEW, MANY):
            name = f"of-{count}"
            said = [
                {"role": "user", "content": f"{number} " + "x" * 1_000} for number in range(count)
            ]
            store.create(name, messages=said)
            appended(store, name)
            reached &= measure(store, name, chosen.rounds, chosen.seconds)
    told = "reached" if reached else "MISSED"
    print(f"aim: at once at most {AIM_AT_ONCE:g} x, a write at most {AIM_A_WRITE:g} x: {told}")
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
