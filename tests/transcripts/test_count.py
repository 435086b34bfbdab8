"""``python -m tests.transcripts.count FOLDER``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def count(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.transcripts.count", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_differs_from_the_list_is_named(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(messages))
    (tmp_path / "notes.md").write_text("# No transcript\n")
    listed = [{"file": "a.json", "messages": 2}, {"file": "b.json", "messages": 3}]
    (tmp_path / "files.json").write_text(json.dumps(listed))
    done = count(tmp_path)
    assert done.returncode == 1
    assert "openai-messages             2         2         4         5  no" in done.stdout
    assert "not read: 1 files\n  notes.md: neither JSON nor JSON Lines" in done.stdout
    assert done.stdout.endswith("b.json: messages 2, expected 3\n")


def test_a_folder_without_a_list_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"role": "user", "content": "hi"}]))
    done = count(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "openai-messages             1         1         1         1  yes" in done.stdout
