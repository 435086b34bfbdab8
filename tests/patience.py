"""What other programs do to a file while a store may be reading it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import needs

__all__ = ["patiently", "replace"]


def patiently(act: Callable[[], object]) -> None:
    """Do what another program does: on Windows it tries again while a store reads the file."""
    deadline = time.monotonic() + (0 if needs.is_here("open files that go") else 20)
    while True:
        try:
            act()
        except PermissionError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(0.002)


def replace(new: Path, path: Path) -> None:
    """Move a file over another, as an editor does that saves in one step."""
    patiently(lambda: new.replace(path))
