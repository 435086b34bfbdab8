"""The main job on real input: import transcripts of other programs, list, search, show a session.

It runs the command line as a person would, and prints each command before its output.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(folder: Path, *arguments: str) -> None:
    """Run a command of ``localsessions`` on a folder."""
    print(f"\n$ localsessions --dir {folder} {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "localsessions", "--dir", str(folder), *arguments]
    subprocess.run(command, check=True)


def main() -> None:
    """Import the shipped transcripts into a folder and look around in it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-sessions")
    run(folder, "import", str(HERE / "transcripts"))
    run(folder, "list", "--limit", "10")
    run(folder, "search", "traceback", "--limit", "5")
    run(folder, "show", "latest", "--messages", "4")
    run(folder, "stats")
    print(f"\nThe sessions are readable files in {folder}/: open one in an editor.")


if __name__ == "__main__":
    main()
