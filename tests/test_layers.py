"""Who may import what: the engine of a folder is named once, and its rooms by their own tests only.

The layers of the package are held by import-linter, see pyproject.toml.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "localsessions", ROOT / "tests"

UPPER = ["cli", "adapters", "redaction", "transcripts", "server"]
UPPER += ["backups", "manager", "moving.py"]

# The tests of a private room, and the engine that takes its place in tests.
INSIDE = ["local", "codec", "rules", "proof", "postgres"]
INSIDE += [
    "contract/dict_engine.py",
    "contract/dict_copies.py",
    "contract/dict_drafts.py",
    "contract/slow_search.py",
]
DOOR = "inside.py"

# The calls of the operating system know no session: anybody may make them.
BENEATH = "localsessions._system"


def imported(path: Path) -> Iterator[str]:
    """Yield each module that a file imports, one of a package as ``package.name``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def private(path: Path) -> list[str]:
    """Return what a file imports of ours that begins with an underscore."""
    return [
        name
        for name in imported(path)
        if name.startswith(("localsessions.", "."))
        and not name.startswith(BENEATH)
        and any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
    ]


def files(folder: Path) -> list[Path]:
    return [folder] if folder.suffix else sorted(folder.rglob("*.py"))


def test_the_engine_of_a_folder_is_named_where_a_store_is_opened_and_nowhere_else() -> None:
    elsewhere = [path for path in files(PACKAGE) if PACKAGE / "_local" not in path.parents]
    named = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in elsewhere
        if (found := [one for one in imported(path) if one.startswith("localsessions._local")])
    }
    assert named == {
        "store.py": ["localsessions._local.engine.LocalEngine"],
        "listing.py": ["localsessions._local.listing.ListingEngine"],
    }


def test_the_engine_of_a_server_is_named_where_a_store_is_opened_and_nowhere_else() -> None:
    elsewhere = [path for path in files(PACKAGE) if PACKAGE / "_postgres" not in path.parents]
    named = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in elsewhere
        if (found := [one for one in imported(path) if one.startswith("localsessions._postgres")])
    }
    assert named == {"store.py": ["localsessions._postgres.engine.PostgresEngine"]}


@pytest.mark.parametrize("room", UPPER)
def test_what_stands_on_the_face_imports_no_private_module(room: str) -> None:
    found = files(PACKAGE / room)
    assert found
    assert {path.name: names for path in found if (names := private(path))} == {}


def test_tests_of_what_is_public_import_no_private_module() -> None:
    inside = {path for place in [*INSIDE, DOOR] for path in files(TESTS / place)}
    offending = {
        path.relative_to(TESTS).as_posix(): names
        for path in files(TESTS)
        if path not in inside and (names := [*private(path), *through_the_door(path)])
    }
    assert offending == {}
    assert private(TESTS / DOOR) == ["localsessions._local.engine.LocalEngine"]


def through_the_door(path: Path) -> list[str]:
    return [name for name in imported(path) if name.split(".")[0] == "inside"]


TOP = {
    *(".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md"),
    *("benchmarks", "clients", "conftest.py", "docs", "examples", "localsessions", "page"),
    *("pyproject.toml", "tests"),
}


@pytest.mark.needs("git")
def test_nothing_stands_at_the_top_but_what_belongs_there() -> None:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert {path.partition("/")[0] for path in listed.split("\0") if path} <= TOP
