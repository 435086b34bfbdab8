"""Write docs/reference.md: every public name with its declaration and its docstring.

What is public is asked of the package as it is when imported, for some of it is made only then.
How a name stands in the source and what its docstring says, griffe reads: a method made of
another one is found there by its ``__wrapped__``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import griffe

import localsessions

TARGET = Path(__file__).with_name("reference.md")

# The face of the command line is what it prints for --help.
NOT_PYTHON = {"localsessions.cli"}

PREFACE = """\
# Reference

Every public name of `localsessions`, as it stands in the code. A name that several modules give
is told of once, in the first of them. Made by `make docs`; change the docstring, not this page.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef
NOTHING = ast.Expr(ast.Constant(...))

# Types stand in the signature, and what is returned is one text.
GOOGLE = {"returns_named_value": False, "returns_multiple_items": False, "warnings": False}


def reference_text() -> str:
    """Return the page."""
    return laid_out(Reference().text())


def public_modules(package: ModuleType = localsessions) -> Iterator[ModuleType]:
    """Yield the modules with a face; a package that has one speaks for the rooms inside it."""
    if hasattr(package, "__all__"):
        yield package
    if package is localsessions or not hasattr(package, "__all__"):
        for info in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
            if "._" not in info.name and info.name not in NOT_PYTHON:
                yield from public_modules(importlib.import_module(info.name))


def places(name: str) -> tuple[int, str]:
    """Return what modules are sorted by: those that are nearest to the package come first."""
    return name.count("."), name


def face(module: ModuleType) -> dict[str, object]:
    """Return the public names of a module with what they mean."""
    return {name: getattr(module, name) for name in module.__all__}


def public_members(kind: type) -> dict[str, Any]:
    """Return the methods and properties that are ours, those of private bases among them."""
    names = dict.fromkeys(name for base in kind.__mro__ for name in vars(base))
    members = {name: inspect.getattr_static(kind, name) for name in names if name[0] != "_"}
    return {name: member for name, member in members.items() if is_ours(member)}


def is_ours(member: object) -> bool:
    """Tell whether it was written here; much of an adapter's class is its framework's."""
    return path_of(function_of(member)).startswith("localsessions.")


def function_of(member: Any) -> Any:
    """Return what was written with ``def`` for a method or a property; else the member itself."""
    for under in ("fget", "func", "__func__"):
        member = getattr(member, under, member)
    return inspect.unwrap(member)


def path_of(function: Any) -> str:
    """Return where a function was written, and nothing of what is no function."""
    return f"{function.__module__}.{function.__qualname__}" if inspect.isfunction(function) else ""


class Reference:
    """The page in the making: which names there are, and where each is told of."""

    def __init__(self) -> None:
        loader = griffe.GriffeLoader()
        self.code = loader.load("localsessions")
        loader.resolve_aliases()
        self.modules = sorted(public_modules(), key=lambda each: places(each.__name__))
        self.homes: dict[tuple[str, int], str] = {}
        for module in self.modules:
            for name, value in face(module).items():
                self.homes.setdefault((name, id(value)), f"{module.__name__}.{name}")

    def home(self, name: str, value: object) -> str | None:
        """Return the anchor of a public name, None where it is not public."""
        return self.homes.get((name, id(value)))

    def home_of_each(self, module: ModuleType) -> dict[str, str]:
        return {name: self.homes[name, id(value)] for name, value in face(module).items()}

    def text(self) -> str:
        contents = [self.listed(module) for module in self.modules]
        chapters = [part for module in self.modules for part in self.chapter(module)]
        return "\n\n".join([PREFACE.strip(), "\n".join(contents), *chapters]) + "\n"

    def listed(self, module: ModuleType) -> str:
        return f"- {link(module.__name__)}: {links(self.home_of_each(module))}"

    def chapter(self, module: ModuleType) -> Iterator[str]:
        yield heading(2, module.__name__, module.__name__)
        yield from self.prose(inspect.getdoc(module))
        elsewhere = {}
        for name, home in self.home_of_each(module).items():
            if home == f"{module.__name__}.{name}":
                yield from self.entry(name, home, getattr(module, name))
            else:
                elsewhere[name] = home
        if elsewhere:
            yield f"Told of above: {links(elsewhere)}."

    def entry(self, name: str, home: str, value: object) -> Iterator[str]:
        found = self.written(home)
        yield heading(3, home, name)
        yield code(declaration(found))
        # A constant has no __doc__ of its own: its docstring is the text below it.
        yield from self.prose(found.docstring.value if found.docstring else None)
        if inspect.isclass(value):
            yield from self.members(name, home, value)

    def members(self, name: str, home: str, kind: type) -> Iterator[str]:
        members = public_members(kind)
        if members:
            yield f"**Members:** {links({each: f'{home}.{each}' for each in members})}"
        for each, member in members.items():
            yield heading(4, f"{home}.{each}", f"{name}.{each}")
            base = next(base for base in kind.__mro__ if each in vars(base))
            yield from self.member(f"{base.__module__}.{base.__qualname__}.{each}", member)

    def member(self, path: str, member: Any) -> Iterator[str]:
        found = self.written(path_of(function_of(member)))
        node = declaration(found)
        if "property" in found.labels:  # griffe's source of it begins below the decorator
            node.decorator_list = [ast.Name("property")]
        yield code(node if found.path == path else derived(node, member))
        yield from self.prose(inspect.getdoc(member))

    def written(self, path: str) -> griffe.Object:
        """Return the griffe object of a name, from the module that defines it."""
        found = self.code[path.removeprefix("localsessions.")]
        return found.final_target if isinstance(found, griffe.Alias) else found

    def prose(self, docstring: str | None) -> Iterator[str]:
        """Yield a docstring's paragraphs and sections, the latter as lists."""
        # Read without its function: types stand in the declaration, and not here again.
        for section in griffe.Docstring(docstring or "").parse("google", **GOOGLE):
            match section.kind.value:
                case "text":
                    yield markdown(section.value)
                case "parameters" | "attributes" | "raises" | "returns" | "yields" as kind:
                    title = "Arguments" if kind == "parameters" else kind.capitalize()
                    items = [self.item(item) for item in section.value]
                    yield "\n".join([f"**{title}:**\n", *items])
                case "admonition":
                    yield f"**{section.title}:** {markdown(section.value.contents)}"
                case other:
                    raise ValueError(f"a section of {other}: say in make_reference.py how it looks")

    def item(self, item: Any) -> str:
        text = textwrap.indent(markdown(item.description), "  ").strip()
        if isinstance(item, griffe.DocstringReturn | griffe.DocstringYield):
            # A colon in the sentence is taken for one behind a type.
            return f"- {item.annotation}: {text}" if item.annotation else f"- {text}"
        if isinstance(item, griffe.DocstringRaise):
            return f"- {', '.join(map(self.error, str(item.annotation).split(', ')))}: {text}"
        return f"- `{item.name}`: {text}"

    def error(self, name: str) -> str:
        home = self.home(name, getattr(localsessions, name, None))
        return link(home, name) if home else f"`{name}`"


