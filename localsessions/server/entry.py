"""Who may enter: programs of this machine that know the token, and no page of a browser.

Each request passes here first, whatever it asks for. A page that a person visits can reach this
port in three ways: by a name of its own that leads here (DNS rebinding) or by 0.0.0.0, where only
the Host tells; from another origin, where Origin and Fetch Metadata tell; and from another port of
this machine, which shares cookies with it, so there are none.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import MutableHeaders

from localsessions.server.problems import Problem, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["OPEN_PATHS", "Entry", "Guard", "checked_origins", "checked_token"]

OPEN_PATHS = frozenset({("POST", "/api/v1/token")})
"""What is answered without the token: the exchange of a one-time code."""

# An Android emulator uses 10.0.2.2 for the loopback of the machine that it runs on:
# https://developer.android.com/studio/run/emulator-networking
_OUR_HOST = re.compile(
    r"(localhost|127\.0\.0\.1|10\.0\.2\.2|\[::1\])(?::([0-9]{1,5}))?", re.IGNORECASE
)
_SHORTEST_TOKEN = 32
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID"
)
_TOLD_HEADERS = "ETag, Location, Retry-After"
_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Entry(NamedTuple):
    """Who may enter.

    Attributes:
        token: What each request must carry; None lets requests in without.
        origins: Foreign origins that may ask, see ``create_app``.
    """

    token: str | None = None
    origins: tuple[str, ...] = ()

    def allows(self, origin: str) -> bool:
        """Tell whether a foreign origin may ask."""
        kind, _, host = origin.partition("://")
        return bool(host) and (origin in self.origins or f"{kind}://*" in self.origins)


def checked_token(token: str | None) -> str | None:
    """Return a token.

    Raises:
        ValueError: It is too short to be none that can be guessed, or no text of ASCII.
    """
    if token is not None and (len(token) < _SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", token)):
        raise ValueError(
            f"the token must have {_SHORTEST_TOKEN} or more letters, digits and signs of ASCII; "
            "secrets.token_urlsafe(32) makes one"
        )
    return token


def checked_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Return origins that may ask.

    Raises:
        ValueError: One is no origin, or is one that any page may have.
    """
    for origin in origins:
        kind, _, host = origin.partition("://")
        is_origin = re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+", origin)
        if not is_origin or (host == "*" and kind in ("http", "https", "file")):
            raise ValueError(
                f"{origin!r} is no origin that may be allowed: give one as a browser sends it, as "
                "http://localhost:5173 or vscode-webview://*"
            )
    return tuple(origins)


class Guard:
    """The first application: it answers who may not enter, and hands on who may."""

    def __init__(
        self, app: ASGIApp, entry: Entry, open_paths: frozenset[tuple[str, str]] = OPEN_PATHS
    ) -> None:
        self._app = app
        self._entry = entry
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _Asked.read(scope)
        foreign = headers.foreign_origin
        answers: Mapping[str, str] = {}
        if foreign is not None and self._entry.token and self._entry.allows(foreign):
            answers = {
                "Access-Control-Allow-Origin": foreign,
                "Access-Control-Expose-Headers": _TOLD_HEADERS,
            }
        sending = _sending(send, answers)
        fault = _fault_of(headers, self._entry)
        if fault is None and headers.is_preflight and answers:
            await _preflight(scope, receive, _sending(send, {**answers, **_allowed(headers)}))
        elif fault is None and not self._is_known(scope, headers):
            await _unknown()(scope, receive, sending)
        elif fault is not None:
            await problem_response(fault, is_bare=self._entry.token is None)(
                scope, receive, sending
            )
        else:
            await self._app(scope, receive, sending)

    def _is_known(self, scope: Scope, headers: _Asked) -> bool:
        token = self._entry.token
        if token is None or (scope["method"], scope["path"]) in self._open_paths:
            return True
        given = headers.of(b"authorization")
        kind, _, said = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        # Hashes have one length, so that comparing them says nothing of the token's.
        return kind.lower() == "bearer" and hmac.compare_digest(_hashed(said), _hashed(token))


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


class _Asked(NamedTuple):
    """What the headers of a request say.

    Attributes:
        headers: The headers, names in lower case.
        port: The port that was asked; 0 if the server does not say it.
        method: The method.
    """

    headers: Sequence[tuple[bytes, bytes]]
    port: int
    method: str

    @classmethod
    def read(cls, scope: Scope) -> _Asked:
        """Return what a request says."""
        server = scope.get("server")
        port = server[1] if server and isinstance(server[1], int) else 0
        return cls(scope["headers"], port, scope["method"])

    def of(self, wanted: bytes) -> list[str]:
        """Return every value of a header."""
        return [value.decode("latin-1") for name, value in self.headers if name == wanted]

    @property
    def foreign_origin(self) -> str | None:
        """The only origin, if it is not that of this service itself."""
        origins, hosts = self.of(b"origin"), self.of(b"host")
        is_own = len(hosts) == 1 and origins == [f"http://{hosts[0].lower()}"]
        return origins[0] if len(origins) == 1 and not is_own else None

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks what it may ask."""
        return self.method == "OPTIONS" and bool(self.of(b"access-control-request-method"))


def _fault_of(asked: _Asked, entry: Entry) -> Problem | None:
    """Return why a request is refused, whatever it carries; None lets it through."""
    if not _is_our_host(asked.of(b"host"), asked.port if entry.token else 0):
        return Problem(403, "the Host is not this machine: ask localhost, 127.0.0.1 or 10.0.2.2")
    if asked.of(b"content-length") and asked.of(b"transfer-encoding"):
        return Problem(400, "Content-Length and Transfer-Encoding exclude each other")
    origins, host = asked.of(b"origin"), asked.of(b"host")[0]
    is_allowed = entry.token is not None and len(origins) == 1 and entry.allows(origins[0])
    if not is_allowed and any(one.lower() != f"http://{host.lower()}" for one in origins):
        return Problem(403, "pages of another Origin are not answered")
    if len(origins) > 1:
        return Problem(403, "a request has one Origin")
    # "same-site" is a page of another port of this machine; "none" is the person's own address bar.
    if not is_allowed and any(
        one not in ("same-origin", "none") for one in asked.of(b"sec-fetch-site")
    ):
        return Problem(403, "pages of another site are not answered")
    # What a page may do to any server of the world: pictures, scripts, forms that nobody reads.
    if "no-cors" in asked.of(b"sec-fetch-mode"):
        return Problem(403, "requests in no-cors mode are not answered")
    return None


def _is_our_host(hosts: Sequence[str], port: int) -> bool:
    found = _OUR_HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None:
        return False
    said = int(found[2]) if found[2] else 80
    return said <= 65535 if port == 0 else said == port


def _unknown() -> ASGIApp:
    told = Problem(
        401,
        "the token is missing or wrong: send Authorization: Bearer, with the token of "
        ".localsessions/server.json",
        code="unknown-caller",
        headers={"WWW-Authenticate": "Bearer"},
    )
    return problem_response(told)


def _allowed(asked: _Asked) -> Mapping[str, str]:
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _ASKED_HEADERS,
        "Access-Control-Max-Age": "600",
    }
    if asked.of(b"access-control-request-private-network"):
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers


async def _preflight(scope: Scope, receive: Receive, send: Send) -> None:
    from starlette.responses import Response

    await Response(status_code=204)(scope, receive, send)


def _sending(send: Send, more: Mapping[str, str]) -> Send:
    """Add the headers that each answer has."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers.setdefault(name, value)
            headers.update(more)
            headers.append("Vary", "Origin")
        await send(message)

    return sending
