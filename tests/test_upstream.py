"""What runs the frameworks' own tests leaves nothing half done behind, and counts all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from upstream import suites
from upstream.relay import crowd
from upstream.relay.crowd import CrowdError

# -- a crowd ---------------------------------------------------------------------------------------

WAITS = """
import os, pathlib, sys, time
child = os.fork()
if child:
    said = pathlib.Path(sys.argv[2]).with_name("waits")
    said.with_name("half").write_text(f"{os.getpid()} {child}")
    said.with_name("half").rename(said)
time.sleep(600)
"""
FAILS = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[2]).with_name("waits").exists():
    time.sleep(0.01)
sys.exit("it failed")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program of the crowd, which runs the text that its name tells."""
    path = tmp_path / "program.py"
    monkeypatch.setattr(crowd, "PROGRAM", path)
    texts = {"waits": WAITS, "fails": FAILS, "fewer": "print('fewer 1\\n' * 10, end='')"}
    path.write_text(f"import sys\nexec({texts!r}[sys.argv[1]])")
    return path


def crowded(program: Path, *names: str) -> int:
    return crowd.crowd(str(program.parent / "sessions"), dict.fromkeys(names, Path(sys.executable)))


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(pids: list[int]) -> bool:
    """Tell whether all end soon: who was killed takes a moment. None is left behind."""
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = [pid for pid in pids if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return not left


@pytest.mark.needs("fork")
@pytest.mark.parametrize("names", [("waits", "fails"), ("fails", "waits"), ("waits",)])
def test_when_one_of_a_crowd_fails_or_takes_too_long_none_goes_on(
    program: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(crowd, "PATIENCE", 3)
    with pytest.raises((CrowdError, subprocess.TimeoutExpired)):
        crowded(program, *names)
    pids = [int(one) for one in (program.parent / "waits").read_text().split()]
    assert ended(pids)


@pytest.mark.needs("fork")
def test_a_crowd_in_which_a_process_is_missing_is_refused(program: Path) -> None:
    with pytest.raises(CrowdError, match="fewer acknowledged 10 of 160 batches"):
        crowded(program, "fewer")


# -- suites ----------------------------------------------------------------------------------------


def suite(**fields: Any) -> suites.Suite:
    return suites.Suite("one", "", "one==1", [], [], 0, **fields)


def test_tests_whose_unpacking_was_interrupted_are_unpacked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one-1").mkdir()
    (tmp_path / "one-1" / "test_one.py").touch()

    def downloaded(command: list[str], **_: object) -> None:
        with tarfile.open(Path(command[command.index("-d") + 1], "one-1.tar.gz"), "w:gz") as made:
            made.add(tmp_path / "one-1", "one-1")

    def interrupted(self: tarfile.TarFile, path: Path, **_: object) -> None:
        (path / "one-1").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(suites, "HOME", tmp_path / "home")
    monkeypatch.setattr(suites, "environment", lambda *_: Path(sys.executable))
    monkeypatch.setattr(subprocess, "run", downloaded)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            suite()._tests()
    folder = suite()._tests()
    assert [one.name for one in folder.iterdir()] == ["test_one.py"]
    assert [one.name for one in folder.parent.iterdir()] == ["one-1"]


@pytest.fixture
def repository(tmp_path: Path) -> dict[str, Any]:
    git = ["git", "-C", str(tmp_path / "theirs"), "-c", "user.name=n", "-c", "user.email=e@x"]
    (tmp_path / "theirs" / "tests").mkdir(parents=True)
    (tmp_path / "theirs" / "tests" / "test_one.py").touch()
    for verb in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *verb], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return {"repository": str(tmp_path / "theirs"), "revision": done.stdout.strip()}


@pytest.mark.needs("git")
def test_tests_whose_fetch_was_interrupted_are_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: dict[str, Any]
) -> None:
    monkeypatch.setattr(suites, "HOME", tmp_path / "home")
    one = suite(**repository, folders=["tests"])

    def interrupted(self: Path, text: str) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one._tests()
    folder = one._tests()
    assert {one.name for one in folder.iterdir()} == {"tests", "pytest.ini"}
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]