def heading(level: int, anchor: str, title: str) -> str:
    return f'<a id="{anchor}"></a>\n\n{"#" * level} `{title}`'


def link(anchor: str, title: str | None = None) -> str:
    return f"[`{title or anchor}`](#{anchor})"


def links(anchors: Mapping[str, str]) -> str:
    return ", ".join(link(anchor, title) for title, anchor in anchors.items())


def code(node: ast.AST) -> str:
    return f"```python\n{ast.unparse(node)}\n```"


def markdown(text: str) -> str:
    """Return a text without the double colons that say that what follows is set as it is."""
    return re.sub(r"::$", ":", re.sub(r"^::\n+", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


class Public(ast.NodeTransformer):
    """Puts in the place of a private constant or alias of a file what it stands for."""

    def __init__(self, module: griffe.Module) -> None:
        self.module = module

    def visit_Name(self, node: ast.Name) -> Any:
        meant = self.module.members.get(node.id)
        if not node.id.startswith("_") or not isinstance(meant, griffe.Attribute):
            return node
        return self.visit(ast.parse(str(meant.value), mode="eval").body)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        if ast.unparse(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple):
            return node.slice.elts[0]  # the rest is how it is checked
        return node


def declaration(found: griffe.Object) -> Any:
    """Return the statement that makes a name, without what it does."""
    node: Any = ast.parse(textwrap.dedent(found.source)).body[0]
    if isinstance(node, ast.ClassDef):
        decorators = node.decorator_list
        node.decorator_list = [each for each in decorators if "dataclass" in ast.unparse(each)]
        node.body = [without_body(each) for each in node.body if is_shown(each)] or [NOTHING]
    return Public(found.module).visit(without_body(node))


def without_body(node: Any) -> Any:
    if isinstance(node, Function):
        node.body = [NOTHING]
    return node


def is_shown(node: ast.stmt) -> bool:
    """Tell whether a part of a class says how an object is made, or is a public field."""
    if isinstance(node, Function):
        return node.name == "__init__"
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return bool(names) and not names[0].startswith(("_", "model_"))


def derived(node: Any, made: Callable[..., Any]) -> Any:
    """Return the declaration of a method that was made of the one given."""
    kind = ast.AsyncFunctionDef if inspect.iscoroutinefunction(made) else ast.FunctionDef
    returns = inspect.signature(made).return_annotation
    if isinstance(returns, str):
        node.returns = ast.parse(returns, mode="eval").body
    return kind(**{**vars(node), "decorator_list": []})


def laid_out(page: str) -> str:
    """Return the page with its code laid out as ours is."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    done = subprocess.run(command, input=page.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


if __name__ == "__main__":
    TARGET.write_text(reference_text(), encoding="utf-8")
