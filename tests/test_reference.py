"""The reference in docs/reference.md says all of the face, and what the code says now.

What is public is found here by importing and looking, without the tool that makes the page.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import needs
import pytest

import localsessions

if lacking := needs.of_module("agno"):
    pytest.skip(lacking, allow_module_level=True)

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "reference.md").read_text("utf-8")

TITLES = ("Args:", "Returns:", "Raises:", "Yields:", "Attributes:")

COMMAND_LINE = "localsessions.cli"  # its face is what it prints for --help


def public_modules() -> Iterator[ModuleType]:
    yield localsessions
    spoken_for = [COMMAND_LINE]  # packages that need nobody to look inside
    for found in pkgutil.walk_packages(localsessions.__path__, "localsessions."):
        is_inside = any(f"{found.name}.".startswith(f"{name}.") for name in spoken_for)
        if "._" not in found.name and not is_inside:
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__"):
                spoken_for.append(found.name)
                yield module


MODULES = sorted(public_modules(), key=lambda each: (each.__name__.count("."), each.__name__))
NAMES = [(module, name) for module in MODULES for name in module.__all__]


def public_members(kind: type) -> dict[str, object]:
    """Return the methods and properties whose code is in this package, by name."""
    found = {}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        function = inspect.unwrap(getattr(member, "fget", getattr(member, "__func__", member)))
        is_ours = str(getattr(function, "__module__", "")).startswith("localsessions")
        if not name.startswith("_") and inspect.isfunction(function) and is_ours:
            found[name] = member
    return found


def homes() -> dict[str, object]:
    """Return each public object by the first name under which it is public."""
    found: dict[str, object] = {}
    for module, name in NAMES:
        value = getattr(module, name)
        if not any(value is each and path.endswith(f".{name}") for path, each in found.items()):
            found[f"{module.__name__}.{name}"] = value
    return found


HOMES = homes()
MEMBERS = {
    f"{path}.{name}": member
    for path, value in HOMES.items()
    if inspect.isclass(value)
    for name, member in public_members(value).items()
}


def sections() -> dict[str, tuple[str, str]]:
    """Return the heading and the text below each anchor."""
    parts = re.split(r'^<a id="(.+)"></a>\n\n#+ `(.+)`$', PAGE, flags=re.MULTILINE)
    return {
        anchor: (title, text)
        for anchor, title, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


SECTIONS = sections()


def without_marks(text: str) -> str:
    """Return the words of a docstring or of what was made of it."""
    return " ".join(re.sub(r"::|[`*\[]|\]\(#[^)]*\)", "", text).replace(":", "").split())


def lost(value: object, text: str) -> list[str]:
    """Return the lines of a docstring that are not in a text, or why there are none."""
    lines = (inspect.getdoc(value) or "").splitlines()
    shown = without_marks(text)
    return (
        [line for line in lines if line not in TITLES and without_marks(line) not in shown]
        if lines
        else ["there is no docstring"]
    )


def test_the_modules_are_those_that_people_import() -> None:
    names = {module.__name__ for module in MODULES}
    rooms = ("models", "errors", "store", "aio", "server", "manager", "transcripts")
    frameworks = ("agno", "agentscope", "codelab")
    assert names >= {"localsessions", *(f"localsessions.{room}" for room in rooms)}
    assert names >= {f"localsessions.adapters.{framework}" for framework in frameworks}
    assert not any(name.startswith(COMMAND_LINE) or "._" in name for name in names)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_module_is_there_with_its_docstring_and_all_its_names(module: ModuleType) -> None:
    title, _ = SECTIONS[module.__name__]
    assert title == module.__name__
    chapter = PAGE.split(f"\n## `{module.__name__}`\n")[1].split("\n## ")[0]
    assert lost(module, chapter) == []
    assert [name for name in module.__all__ if f"`{name}`" not in chapter] == []


@pytest.mark.parametrize("path", HOMES)
def test_every_name_is_there_with_its_docstring(path: str) -> None:
    title, text = SECTIONS[path]
    assert title == path.rpartition(".")[2]
    value = HOMES[path]
    if inspect.isclass(value) or inspect.isroutine(value):
        assert value.__doc__
        assert lost(value, text) == []
    else:  # a constant's docstring is the text below it, which is gone at run time
        assert text.split("\n```\n")[1].strip(), f"{path} has no docstring below it"


@pytest.mark.parametrize("path", MEMBERS)
def test_every_method_and_property_is_there_with_its_docstring(path: str) -> None:
    title, text = SECTIONS[path]
    assert path.endswith(f".{title}")
    assert lost(MEMBERS[path], text) == []


def test_nothing_else_is_there() -> None:
    """Neither what is private nor what comes from a framework."""
    assert set(SECTIONS) == {*(module.__name__ for module in MODULES), *HOMES, *MEMBERS}
    declarations = "".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    assert re.findall(r"(?<![\w.\"])_[A-Za-z]\w*", declarations) == []


def test_every_link_leads_to_a_heading() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= set(SECTIONS)


def test_each_heading_is_there_once() -> None:
    anchors = re.findall(r'<a id="(.+)">', PAGE)
    assert len(anchors) == len(set(anchors)) == len(SECTIONS)


@pytest.mark.needs("ruff")
def test_the_reference_is_the_one_of_the_code() -> None:
    made = runpy.run_path(str(DOCS / "make_reference.py"))["reference_text"]()
    assert made == PAGE, "run `make docs`"
