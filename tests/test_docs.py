"""What the documents say is so."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import jsonschema
import orjson

from localsessions import Session, SessionStore

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def load_script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example() -> bytes:
    found = re.search(r"```json\n(.*?)```", (DOCS / "format.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1).encode()


def test_the_example_of_the_format_is_laid_out_as_the_format_says(tmp_path: Path) -> None:
    data = example()
    layout = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    assert orjson.dumps(orjson.loads(data), option=layout) == data


def test_the_example_of_the_format_is_a_session_that_saving_leaves_alone(tmp_path: Path) -> None:
    name = "session_1735634700000"
    (tmp_path / f"{name}.json").write_bytes(example())
    with SessionStore(tmp_path) as store:
        session = store.load(name)
        store.save(session)
        assert (session.current_agent, len(session.messages)) == ("coder", 2)
    assert (tmp_path / f"{name}.json").read_bytes() == example()


def test_the_schema_in_the_docs_is_the_one_of_the_models() -> None:
    made = load_script(DOCS / "make_schema.py").schema_text()
    assert (DOCS / "session.schema.json").read_text("utf-8") == made, "run `make schema`"


def test_the_schema_accepts_the_example() -> None:
    schema = json.loads((DOCS / "session.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(example()))


def test_the_format_page_names_every_field() -> None:
    page = (DOCS / "format.md").read_text("utf-8")
    assert [name for name in Session.model_fields if f"`{name}`" not in page] == []


def test_relative_links_in_the_documents_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
