"""The OpenAPI document: what it says is so, and a program that tries everything finds no fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from localsessions import SessionStore
from localsessions.server import openapi
from localsessions.server.routes.table import ENDPOINTS
from server.asking import Asking

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_the_document_is_served_and_names_each_route(service: Asking) -> None:
    document = service("GET", "/api/openapi.json").document
    assert document == openapi.document()
    assert document["openapi"] == "3.1.0"
    told = {(method.upper(), path) for path, one in document["paths"].items() for method in one}
    assert told == {(one.method, f"/api/v1{one.path}") for one in ENDPOINTS}
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len({*names}) == len(names)


def test_the_page_of_the_documentation_has_each_route() -> None:
    text = (ROOT / "docs" / "service.md").read_text("utf-8")
    told = {*re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", text, re.MULTILINE)}
    assert told == {f"{one.method} {one.path.replace('{session_id}', '{id}')}" for one in ENDPOINTS}


def test_answers_have_the_shape_that_the_document_says(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    store.get_or_create("agents")
    store.switch_agent("agents", "coder", "asked")
    saved = store.save_checkpoint(session_id, {"a": 1})
    document = openapi.document()
    schemas = {"components": document["components"]}
    seen = 0
    for one in ENDPOINTS:
        if one.method != "GET" or one.answers is None or one.path == "/imports/{import_id}":
            continue
        path = one.path.replace("{checkpoint_id}", saved.checkpoint_id)
        chosen = "agents" if one.path.startswith("/agents") else session_id
        asked = {"/search": "?q=hello", "/find": "?q=hello", "/groups": "?by=tag"}
        query = asked.get(f"/{one.path.rpartition('/')[2]}", "")
        answer = service("GET", path.replace("{session_id}", chosen)[1:] + query)
        assert answer.status == 200, path
        content = document["paths"][f"/api/v1{one.path}"]["get"]["responses"]["200"]["content"]
        jsonschema.validate(answer.document, {**content["application/json"]["schema"], **schemas})
        seen += 1
    assert seen >= 14


@pytest.mark.needs("schemathesis")
def test_a_program_that_tries_everything_finds_no_fault(service: Asking, tmp_path: Path) -> None:
    """schemathesis: every route, with what the document allows and with what it does not."""
    address = f"http://127.0.0.1:{service.port}"
    environment = {**os.environ, "TOKEN": str(service.token), "ADDRESS": address}
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
        *(f"{address}/api/openapi.json", "--url", address, "--no-color"),
    ]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert service("GET", "health").status == 200
