"""The virtual environment of each peer, in ``.bench/environments``; created once, on demand.

The dependencies of the peers conflict, so each peer has its own. pip is used as it is configured on
the machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.contestants import Entry

_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


class Environments:
    """The environments below a folder.

    Args:
        folder: Where they are created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ready(self, entry: Entry) -> Path:
        """Return the interpreter that a contestant runs with; create what is missing.

        Raises:
            InstallError: pip could not install a requirement.
        """
        if not entry.requirements:
            return Path(sys.executable)
        place = self.folder / entry.environment
        python = place / "bin" / "python"
        mark = place / "installed.json"
        if not mark.exists() or json.loads(mark.read_text()) != list(entry.requirements):
            self._install(place, python, entry.requirements)
            mark.write_text(json.dumps(entry.requirements))
        return python

    def _install(self, place: Path, python: Path, requirements: Iterable[str]) -> None:
        print(f"making {place.name} ...", file=sys.stderr)
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(place)], capture_output=True, check=False
        )
        if made.returncode != 0:
            raise InstallError("no virtual environment could be made")
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, *requirements], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise InstallError(reason(done.stderr))


class InstallError(Exception):
    """A requirement of a contestant cannot be installed; the text says why."""


def reason(printed: str) -> str:
    """Return pip's own message about the failure, without the names of hosts."""
    errors = [line for line in printed.splitlines() if line.startswith("ERROR:")]
    first = (errors[0] if errors else "pip failed").removeprefix("ERROR: ")
    return re.sub(r"\S+://\S+", "...", first.split(" (from ")[0])[:200]


def version(python: Path, distribution: str) -> str:
    """Return the version of a package in an environment."""
    command = [str(python), "-c", _VERSION, distribution]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
