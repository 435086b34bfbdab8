"""What a request says, checked: its query by a model, its body within limits and by a model."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from localsessions.format import parse_json
from localsessions.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue
    from starlette.requests import Request

__all__ = ["MOST_BYTES", "MOST_SECONDS", "body_of", "checked_body", "query_of"]

MOST_BYTES = 32 << 20
"""The largest body that is read."""

MOST_SECONDS = 30.0
"""A body that takes longer to arrive is not waited for."""

_JSON = ("application/json", "application/merge-patch+json")

Model = TypeVar("Model", bound=BaseModel)


def query_of(request: Request, model: type[Model]) -> Model:
    """Return the query of a request.

    Raises:
        Problem: A parameter is unknown, is there twice, or has a wrong value.
    """
    given: dict[str, object] = {}
    for name in dict.fromkeys(request.query_params):
        values = request.query_params.getlist(name)
        field = model.model_fields.get(name)
        is_list = field is not None and field.json_schema_extra == {"many": True}
        if len(values) > 1 and not is_list:
            raise Problem(422, f"the parameter {name} is there twice", place=name, code="invalid")
        given[name] = values if is_list else values[0]
    return _validated(model, given, "the parameter ")


async def body_of(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        Problem: It is too large, too slow, or not JSON by its type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON:
        raise Problem(415, f"send the body as {_JSON[0]}, not as {kind or 'nothing'}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "send the body as it is, without Content-Encoding")
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _read(request)
    except TimeoutError:
        raise Problem(
            408, f"the body did not arrive within {MOST_SECONDS:.0f} s", headers=_CLOSE
        ) from None


_CLOSE = {"Connection": "close"}


async def _read(request: Request) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > MOST_BYTES:
        raise _too_large()
    parts, size_bytes = [], 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > MOST_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> Problem:
    return Problem(413, f"a body has {MOST_BYTES >> 20} MiB at most", headers=_CLOSE)


def checked_body(body: bytes, model: type[Model]) -> Model:
    """Return the model that a body says.

    Raises:
        Problem: It is not JSON without loss, or not what is asked for; the place says where.
    """
    try:
        document = parse_json(body)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        said = f"the body, {where}: {fault.msg}"
        raise Problem(422, said, code="not-json", place=where) from None
    if not isinstance(document, dict):
        raise Problem(422, "the body must be a JSON object", code="invalid")
    return _validated(model, document, "")


def _validated(model: type[Model], given: dict[str, object] | JsonValue, what: str) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place, said = _place(first["loc"]), first["msg"]
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            said = f"unknown; there are {', '.join(model.model_fields) or 'none'}"
        raise Problem(
            422, f"{what}{place or 'the body'}: {said}", code="invalid", place=place
        ) from None


def _place(parts: Sequence[int | str]) -> str:
    made = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in parts)
    return made.removeprefix(".")
