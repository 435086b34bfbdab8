"""Sessions in a git repository: commit each turn, and see that a diff shows the turn alone.

    python examples/git_folder.py FOLDER

The index and the locks ignore themselves (they have a .gitignore of "*"), so that ``git add -A``
takes the session files and nothing else.
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
