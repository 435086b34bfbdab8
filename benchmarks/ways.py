"""Counts the path of an operation through the package: calls, depth, files, changes of file.

    python benchmarks/ways.py

The counts are the same on every machine: calls of functions of this package, their depth, the
number of files, how often a call goes from one file to another, and the transactions of the index.
It follows a warm append, an edit by another program from the watcher to the callback, and a warm
listing, from Python and from the command line.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import localsessions
from localsessions import SessionStore

PACKAGE = os.path.dirname(localsessions.__file__) + os.sep
TURN = ({"role": "user", "content": "why?"}, {"role": "assistant", "content": "so."})


class Way:
    """The calls while it was followed, in all threads."""

    def __init__(self) -> None:
        self.calls = self.changes = self.transactions = self.deepest = 0
        self.files: set[str] = set()
        self._depths: dict[int, int] = {}

    def follow(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note a call; see ``sys.setprofile``."""
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE) or event not in ("call", "return"):
            return
        thread = threading.get_ident()
        depth = self._depths.get(thread, 0) + (1 if event == "call" else -1)
        self._depths[thread] = max(depth, 0)
        if event == "return":
            return
        self.calls += 1
        self.deepest = max(self.deepest, depth)
        self.files.add(file)
        above = frame.f_back
        while above is not None and not above.f_code.co_filename.startswith(PACKAGE):
            above = above.f_back
        self.changes += above is None or above.f_code.co_filename != file
        self.transactions += frame.f_code.co_name == "_transact"

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {self.deepest} deep, {len(self.files)} files, "
            f"{self.changes} changes of file, {self.transactions} transactions"
        )


def way_of(act: Callable[[], object]) -> Way:
    """Follow an act in this thread."""
    way = Way()
    sys.setprofile(way.follow)
    try:
        act()
    finally:
        sys.setprofile(None)
    return way


def way_of_an_edit(folder: Path) -> Way:
    """Follow an edit by another program in the threads that a watch starts."""
    way, told = Way(), threading.Event()
    following = [False]

    def follow(frame: FrameType, event: str, argument: object) -> None:
        if following[0]:
            way.follow(frame, event, argument)

    with SessionStore(folder) as store:
        threading.setprofile(follow)
        try:
            with store.watch(lambda _change: told.set()):
                time.sleep(2)  # until the first looks and copies are over
                document = Path(store.path("s")).read_bytes()
                temp = folder / "edited"
                temp.write_bytes(document.replace(b"so.", b"no."))
                following[0] = True
                temp.replace(store.path("s"))
                told.wait(30)
                time.sleep(0.3)
                following[0] = False
        finally:
            threading.setprofile(None)
    return way


def main() -> None:
    """Print each way on a line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SessionStore(folder) as store:
            store.create("s")
            for _ in range(4):
                store.append("s", *TURN)
            print("one warm append:", way_of(lambda: store.append("s", *TURN)))
        print("one edit by another program:", way_of_an_edit(folder))
        with SessionStore(folder) as store:
            for _ in range(3):
                store.list()
            print("one warm list:", way_of(lambda: store.list()))  # noqa: PLW0108
        from localsessions.cli.program import run

        def command() -> None:
            with contextlib.suppress(SystemExit):
                run(["--dir", str(folder), "list"])

        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
            command()
            way = way_of(command)
        print("localsessions list:", way)


if __name__ == "__main__":
    main()
