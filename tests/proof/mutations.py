"""Deliberate breakages of the code: each must make a test fail, or the test shows nothing.

python -m proof.breakages FOLDER breaks a copy of the code in each way of its list in turn, runs the
test that is named beside it, and writes what was caught into FOLDER/mutations.json. It fails when
one was not. Nothing but the copy is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Mutation", "Outcome", "broken", "tried_all"]

ROOT = Path(__file__).parents[2]
# What pytest answers when tests ran and some failed; a test that cannot be collected is another.
SOME_FAILED = 1


@dataclass(frozen=True)
class Mutation:
    """One breakage.

    Attributes:
        what: What is broken, for people.
        file: Where, from the root of the project.
        old: The text that is there, once.
        new: What takes its place.
        test: The test that must fail then.
    """

    what: str
    file: str
    old: str
    new: str
    test: str


@dataclass(frozen=True)
class Outcome:
    """What a breakage met."""

    what: str
    file: str
    test: str
    caught: bool


def broken(source: str, mutation: Mutation) -> str:
    """Return a source with the mutation in it.

    Raises:
        ValueError: The text to replace is not there, or there more than once.
    """
    if (times := source.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.file} has {mutation.old!r} {times} times, not once")
    return source.replace(mutation.old, mutation.new)


def copied(folder: Path) -> Path:
    """Copy what a run of the tests needs; return where."""
    for name in ("localsessions", "tests", "docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def tried(mutation: Mutation, copy: Path) -> Outcome:
    """Break a copy, run the test, mend the copy."""
    path = copy / mutation.file
    whole = path.read_text("utf-8")
    path.write_text(broken(whole, mutation), "utf-8")
    try:
        code = run_test(mutation.test, copy)
    finally:
        path.write_text(whole, "utf-8")
    return Outcome(mutation.what, mutation.file, mutation.test, code == SOME_FAILED)


def run_test(test: str, copy: Path) -> int:
    """Return what pytest answers for a test of the copy, which must import the copy's code."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(copy), str(copy / "tests")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DEBUG_TEMPROOT": str(copy),
    }
    options = ["-x", "-q", "-p", "no:cacheprovider", "--timeout", "120", "--no-header"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, test],
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
    ).returncode


def tried_all(mutations: Sequence[Mutation], workers: int = 2) -> Iterator[Outcome]:
    """Yield what each mutation met, in order; each worker has a copy of its own."""

    def run(share: Sequence[Mutation]) -> list[Outcome]:
        with tempfile.TemporaryDirectory(prefix="localsessions-") as scratch:
            copy = copied(Path(scratch))
            return [tried(mutation, copy) for mutation in share]

    with ThreadPoolExecutor(workers) as pool:
        shares = list(pool.map(run, [mutations[begin::workers] for begin in range(workers)]))
    for place in range(len(mutations)):
        yield shares[place % workers][place // workers]
