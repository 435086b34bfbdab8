"""What one turn asks of the system, counted by strace, which is attached to the running child.

It counts syncs, renames, locks and the bytes written below the contestant's folder. Whether a turn
is durable and whole is derived from these counts, not from documentation.
"""

from __future__ import annotations

import re
import shutil
import signal
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.player import Player

TURNS = 4
_BEGUN = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_RESULT = re.compile(r"\) += (-?\d+)")
_WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "pwritev2"})
_SYNCS = frozenset({"fsync", "fdatasync"})
_MOVES = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})
_CALLS = sorted(_WRITES | _SYNCS | _MOVES | {"flock", "fcntl", "openat"})
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Durability:
    """What a turn did; for several turns, the median of each number.

    Attributes:
        durable: Whether something was synced; if a file was renamed into place, whether that file
            and its folder were.
        syncs: Calls of fsync and fdatasync, on any file or folder.
        renames: Files that replaced other files.
        locks: Locks against other processes.
        written: Bytes written to files.
        manner: How the session changed, in words.
    """

    durable: bool
    syncs: int
    renames: int
    locks: int
    written: int
    manner: str

    def as_document(self) -> dict[str, Any]:
        """Return its form in the results."""
        return asdict(self)


def durability_of(player: Player, session: str) -> Durability | None:
    """Let a contestant do a few turns and count; None if strace cannot be used."""
    if shutil.which("strace") is None:
        return None
    log = player.folder / "strace.log"
    counted = []
    for _ in range(TURNS):
        with log.open("wb"):
            pass
        if not _traced_turn(player, session, log):
            return None
        lines = log.read_text("utf-8", errors="replace").splitlines()
        counted.append(count(lines, str(player.folder)))
    return typical(counted)


def _traced_turn(player: Player, session: str, log: Path) -> bool:
    calls = ",".join(f"?{name}" for name in _CALLS)
    command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={calls}", "-o", str(log)]
    with subprocess.Popen(
        [*command, "-p", str(player.pid)], stderr=subprocess.PIPE, text=True
    ) as tracer:
        assert tracer.stderr is not None
        if "attached" not in tracer.stderr.readline():
            return False
        player.ask("turn", session=session)
        tracer.send_signal(signal.SIGINT)
    return True


def typical(counted: list[Durability]) -> Durability:
    """Return the lower median of each number, and the manner of the last turn."""
    numbers = {
        name: statistics.median_low(getattr(one, name) for one in counted)
        for name in ("syncs", "renames", "locks", "written")
    }
    durable = all(one.durable for one in counted)
    return Durability(durable, **numbers, manner=counted[-1].manner)


def count(lines: Iterable[str], folder: str) -> Durability:
    """Return the counts from the lines of a trace, below a folder."""
    trace = _Trace()
    for name, arguments, result in _calls(lines):
        if folder in arguments and result >= 0:
            trace.see(name, arguments, result)
    return trace.durability()


class _Trace:
    """What was seen so far."""

    def __init__(self) -> None:
        self.synced: list[str] = []
        self.moves: dict[str, list[str]] = {"rename": [], "link": []}
        self.written: dict[str, int] = defaultdict(int)
        self.locks = 0
        self.truncated = False

    def see(self, name: str, arguments: str, result: int) -> None:
        if name in _WRITES:
            self.written[_path(arguments)] += result
        elif name in _SYNCS:
            self.synced.append(_path(arguments))
        elif name == "openat":
            self.truncated |= "O_TRUNC" in arguments
        elif name in {"fcntl", "flock"}:
            write_lock = "SETLK" in arguments and "F_WRLCK" in arguments
            self.locks += write_lock or "LOCK_EX" in arguments
        else:
            self.moves["rename" if "rename" in name else "link"].append(arguments)

    def durability(self) -> Durability:
        renames, links = self.moves["rename"], self.moves["link"]
        # strace writes the arguments of a rename in quotation marks. A synced file may have been
        # moved since; then its descriptor has the later name.
        file = any(_is_named(path, [*renames, *links]) for path in self.synced)
        folder = any(f'"{path}/' in one for path in self.synced for one in renames)
        return Durability(
            file and folder if renames else bool(self.synced),
            len(self.synced),
            len(renames),
            self.locks,
            sum(self.written.values()),
            self._manner(is_synced=file),
        )

    def _manner(self, *, is_synced: bool) -> str:
        if self.moves["rename"]:
            new = "second inode lengthened" if self.moves["link"] else "new file"
            return f"{new}, synced, renamed" if is_synced else f"{new}, renamed"
        if any(path.endswith("-wal") for path in self.written):
            return "SQLite, write-ahead log"
        if any(path.endswith("-journal") for path in self.written):
            return "SQLite, rollback journal"
        return "written over in place" if self.truncated else "appended in place"


def _is_named(path: str, moves: list[str]) -> bool:
    return any(f'{path.rpartition("/")[2]}"' in one for one in moves)


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Yield name, arguments and result of each call; join calls that strace shows in two parts."""
    waiting: dict[tuple[str, str], str] = {}
    for line in lines:
        if begun := _BEGUN.match(line):
            key, rest = (begun["pid"], begun["name"]), begun["rest"]
            if rest.endswith(_UNFINISHED):
                waiting[key] = rest.removesuffix(_UNFINISHED)
                continue
        elif resumed := _RESUMED.match(line):
            key = (resumed["pid"], resumed["name"])
            rest = waiting.pop(key, "") + resumed["rest"]
        else:
            continue
        result = _RESULT.search(rest)
        if result:
            yield key[1], rest, int(result[1])


def _path(arguments: str) -> str:
    return arguments.partition("<")[2].partition(">")[0]
