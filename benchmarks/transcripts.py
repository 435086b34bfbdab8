"""What importing real transcripts costs, beside parsing the same bytes.

    python benchmarks/transcripts.py [FOLDER]

It imports the transcripts of a folder, by default examples/transcripts, into a new durable store,
and parses the same files with ``orjson.loads``, round by round in turn. A ratio says more than
seconds: it is much the same on every machine. Then it tells in which modules the time of an import
goes, and how much memory the file with the largest session takes.
"""

from __future__ import annotations

import cProfile
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from types import CodeType

import orjson

from localsessions import SessionStore
from localsessions.format import encode
from localsessions.transcripts import import_paths, read_transcript

ROOT = Path(__file__).parent.parent
TRANSCRIPTS = ROOT / "examples" / "transcripts"
ROUNDS = 7
SHOWN = 12
MANY = 20


def transcripts_in(folder: Path) -> dict[str, list[Path]]:
    """Return the JSON files of a folder that hold sessions, and apart those with many."""
    found: dict[str, list[Path]] = {"chats": [], "lists of chats": []}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".traj"):
            count = len(read_transcript(path).sessions)
            if count:
                found["lists of chats" if count > MANY else "chats"].append(path)
    return {kind: paths for kind, paths in found.items() if paths}


def parse(files: list[bytes]) -> None:
    """Parse files as the floor does: a document at once, or line by line."""
    for data in files:
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            for line in data.splitlines():
                with suppress(orjson.JSONDecodeError):
                    orjson.loads(line)


def bring_in(paths: list[Path]) -> float:
    """Import files into a new store beside the project, on its disk; return the seconds."""
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder,
        SessionStore(f"{folder}/sessions") as store,
    ):
        return seconds(lambda: import_paths(store, paths))


def seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def rates(paths: list[Path]) -> dict[str, float]:
    """Return how many megabytes a second each act does: the medians of the rounds."""
    files = [path.read_bytes() for path in paths]
    size = sum(map(len, files)) / 1e6
    acts: dict[str, Callable[[], float]] = {
        "orjson.loads": lambda: seconds(lambda: parse(files)),
        "read_transcript": lambda: seconds(lambda: [read_transcript(path) for path in paths]),
        "import, durable": lambda: bring_in(paths),
    }
    rounds = [{name: size / act() for name, act in acts.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(each[name] for each in rounds) for name in acts}


def shares(paths: list[Path]) -> list[tuple[str, float]]:
    """Return which part of the time of an import each module takes itself, the most first."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(bring_in, paths)
    spent: defaultdict[str, float] = defaultdict(float)
    for entry in profile.getstats():
        spent[_place(entry.code)] += entry.inlinetime
    whole = sum(spent.values())
    most = sorted(spent.items(), key=itemgetter(1), reverse=True)[:SHOWN]
    return [(name, own / whole) for name, own in most]


def _place(code: CodeType | str) -> str:
    """Return the module of some code; of what is built in, its name."""
    if isinstance(code, str):
        return code
    at = code.co_filename.rfind("localsessions")
    return code.co_filename[at:] if at >= 0 else Path(code.co_filename).name


def memory(path: Path) -> int:
    """Return how many bytes Python takes at most to import a file."""
    tracemalloc.start()
    try:
        bring_in([path])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def largest(paths: list[Path]) -> tuple[Path, int]:
    """Return the file with the largest session, and the size of the session in the store."""
    sizes = {
        path: max(len(encode(session)) for session in read_transcript(path).sessions)
        for path in paths
    }
    found = max(sizes, key=sizes.__getitem__)
    return found, sizes[found]


def main() -> None:
    """Measure and print three tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TRANSCRIPTS
    for kind, paths in transcripts_in(folder).items():
        size = sum(path.stat().st_size for path in paths) / 1e6
        print(f"{kind}: {len(paths)} files, {size:.1f} MB")
        found = rates(paths)
        for name, rate in found.items():
            print(f"  {name:22}{rate:>9.1f} MB/s{found['orjson.loads'] / rate:>8.1f}")
        print("  where the time of the import goes, by the process's own clock:")
        for name, share in shares(paths):
            print(f"  {share:>6.1%}  {name}")
        path, largest_bytes = largest(paths)
        taken = memory(path)
        print(
            f"  {path.name}: {taken / 1e6:.1f} MB of memory,"
            f" its largest session {largest_bytes / 1e6:.1f} MB\n"
        )


if __name__ == "__main__":
    main()
