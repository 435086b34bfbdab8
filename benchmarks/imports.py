"""What an import costs: seconds inside a new process, without the start of the interpreter."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.player import ContestantError, environment_of

BASE = "pydantic"
BASE_STATEMENT = "from pydantic import BaseModel"
_PROGRAM = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def import_seconds(python: Path, statement: str, home: Path) -> float:
    """Import in a new process.

    Raises:
        ContestantError: It cannot be imported.
    """
    command = [str(python), "-W", "ignore", "-c", _PROGRAM.format(statement)]
    done = subprocess.run(
        command, env=environment_of(home), cwd=home, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ContestantError((done.stderr.strip().splitlines() or ["no word"])[-1][:200])
    return float(done.stdout.split()[-1])
