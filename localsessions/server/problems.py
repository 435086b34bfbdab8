"""An error as ``application/problem+json`` (RFC 9457), and which errors of a store are which."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from localsessions import errors
from localsessions.format import encode_value

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["Problem", "problem_of", "problem_response"]

_log = logging.getLogger("localsessions")


class Problem(Exception):  # noqa: N818  (it is an answer)
    """Why a request is refused.

    Args:
        status: The HTTP status.
        detail: What is wrong, where, and the remedy, for people.
        code: What is wrong, for programs.
        place: The place in the request, as a path.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        place: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.place = status, detail, place
        self.code = code or HTTPStatus(status).phrase.lower().replace(" ", "-")
        self.headers = headers or {}

    @property
    def document(self) -> dict[str, JsonValue]:
        """The problem as JSON."""
        told: dict[str, JsonValue] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return told if self.place is None else {**told, "place": self.place}


def problem_response(problem: Problem, *, is_bare: bool = False) -> Response:
    """Return a problem as an answer; a bare one has only the text, as ``{"error": ...}``."""
    document: JsonValue = {"error": problem.detail} if is_bare else problem.document
    media = "application/json" if is_bare else "application/problem+json"
    return Response(encode_value(document), problem.status, problem.headers, media)


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error of a store is; any other error is logged and is a 500."""
    if isinstance(error, Problem):
        return error
    for kind, (status, code) in _STATUSES.items():
        if isinstance(error, kind):
            return Problem(status, str(error), code=code, **_more(error))
    if isinstance(error, OSError) and (found := _OF_NUMBERS.get(error.errno or 0)):
        status, code, remedy = found
        place = error.filename2 or error.filename or "the folder of the sessions"
        return Problem(status, f"{error.strerror}: {place}; {remedy}", code=code)
    _log.error("a request failed", exc_info=error)
    return Problem(500, "the service failed; its log says more", code="failed")


# The first that fits counts.
_STATUSES: Mapping[type[Exception], tuple[int, str]] = {
    errors.SessionNotFoundError: (404, "not-found"),
    errors.SessionExistsError: (409, "exists"),
    errors.ConflictError: (412, "stale"),
    errors.UnreadableSessionError: (500, "unreadable"),
    errors.FormatVersionError: (409, "newer-format"),
    errors.LockTimeoutError: (503, "locked"),
    errors.DurabilityUnknownError: (500, "durability-unknown"),
    errors.UnstorableValueError: (422, "unstorable"),
    errors.SessionLimitError: (409, "limit"),
    errors.NotOwnerError: (403, "not-owner"),
    errors.SearchGivenUpError: (503, "given-up"),
    errors.ChangesExpiredError: (410, "expired"),
    ValueError: (422, "invalid"),
}


_READ_ONLY = (403, "read-only", "the user of the service must be allowed to write there")
_NO_ROOM = (507, "no-room", "make room, and ask again")
_OF_NUMBERS: Mapping[int, tuple[int, str, str]] = {
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
}


def _more(error: Exception) -> dict[str, Any]:
    if isinstance(error, errors.LockTimeoutError):
        return {"headers": {"Retry-After": "1"}}
    return {"place": error.where} if isinstance(error, errors.UnstorableValueError) else {}
