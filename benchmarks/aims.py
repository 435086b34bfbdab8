"""What this store has to reach, as ratios within a run, and what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import bulk
from benchmarks.imports import BASE
from benchmarks.results import REAL, Results

OURS = "localsessions"


@dataclass(frozen=True, slots=True)
class Aim:
    """A row: the aim, its upper limit, the measured value; None if it was not measured."""

    what: str
    most: str
    measured: str
    reached: bool | None


def aims(results: Results) -> list[Aim]:
    """Return every aim, in the order of the page."""
    found: list[Callable[[Results], Iterator[Aim]]] = [
        _turns,
        _whole,
        _listing,
        _stores,
        _many,
        _real,
        _import,
    ]
    return [aim for of in found for aim in of(results)]


def _turns(results: Results) -> Iterator[Aim]:
    sizes = _measured(results, "turn")
    if not sizes:
        return
    first, last = sizes[0], sizes[-1]
    growth = results.ratio(("turn", last, OURS), ("turn", first, OURS))
    yield _ratio(f"a turn at {last:,} messages, against one at {first:,}", 1.3, growth)
    floor = results.ratio(("turn", last, OURS), ("turn", last, "append"))
    yield _ratio(f"a turn at {last:,} messages, against a line appended", 2.5, floor)
    yield _against_peers(results, sizes)


def _against_peers(results: Results, sizes: list[int]) -> Aim:
    slower = []
    for size in sizes:
        ours = results.median("turn", size, OURS)
        for peer in results.contestants:
            theirs = results.median("turn", size, peer["name"])
            durable = peer["kind"] == "peer" and results.is_durable(peer["name"])
            if durable and ours is not None and theirs is not None and theirs < ours:
                slower.append(f"{peer['label']} at {size:,}")
    measured = "slower than " + ", ".join(slower) if slower else "faster"
    return Aim("a turn, against every durable peer, at every size", "faster", measured, not slower)


def _whole(results: Results) -> Iterator[Aim]:
    for size in _measured(results, "save"):
        ratio = results.ratio(("save", size, OURS), ("save", size, "rewrite"))
        yield _ratio(f"saving {size:,} messages whole, against writing the file", 1.3, ratio)
    for size in _measured(results, "load")[-1:]:
        ratio = results.ratio(("load", size, OURS), ("load", size, "rewrite"))
        yield _ratio(f"loading {size:,} messages, against reading and parsing", 1.25, ratio)
    for size in _measured(results, "memory")[-1:]:
        ratio = results.ratio(("memory", size, OURS), ("memory", size, "rewrite"))
        yield _ratio("memory of that load, against reading and parsing", 1.5, ratio)


def _listing(results: Results) -> Iterator[Aim]:
    for size in _measured(results, "list")[-1:]:
        medians = [results.median(workload, size, OURS) for workload in ("list", "filter", "page")]
        told = [f"{median * 1e3:.2f}" for median in medians if median is not None]
        slowest = max(median for median in medians if median is not None)
        what = f"listing 50 of {size:,}: the newest, one user's, from the middle; no look due"
        yield Aim(what, "1 ms", ", ".join(told) + " ms", slowest <= 1e-3)


def _stores(results: Results) -> Iterator[Aim]:
    for size in _measured(results, "open")[-1:]:
        ratio = results.ratio(("open", size, OURS), ("scan", size, "rewrite"))
        yield _ratio(f"opening {size:,} sessions and listing, against looking at all", 2.0, ratio)
    for size in _measured(results, "rebuild")[-1:]:
        ratio = results.ratio(("rebuild", size, OURS), ("rebuild", size, "rewrite"))
        yield _ratio(f"rebuilding the index of {size:,}, against parsing all files", 2.0, ratio)


def _many(results: Results) -> Iterator[Aim]:
    for verb in bulk.VERBS:
        workload = f"{verb} many"
        for size in results.sizes(workload)[-1:]:
            alone, together = (workload, size, bulk.ALONE), (workload, size, bulk.TOGETHER)
            ratio = results.ratio(alone, together)
            measured = "not measured" if ratio is None else f"{ratio:.1f} times as fast"
            floor = f"{bulk.FLOORS.get(verb)} many"
            bare = results.ratio((floor, size, bulk.ALONE), (floor, size, bulk.TOGETHER))
            if bare is not None:
                measured += f"; bare calls {bare:.1f}"
            what = f"{verb}: {size:,} sessions together, against one by one"
            yield Aim(what, "3 times as fast", measured, None if ratio is None else ratio >= 3)


def _real(results: Results) -> Iterator[Aim]:
    lists = {
        what.removeprefix(f"{REAL}list: "): median
        for what, size in results.real()
        if what.startswith(f"{REAL}list: ") and (median := results.median(what, size, OURS))
    }
    if lists:
        slowest = max(lists, key=lambda what: lists[what])
        told = f"{lists[slowest] * 1e3:.2f} ms ({slowest})"
        what = f"real transcripts: the slowest of {len(lists)} ways to list 50; no look due"
        yield Aim(what, "1 ms", told, lists[slowest] <= 1e-3)
    for what, size in results.real():
        told = what.removeprefix(REAL)
        if told in {"open and list", "rebuild", "after 1 changed"}:
            ratio = results.ratio((what, size, OURS), (what, size, "rewrite"))
            yield _ratio(f"real transcripts, {size:,}: {told}, against its floor", 2.0, ratio)


def _import(results: Results) -> Iterator[Aim]:
    ratio = results.ratio(("package", 0, OURS), ("package", 0, BASE))
    yield _ratio("`import localsessions`, against `from pydantic import BaseModel`", 1.6, ratio)


def _measured(results: Results, workload: str) -> list[int]:
    return [size for size in results.sizes(workload) if results.median(workload, size, OURS)]


def _ratio(what: str, most: float, ratio: float | None) -> Aim:
    if ratio is None:
        return Aim(what, f"{most:g} times", "not measured", None)
    return Aim(what, f"{most:g} times", f"{ratio:.2f} times", ratio <= most)
