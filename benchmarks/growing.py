"""What `.localsessions` takes on the disk while three processes write, one watches, one searches.

    python benchmarks/growing.py [--minutes 6] [--rest 0.02] [FOLDER]

The folder decides which file system is measured; without it, a temporary folder is used. The
writers append turns of two messages, and now and then save, edit, create, delete, fork and tag.
Every two seconds the allocated blocks of all files are counted. What is derived may take 1.5 times
what the sessions take, and 8 MiB; the spares of sessions that are being added to, and the trash,
stand beside that. It writes docs/benchmarks/growing.md. The exit status is 1 if the bound was
exceeded, or if a process failed. For Linux.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from localsessions import SessionError, SessionStore
from localsessions.models import Message

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "growing.md"
ROLES = ("write", "write", "write", "watch", "search")
SESSIONS = 60
TURNS = 4
MOST_TIMES, MOST_BESIDE = 1.5, 8 << 20
EVERY_SECONDS = 2.0
SEARCH_REST = 0.2
ROWS = 12
WORDS, MESSAGE_WORDS = 20_000, 150
PARTS = (
    "index",
    "its log",
    "search",
    "search's log",
    "journal",
    "kept copies",
    "other",
)


class Sample(NamedTuple):
    """The allocated bytes of a folder at one moment, by part."""

    seconds: float
    parts: Counter[str]

    @property
    def derived(self) -> int:
        """What is bounded: all of ``.localsessions`` but the spares."""
        return sum(self.parts[name] for name in PARTS)

    @property
    def ratio(self) -> float:
        """What is derived, in parts of what it may take."""
        return self.derived / (MOST_TIMES * self.parts["sessions"] + MOST_BESIDE)


# -- the processes that work ---------------------------------------------------------------------


class Speech:
    """Messages of words, of which some are common and most are rare."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        letters = random.Random(1)
        self._words = [
            "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=letters.randrange(2, 11)))
            for _ in range(WORDS)
        ]

    def word(self) -> str:
        """Return a word; the first ones come most often."""
        return self._words[int(WORDS ** self._chance.random()) - 1]

    def turn(self) -> list[Message]:
        """Return a question and an answer of about 1 kB each."""
        return [
            {"role": role, "content": " ".join(self.word() for _ in range(MESSAGE_WORDS))}
            for role in ("user", "assistant")
        ]


class Writer:
    """Changes sessions at random."""

    def __init__(self, store: SessionStore, who: int) -> None:
        self._store = store
        self._chance = random.Random(who)
        self._speech = Speech(self._chance)

    def act(self) -> None:
        """Do one thing, mostly a turn."""
        store, turn = self._store, self._speech.turn()
        ids = [one.session_id for one in store.list(limit=2 * SESSIONS)]
        session_id, kind = self._chance.choice(ids), self._chance.random()
        if kind < 0.88:
            store.append(session_id, *turn)
        elif kind < 0.92:
            session = store.load(session_id)
            session.messages[self._chance.randrange(len(session.messages))].update(turn[0])
            store.save(session)
        elif kind < 0.95:
            with store.edit(session_id) as draft:
                draft.state["word"] = self._speech.word()
        elif kind < 0.97:
            store.tag(session_id, self._speech.word())
        elif kind < 0.98:
            if len(ids) > SESSIONS:
                store.delete(session_id)
        elif kind < 0.99:
            store.fork(session_id)
        else:
            store.append(store.create().session_id, *turn)


def write(folder: str, who: int, seconds: float, rest: float) -> None:
    """Write, with a rest after each act; a session may be gone, or another's save come first."""
    acts, deadline = 0, time.monotonic() + seconds
    with SessionStore(folder) as store:
        writer = Writer(store, who)
        while time.monotonic() < deadline:
            try:
                writer.act()
                acts += 1
            except SessionError:
                pass
            time.sleep(rest)
    print(acts)


def watch(folder: str, seconds: float) -> None:
    """Watch; copies of good versions are kept meanwhile."""
    told: list[int] = []
    with SessionStore(folder) as store, store.watch(lambda change: told.append(change.number)):
        time.sleep(seconds)
    print(len(told))


def search(folder: str, seconds: float) -> None:
    """Search for one word after the other."""
    asked, deadline = 0, time.monotonic() + seconds
    speech = Speech(random.Random(0))
    with SessionStore(folder) as store:
        while time.monotonic() < deadline:
            store.search(speech.word())
            asked += 1
            time.sleep(SEARCH_REST)
    print(asked)


# -- the process that counts ---------------------------------------------------------------------


