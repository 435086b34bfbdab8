"""What `import localsessions` gives, and what it costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import localsessions
from localsessions import errors, models

LOADED = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"


def test_the_face_is_sorted_and_each_name_is_there() -> None:
    assert localsessions.__all__ == sorted(localsessions.__all__)
    assert len(set(localsessions.__all__)) == len(localsessions.__all__)
    for name in localsessions.__all__:
        assert hasattr(localsessions, name)


def test_the_face_is_complete() -> None:
    assert all(hasattr(localsessions, name) for name in localsessions.__all__)  # some at use
    assert set(localsessions.__all__) <= set(dir(localsessions))
    shown = {
        name
        for name, value in vars(localsessions).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and name not in ("import_module", "TYPE_CHECKING")
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


def test_the_face_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="'Sesion'"):
        _ = localsessions.Sesion  # type: ignore[attr-defined]


def answer_of(program: str, *arguments: str) -> list[str]:
    """Return the JSON that a new process prints last."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


WAITING = [
    *("click", "rich", "starlette", "uvicorn", "filelock", "watchdog", "orjson", "pydantic"),
    *("asyncio", "logging", "tempfile", "email", "importlib.metadata"),
    *("localsessions.aio", "localsessions.manager", "localsessions.models.schema"),
    *("localsessions._local", "localsessions._codec", "localsessions._rules.merging"),
]


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new process has after an import."""
    return set(answer_of(LOADED.format(statement)))


def test_importing_brings_no_extra_and_nothing_that_can_wait() -> None:
    bare = loaded_by("import localsessions")
    assert bare.isdisjoint([*WAITING, "localsessions.models", "localsessions.store"])
    assert loaded_by("from localsessions import SessionStore").isdisjoint(WAITING)


@pytest.mark.parametrize("name", ["Session", "SessionSummary", "SearchHit", "Message"])
def test_importing_a_model_costs_little_more_than_pydantic(name: str) -> None:
    """Counted in modules, since a time is another one on each machine."""
    loaded = loaded_by(f"from localsessions import {name}")
    # What pydantic brings for any model whatever, told apart from what comes with it.
    known = loaded_by("import pydantic.main, pydantic.fields")
    ours = {name for name in loaded if name.startswith("localsessions")}
    assert len(ours) <= 15
    assert len(loaded - known - ours) <= 3


HINTED = """
import inspect, json, sys, typing
from localsessions import SessionStore
SessionStore(sys.argv[1]).close()
verbs = [verb for name, verb in vars(SessionStore).items() if inspect.isfunction(verb)]
print(json.dumps([verb.__name__ for verb in verbs if typing.get_type_hints(verb)]))
"""


def test_type_hints_of_the_verbs_can_be_asked_once_a_store_was_open(tmp_path: Path) -> None:
    assert {"append", "list", "search", "watch", "save"} <= {*answer_of(HINTED, str(tmp_path))}


OPENED = """
import json, sys
from localsessions import Session, SessionStore, SessionSummary
models = [Session, SessionSummary]
built = [model.__name__ for model in models if model.__pydantic_complete__]
SessionStore(sys.argv[1]).close()
built += [model.__name__ + " now" for model in models if model.__pydantic_complete__]
print(json.dumps(built))
"""


def test_models_are_built_when_a_store_is_opened_and_not_when_they_are_imported(
    tmp_path: Path,
) -> None:
    assert answer_of(OPENED, str(tmp_path)) == ["Session now", "SessionSummary now"]


WORKED = """
import json, sys
from localsessions import SessionStore
with SessionStore(sys.argv[1]) as store:
    before = set(sys.modules)
    mine = store.create("s")
    store.append("s", {"role": "user", "content": "Hello"})
    mine.title = "mine"
    store.save(mine, on_conflict="merge")
    store.search("hello"), store.list(), store.fork("s"), store.tail("s", 1)
    store.cleanup(max_age=9.0)
    with open(store.path("torn"), "w") as file:
        file.write('{"messages": [{"role": "user", "content": "Hi"}, ')
    for finding in store.verify():
        if finding.automatic:
            store.repair(finding)
    store.delete("s")
    late = {name for name in set(sys.modules) - before if name.startswith("localsessions")}
print(json.dumps(sorted(late)))
"""


def test_verbs_import_nothing_of_ours_for_a_fork_to_come_in_the_middle_of(tmp_path: Path) -> None:
    assert answer_of(WORKED, str(tmp_path)) == []


def test_importing_makes_nothing_and_says_nothing(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import localsessions"],
        cwd=str(tmp_path),
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
