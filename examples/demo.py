"""The main job on real input: import chats of other programs, list, search, open what is found.

It runs the command line as a person would, and prints each command before its output.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = (sys.executable, "-m", "localsessions")
WORDS = "divide by zero"

NEXT = """
What to type next:

  {program} --dir {folder}
      looks through these chats: type to search, Enter opens one
  {program} --dir {folder} list --program claude-code
      lists those of one program
  {program} import
      brings in the chats of the programs on this machine
  {program} --help

Each session is a readable file in {folder}/: open one in an editor.
"""


def run(folder: Path, *arguments: str) -> None:
    """Run a command of ``localsessions`` on a folder."""
    words = ("--dir", str(folder), *arguments)
    print(f"\n$ localsessions {shlex.join(words)}", flush=True)
    subprocess.run([*COMMAND, *words], check=True)


def found(folder: Path) -> tuple[str, int]:
    """Return the first hit of the search: its session, and the number of its message."""
    command = [*COMMAND, "--dir", str(folder), "search", WORDS, "--limit", "1", "--json"]
    (hit,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["items"]
    return hit["session"]["session_id"], (hit["position"] or 0) + 1


def offer() -> None:
    """Offer a person at a terminal the chats of this machine, for their own store."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    print("These were chats of others. 'import' finds those of your programs, and asks first.")
    if input("Look for them now? [y/N] ").strip().lower() in ("y", "yes"):
        subprocess.run([*COMMAND, "import"], check=False)


def program() -> Path:
    """Return the path of the program as a person would type it here."""
    path, here = Path(sys.executable).with_name("localsessions"), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def main() -> None:
    """Import the shipped transcripts into a folder and look around in it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-sessions")
    run(folder, "import", str(HERE / "transcripts"))
    run(folder, "list", "--everywhere", "--fold", "--limit", "12")
    run(folder, "search", WORDS, "--limit", "3")
    session_id, number = found(folder)
    run(folder, "show", session_id, "--at", str(number), "--no-pager")
    print(NEXT.format(program=shlex.quote(str(program())), folder=shlex.quote(str(folder))))
    offer()


if __name__ == "__main__":
    main()