def part_of(path: str) -> str:
    """Return which part a file is of; the path begins in the folder of the store."""
    first, _, name = path.partition("/")
    if first == ".trash":
        return "trash"
    if first != ".localsessions":
        return "sessions"
    for part, begin in (("its log", "index.sqlite3-"), ("search's log", "search.sqlite3-")):
        if name.startswith(begin):
            return part
    if name.startswith("tmp/"):
        return "spares" if name.endswith(".spare") else "other"
    known = {"index.sqlite3": "index", "search.sqlite3": "search"}
    begins = {"journal": "journal", "kept/": "kept copies"}
    found = (part for begin, part in begins.items() if name.startswith(begin))
    return known.get(name) or next(found, "other")


def sample(folder: str, began: float) -> Sample:
    """Count the allocated blocks of all files; of two names of a file, the published one counts."""
    parts, seen = Counter[str](), set[int]()
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            path = os.path.join(base, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                parts[part_of(os.path.relpath(path, folder))] += status.st_blocks * 512
    return Sample(time.monotonic() - began, parts)


def fill(folder: str) -> None:
    """Create the sessions."""
    speech = Speech(random.Random(0))
    with SessionStore(folder, durability="fast") as store:
        for _ in range(SESSIONS):
            session = store.create()
            for _ in range(TURNS):
                store.append(session.session_id, *speech.turn())


def together(folder: str, seconds: float, rest: float) -> tuple[list[Sample], dict[str, int]]:
    """Let all processes work; return the samples, and how much each did.

    Raises:
        SystemExit: A process failed.
    """
    began, samples = time.monotonic(), list[Sample]()
    command = [sys.executable, __file__, folder, "--minutes", str(seconds / 60)]
    command += ["--rest", str(rest)]
    started = [
        subprocess.Popen(
            [*command, "--role", role, "--who", str(who)], stdout=subprocess.PIPE, text=True
        )
        for who, role in enumerate(ROLES)
    ]
    while any(process.poll() is None for process in started):
        time.sleep(EVERY_SECONDS)
        samples.append(sample(folder, began))
    done = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("a process failed")
    counts = Counter[str]()
    for role, count in zip(ROLES, done, strict=True):
        counts[role] += int(count)
    return samples, counts


HEAD = """\
# What `.localsessions` takes while it is used

Made by `benchmarks/growing.py`; do not edit. For {minutes:g} minutes, three processes wrote
({write:,} acts, mostly turns of two messages of 1 kB), one watched ({watch:,} changes) and one
searched ({search:,} searches), on {cores} cores. MiB of allocated blocks. The bound is 1.5 times
the sessions and 8 MiB, for all of `.localsessions` but the spares; the last column says how much of
it is used. The last process to close a store removes the logs of the databases.

"""


def page(samples: list[Sample], counts: dict[str, int], minutes: float) -> str:
    """Return the page with some of the samples, and the worst."""
    worst = max(samples, key=lambda one: one.ratio)
    shown = [*samples[:: max(1, len(samples) // ROWS)], samples[-1]]
    rows = sorted({id(one): one for one in (*shown, worst)}.values())
    names = ("sessions", *PARTS, "spares", "trash")
    text = HEAD.format(minutes=minutes, cores=os.cpu_count(), **counts)
    text += f"| after | {' | '.join(names)} | of the bound |\n"
    text += f"| --- |{' ---: |' * (len(names) + 1)}\n"
    for one in rows:
        cells = [f"{one.parts[name] / (1 << 20):.1f}" for name in names]
        text += f"| {one.seconds:.0f} s | {' | '.join(cells)} | {one.ratio:.2f} |\n"
    last = samples[-1]
    return text + (
        f"\nThe worst of {len(samples)} samples, after {worst.seconds:.0f} s: {worst.ratio:.2f} of"
        f" the bound.\nAt the end: {last.ratio:.2f}.\n"
    )


def main() -> None:
    """Play the part that the arguments name; without arguments, the process that counts."""
    parser = argparse.ArgumentParser(description="What .localsessions takes while it is used.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--rest", type=float, default=0.02, help="seconds after each act")
    parser.add_argument("--role", choices=sorted({*ROLES}), help=argparse.SUPPRESS)
    parser.add_argument("--who", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    chosen = parser.parse_args()
    seconds = 60 * chosen.minutes
    if chosen.role == "write":
        write(chosen.folder, chosen.who, seconds, chosen.rest)
    elif chosen.role is not None:
        (watch if chosen.role == "watch" else search)(chosen.folder, seconds)
    else:
        with TemporaryDirectory(dir=chosen.folder) as folder:
            fill(folder)
            samples, counts = together(folder, seconds, chosen.rest)
        text = page(samples, counts, chosen.minutes)
        chosen.page.write_text(text, "utf-8")
        print(text)
        sys.exit(1 if max(one.ratio for one in samples) > 1 else 0)


if __name__ == "__main__":
    main()
