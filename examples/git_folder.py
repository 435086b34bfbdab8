"""Sessions in a git repository: commit each turn, and see that a diff shows only the turn.

    python examples/git_folder.py FOLDER

The folder of the index and the locks ignores itself (it has a .gitignore of "*"), so ``git add -A``
adds only the session files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from localsessions import SessionStore


def git(folder: Path, *arguments: str) -> str:
    """Run git in the folder and return what it prints."""
    identity = ["-c", "user.name=example", "-c", "user.email=example@localhost"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def main() -> None:
    """Write two turns, commit each, print the diff of the second, and go back to the first."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    with SessionStore(folder) as store:
        if store.get("design") is None:
            store.create("design", title="How shall it look?")
        store.append("design", {"role": "user", "content": "How shall it look?"})
        git(folder, "add", "-A")
        git(folder, "commit", "--quiet", "-m", "the question")
        store.append("design", {"role": "assistant", "content": "Like a plain text file."})
        print(git(folder, "diff", "--stat", "--", "design.json"))
        print(git(folder, "diff", "--unified=0", "--", "design.json"))
        git(folder, "commit", "--quiet", "-am", "the answer")
        git(folder, "checkout", "--quiet", "HEAD~1")
        first = store.list(fresh=True).items[0]
        print("after git checkout HEAD~1:", first.message_count, "message")
        git(folder, "checkout", "--quiet", "-")
        second = store.list(fresh=True).items[0]
        print("and back again:", second.message_count, "messages")


if __name__ == "__main__":
    main()
