"""Answers: JSON with an ETag, and the conditions that a request puts on one.

The ETag of a session is a hash of the bytes that are stored, so that each version has another one,
whoever wrote it. The ETag of any other answer is a hash of the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel
from starlette.responses import Response

from localsessions.errors import UnreadableSessionError
from localsessions.format import encode_value, original_bytes
from localsessions.models import format_instant
from localsessions.server.problems import Problem

if TYPE_CHECKING:
    from pydantic import JsonValue
    from starlette.datastructures import Headers

    from localsessions.models import Session
    from localsessions.store import SessionStore

__all__ = [
    "Answer",
    "etag_of",
    "etag_stored",
    "plain",
    "refuse_stale",
    "response_of",
]


class Answer(NamedTuple):
    """What a route answers.

    Attributes:
        document: What becomes JSON; None has no body.
        status: The HTTP status.
        etag: The version of the session that it is about; None if it is about no single session.
        headers: Further headers.
        data: The body, if it is no JSON of this service.
        media: The type of the body.
    """

    document: object = None
    status: int = 200
    etag: str | None = None
    headers: Mapping[str, str] = {}
    data: bytes | None = None
    media: str = "application/json"


def etag_of(session: Session) -> str:
    """Return the ETag of the version that a session was read from or last written as."""
    return _etag(original_bytes(session) or b"")


def etag_stored(store: SessionStore, session_id: str) -> str:
    """Return the ETag of what is stored now, also of a file that is no session.

    Raises:
        SessionNotFoundError: Nothing is.
    """
    try:
        return etag_of(store.load(session_id))
    except UnreadableSessionError:
        return _etag(store.raw(session_id))


def _etag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'


def refuse_stale(headers: Headers, etag: str) -> None:
    """Refuse to change a version that the caller has not seen.

    Raises:
        Problem: 428 without If-Match; 412 if it names another version, or a weak one.
    """
    asked = headers.getlist("if-match")
    if not asked:
        raise Problem(428, "send If-Match with the ETag that GET gave; * changes whatever is there")
    named = [one.strip() for text in asked for one in text.split(",")]
    if "*" not in named and etag not in named:
        raise Problem(
            412,
            "the session was changed meanwhile: read it again and decide anew",
            code="stale",
            headers={"ETag": etag},
        )


def response_of(answer: Answer, headers: Headers) -> Response:
    """Return an answer as a response: 304 without a body if the caller has that version."""
    if answer.document is None and answer.data is None:
        return Response(status_code=answer.status, headers=_tagged(answer, answer.etag))
    body = answer.data if answer.data is not None else encode_value(plain(answer.document))
    etag = answer.etag or (_etag(body) if answer.status == 200 else None)
    if etag is not None and answer.status == 200 and _has(headers, etag):
        return Response(status_code=304, headers=_tagged(answer, etag))
    return Response(body, answer.status, _tagged(answer, etag), answer.media)


def _tagged(answer: Answer, etag: str | None) -> dict[str, str]:
    return {**answer.headers, **({} if etag is None else {"ETag": etag})}


def _has(headers: Headers, etag: str) -> bool:
    named = [one.strip() for text in headers.getlist("if-none-match") for one in text.split(",")]
    return "*" in named or etag in [one.removeprefix("W/") for one in named]


def plain(value: object) -> JsonValue:
    """Return a result of a verb as JSON: the fields of models by their names."""
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    raise AssertionError(type(value))
