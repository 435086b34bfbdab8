"""What `import localsessions` gives, and what it costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import localsessions
from localsessions import errors, models

LOADED = "import json, sys, localsessions; print(json.dumps(sorted(sys.modules)))"


def test_the_face_is_sorted_and_each_name_is_there() -> None:
    assert localsessions.__all__ == sorted(localsessions.__all__)
    assert len(set(localsessions.__all__)) == len(localsessions.__all__)
    for name in localsessions.__all__:
        assert hasattr(localsessions, name)


def test_the_face_is_complete() -> None:
    shown = {
        name
        for name, value in vars(localsessions).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert shown == set(localsessions.__all__)
    assert set(errors.__all__) <= shown


def test_what_verbs_return_is_on_the_face() -> None:
    hints = {
        name
        for verb_name, verb in vars(localsessions.SessionStore).items()
        if callable(verb) and not verb_name.startswith("_")
        for name in models.__all__
        if name[0].isupper() and name in str(inspect.signature(verb).return_annotation)
    }
    assert hints
    assert hints <= set(localsessions.__all__)


def test_every_error_is_a_session_error_with_a_docstring() -> None:
    for name in errors.__all__:
        error = getattr(localsessions, name)
        assert issubclass(error, localsessions.SessionError)
        assert error.__doc__


@pytest.mark.parametrize(
    "module", ["click", "rich", "starlette", "uvicorn", "filelock", "watchdog"]
)
def test_importing_brings_no_extra_and_nothing_that_can_wait(module: str) -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True)
    assert module not in json.loads(loaded.stdout)


def test_importing_makes_nothing_and_says_nothing(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import localsessions"],
        cwd=str(tmp_path),
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
