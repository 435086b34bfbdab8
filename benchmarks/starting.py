"""What a command takes from its start to its end, and what an import takes, in new processes.

    python benchmarks/starting.py [--rounds 30] [--before CHECKOUT] [FOLDER]

Each round runs ``python -c pass`` and all commands in another order, so that a busy machine slows
down all of them alike. What counts is the difference to ``python -c pass``: the median over the
rounds of the difference in the same round. Imports are also told as a multiple of
``from pydantic import BaseModel``. ``--before`` measures an older checkout of the package in the
same rounds. It writes docs/benchmarks/starting.md.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from localsessions import Session, SessionStore

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "starting.md"
SIZES = (40, 1_000)
COMMAND = "import sys; from localsessions.__main__ import main; sys.exit(main())"
TERMINAL = "import sys; sys.stdout.isatty = lambda: True; "
OPENED = (
    "import os; from localsessions import SessionStore; "
    "SessionStore(os.environ['LOCALSESSIONS_DIR']).close()"
)
PASS = "python -c pass"
PYDANTIC = "from pydantic import BaseModel"
IMPORTS = (
    PYDANTIC,
    "import localsessions",
    "from localsessions import SessionStore",
    "from localsessions import Session",
)


class Took(NamedTuple):
    """The seconds of a process: from its start to its end, and of the processor."""

    whole: float
    worked: float

    def over(self, base: Took) -> Took:
        """Return the milliseconds that it took longer than another process."""
        return Took(1000 * (self.whole - base.whole), 1000 * (self.worked - base.worked))


def worked_seconds() -> float:
    """Return the processor time of all processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Start(NamedTuple):
    """A process to measure; with ``words``, the completion of the last of them."""

    name: str
    arguments: tuple[str, ...]
    size: int = SIZES[0]
    words: tuple[str, ...] = ()

    def run(self, checkout: Path, folder: Path) -> Took:
        """Run it with the package of a checkout, from a folder without one."""
        # Without bytecode a start takes twice as long; an installed package has it.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        kept |= {"PYTHONPATH": str(checkout), "LOCALSESSIONS_DIR": str(folder / str(self.size))}
        if self.words:
            kept["_LOCALSESSIONS_COMPLETE"] = "bash_complete"
            kept["COMP_WORDS"] = " ".join(("localsessions", *self.words))
            kept["COMP_CWORD"] = str(len(self.words))
        begin, worked = time.perf_counter(), worked_seconds()
        subprocess.run(
            [sys.executable, "-c", *self.arguments],
            env=kept,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return Took(time.perf_counter() - begin, worked_seconds() - worked)


def starts() -> list[Start]:
    """Return all processes to measure; the first is what the others are compared with."""
    few, many = SIZES
    command = (COMMAND,)
    return [
        Start(PASS, ("pass",)),
        Start(f"`list`, {few} sessions", (COMMAND, "list"), few),
        Start(f"`list`, {few} sessions, as on a terminal", (TERMINAL + COMMAND, "list"), few),
        Start(f"`list`, {many:,} sessions", (COMMAND, "list"), many),
        Start("completing a command", command, words=("re",)),
        Start("completing an option", command, words=("list", "--or")),
        Start(f"completing an id, {few} sessions", command, few, ("show", "s")),
        Start(f"completing an id, {many:,} sessions", command, many, ("show", "s")),
        Start("`--help`", (COMMAND, "--help")),
        Start(f"`show latest`, {few} sessions", (COMMAND, "show", "latest")),
        *(Start(f"`{statement}`", (statement,)) for statement in IMPORTS),
        Start("a store imported, opened and closed", (OPENED,)),
    ]


def fill(folder: Path) -> Path:
    """Store sessions of two messages in folders of each size; return their folder."""
    turn = ("user", "Why does the parser fail?"), ("assistant", "It reads one character too many.")
    for size in SIZES:
        with SessionStore(folder / str(size), durability="fast") as store:
            store.create_many(
                Session(
                    session_id=f"s{number:05}",
                    title=f"The parser, part {number}",
                    messages=[{"role": role, "content": text} for role, text in turn],
                )
                for number in range(size)
            )
    return folder


def measure(
    measured: list[Start], folders: dict[Path, Path], rounds: int
) -> dict[tuple[str, Path], list[Took]]:
    """Return for each process and checkout what it took over ``python -c pass``, by round."""
    over: dict[tuple[str, Path], list[Took]] = {}
    for number in range(rounds + 2):
        order = [(one, checkout) for one in measured for checkout in folders]
        random.shuffle(order)
        took = {
            (one.name, checkout): one.run(checkout, folders[checkout]) for one, checkout in order
        }
        if number < 2:
            continue  # bytecode is written, and the index is made
        for (name, checkout), one_took in took.items():
            over.setdefault((name, checkout), []).append(one_took.over(took[PASS, checkout]))
    return over


HEAD = """\
# Starting

Made by `benchmarks/starting.py`; do not edit. Milliseconds over `python -c pass`, in new processes
with bytecode, from start to end, and in brackets those of the processor alone, which other programs
on the machine disturb less: medians of {rounds} rounds. Each round runs all in another order, on
{cores} cores with a load of {load:.1f} when it began. An import is also told as a multiple of
`from pydantic import BaseModel`, by the processor.

"""


def page(folders: dict[Path, Path], rounds: int) -> str:
    """Measure, and return the page; the last checkout is this one."""
    measured, checkouts = starts(), [*folders]
    text = HEAD.format(rounds=rounds, cores=os.cpu_count(), load=os.getloadavg()[0])
    names = ["before", "now"][-len(checkouts) :]
    text += f"| | {' | '.join(names)} |\n| --- |{' ---: |' * len(names)}\n"
    over = measure(measured, folders, rounds)
    for one in measured[1:]:
        cells = [cell(over, one.name, checkout) for checkout in checkouts]
        text += f"| {one.name} | {' | '.join(cells)} |\n"
    return text


def cell(over: dict[tuple[str, Path], list[Took]], name: str, checkout: Path) -> str:
    """Return what the page says of a process."""
    whole, worked = map(statistics.median, zip(*over[name, checkout], strict=True))
    said = f"{whole:.0f} ({worked:.0f})"
    if name.strip("`") not in IMPORTS:
        return said
    base = statistics.median(took.worked for took in over[f"`{PYDANTIC}`", checkout])
    return f"{said}, {worked / base:.2f} times"


def main() -> None:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description="What starting takes.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="an older checkout")
    chosen = parser.parse_args()
    checkouts = [ROOT] if chosen.before is None else [chosen.before.resolve(), ROOT]
    with TemporaryDirectory(dir=chosen.folder) as folder:
        folders = {one: fill(Path(folder) / str(at)) for at, one in enumerate(checkouts)}
        text = page(folders, chosen.rounds)
    print(text)
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
