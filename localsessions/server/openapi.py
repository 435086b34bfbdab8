"""The OpenAPI 3.1 document, made of the table of routes and of the models."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from localsessions import __version__
from localsessions.server.routes.table import ENDPOINTS
from localsessions.server.serving import PREFIX
from localsessions.server.shapes import Change, ProblemDocument

if TYPE_CHECKING:
    from pydantic import BaseModel

    from localsessions.server.endpoints import Endpoint

__all__ = ["document"]

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document of a service with a token."""
    paths: dict[str, Any] = {}
    for one in ENDPOINTS:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "localsessions",
            "version": __version__,
            "description": "The sessions of one store, for programs on this machine.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    asked = [one.body for one in ENDPOINTS if one.body]
    answered = [each for one in ENDPOINTS for each in (one.answers, one.fails) if each]
    models = [
        *((one, "validation") for one in dict.fromkeys(asked)),
        *((one, "serialization") for one in dict.fromkeys([*answered, ProblemDocument, Change])),
    ]
    _, found = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _operation(one: Endpoint) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": one.summary,
        "operationId": _name(one),
        "parameters": [*_path_parameters(one), *_query_parameters(one), *_headers(one)],
        "responses": {str(one.status): _answer(one), **_failures(one), "default": _problem()},
    }
    if one.method == "GET" and one.stream is None:
        told["responses"]["304"] = {"description": "The caller has this version."}
    if one.body is not None:
        schema = {"$ref": _REF.format(model=one.body.__name__)}
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if one.path == "/token":
        told["security"] = []
    return told


def _name(one: Endpoint) -> str:
    words = re.findall(r"[a-z_]+", one.path)
    return "_".join((one.method.lower(), *words))


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", one.path)
    ]


def _query_parameters(one: Endpoint) -> list[dict[str, Any]]:
    schema = one.query.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _without_null(each),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: what is null is left out of a query."""
    made = {key: value for key, value in schema.items() if key not in ("title", "many", "default")}
    kinds = [one for one in made.pop("anyOf", []) if one != {"type": "null"}]
    if kinds:
        made.update(kinds[0])
    if schema.get("default") is not None:
        made["default"] = schema["default"]
    return made


def _headers(one: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    told: list[dict[str, Any]] = []
    if one.is_conditional:
        told.append({"name": "If-Match", "in": "header", "required": True, "schema": text})
    if one.method == "POST" and one.path != "/token":
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        told.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    if one.stream is not None:
        number = {"type": "string", "pattern": "^[0-9]{1,19}$"}
        told.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": number})
    return told


def _answer(one: Endpoint) -> dict[str, Any]:
    told: dict[str, Any] = {"description": one.summary}
    if one.answers is not None:
        schema = {"$ref": _REF.format(model=_model(one.answers))}
        told["content"] = {"application/json": {"schema": schema}}
    elif one.media:
        told["content"] = {media: {"schema": {}} for media in one.media}
    return told


def _problem() -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=_model(ProblemDocument))}
    return {"description": "A problem.", "content": {_PROBLEM: {"schema": schema}}}


def _failures(one: Endpoint) -> dict[str, Any]:
    """Return the errors of a route of the guide: an unknown session, and a file that is none."""
    if one.fails is None:
        return {}
    schema = {"$ref": _REF.format(model=_model(one.fails))}
    told = {"description": "An error.", "content": {"application/json": {"schema": schema}}}
    return {"404": told, "500": told}


def _model(model: type[BaseModel]) -> str:
    return model.__name__
