"""What `make windows` names is there; that it works is shown by running it."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from windows.__main__ import PROOF, QUICK, run
from windows.setting_up import NOT_THERE, ONLY_THERE, PROJECT, Windows, requirements

DEV: list[str] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))[
    "dependency-groups"
]["dev"]


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def test_what_the_quick_run_names_is_there() -> None:
    named = [one for one in (*QUICK, *PROOF) if one != "--ignore"]
    assert [one for one in named if not (PROJECT / one.partition("::")[0]).exists()] == []


def test_what_stays_on_linux_is_what_is_asked_for_and_the_rest_is_installed() -> None:
    asked, installed = {name_of(one) for one in DEV}, {name_of(one) for one in requirements()}
    assert set(NOT_THERE) <= asked
    assert asked - installed == set(NOT_THERE)
    assert {"orjson", "pydantic", "starlette", "rich", "agno", *ONLY_THERE} <= installed


def test_wine_gets_nothing_that_steers_the_tests_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCALSESSIONS_NO_SKIPS", "PYTHONPATH", "COVERAGE_PROCESS_START", "DISPLAY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HYPOTHESIS_PROFILE", "ci")
    environment = Windows(PROJECT / ".windows").environment
    assert environment["HYPOTHESIS_PROFILE"] == "ci"
    assert not {"LOCALSESSIONS_NO_SKIPS", "PYTHONPATH", "DISPLAY"} & environment.keys()
    assert not any(name.startswith("COVERAGE_") for name in environment)


LEAVES_ONE = """
import subprocess, sys
waits = "import os, sys, time\\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"
subprocess.Popen([sys.executable, "-c", waits, sys.argv[1]])
sys.exit(3)
"""


class Leaving(Windows):
    """One whose pytest ends with 3 and leaves a program behind, as a worker does that is ended."""

    def command(self, *_arguments: str) -> list[str]:
        return [sys.executable, "-c", LEAVES_ONE, str(self.folder / "end")]

    def end(self) -> None:
        (self.folder / "end").touch()


def test_what_a_test_left_behind_ends_with_pytest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Leaving(tmp_path), 100) == 3
    assert "not done" not in capsys.readouterr().out
