"""The loopback HTTP service: three read-only answers about the sessions of one store.

::

    GET /api/v1/sessions                         every session, the last active first
    GET /api/v1/sessions/{session_id}/history    its messages and its agents
    GET /api/v1/agents/{session_id}/current      the agent that is active now

This module holds the shapes of the answers and the rules for who gets an answer. It may hold
nothing that writes. There is no password, so the service answers only programs on this machine, and
no page of a browser: it refuses a foreign ``Host`` (DNS rebinding), ``Origin`` or
``Sec-Fetch-Site``, and never sends a CORS header. Starlette and uvicorn, the extra ``server``, are
imported at use.

Every answer is JSON, errors too: ``{"error": "..."}``. This does not hold for a request that is not
HTTP at all; uvicorn answers that itself.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localsessions.errors import UnreadableSessionError
from localsessions.format import encode_value
from localsessions.models import format_instant, message_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import JsonValue
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from localsessions.models import Message, Session, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["DEFAULT_PORT", "HOSTS", "PREFIX", "create_app", "serve"]

DEFAULT_PORT = 8001
"""The port if the caller names none."""

PREFIX = "/api/v1"
"""The beginning of every path of the service."""

HOSTS = ("127.0.0.1", "localhost", "::1")
"""The addresses where the service may listen: only on this machine."""

_log = logging.getLogger("localsessions")

# An Android emulator uses 10.0.2.2 for the loopback of the machine that it runs on:
# https://developer.android.com/studio/run/emulator-networking
_OUR_HOST = re.compile(r"(localhost|127\.0\.0\.1|10\.0\.2\.2|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PAGE = 500
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def create_app(store: SessionStore) -> Starlette:
    """Return the service as an ASGI application, for any ASGI server.

    It reads the store and never writes. The caller closes the store.

    Raises:
        ImportError: The extra ``server`` is not installed.
    """
    _refuse_missing_extra()
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Route

    answers = _Answers(store)
    app = Starlette(
        routes=[
            Route(f"{PREFIX}/sessions", answers.sessions),
            Route(f"{PREFIX}/sessions/{{session_id}}/history", answers.history),
            Route(f"{PREFIX}/agents/{{session_id}}/current", answers.current_agent),
        ],
        middleware=[Middleware(_Guard)],
        exception_handlers={
            HTTPException: _refused,
            UnreadableSessionError: _unreadable,
            Exception: _failed,
        },
    )
    # A redirect would repeat the Host of the request; an address that is not exact gets a 404.
    app.router.redirect_slashes = False
    return app


def serve(
    store: SessionStore,
    host: str = HOSTS[0],
    port: int = DEFAULT_PORT,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until Ctrl-C, or until a signal tells the process to end.

    Args:
        store: What to serve; it stays open.
        host: One of ``HOSTS``.
        port: 0 takes a free port.
        on_ready: Called with the base URL when the service accepts requests.

    Raises:
        ImportError: The extra ``server`` is not installed.
        ValueError: The host is not this machine, or the port is out of range.
        OSError: The port is in use, or the process may not use it.
    """
    app = create_app(store)
    import uvicorn

    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with _listening(host, port) as listener:
        if on_ready is not None:
            name = f"[{host}]" if ":" in host else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}{PREFIX}")
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            # uvicorn has answered the open requests; after closing all it raises the signal again.
            _log.info("the service has ended")


def _refuse_missing_extra() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the server needs {error.name}: pip install 'localsessions[server]'", name=error.name
        ) from error


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    if host not in HOSTS:
        raise ValueError(
            f"host must be one of {', '.join(HOSTS)}, not {host!r}: the service has no password, "
            "so it listens on this machine only"
        )
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be 0 to 65535, not {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if os.name == "posix":  # elsewhere it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            raise _no_port(error, host, port) from error
        yield listener


def _no_port(error: OSError, host: str, port: int) -> OSError:
    what = "is in use by another program" if error.errno == errno.EADDRINUSE else error.strerror
    return OSError(error.errno, f"port {port} of {host}: {what}; choose another port")


# -- who is answered -----------------------------------------------------------------------------


class _Guard:
    """Lets requests of programs on this machine through, and refuses pages of a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (fault := _fault_of(scope["headers"])):
            await _json({"error": fault}, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _fault_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return why a request is refused; an empty text lets it through."""
    hosts, origins, sites = (
        [value.decode("latin-1") for name, value in headers if name == wanted]
        for wanted in (b"host", b"origin", b"sec-fetch-site")
    )
    if len(hosts) != 1 or not _OUR_HOST.fullmatch(hosts[0]):
        return "the Host is not this machine: ask localhost, 127.0.0.1 or 10.0.2.2"
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
        return "pages of another Origin are not answered"
    # "same-site" is a page of another port of this machine; "none" is the person's own address bar.
    if any(site not in ("same-origin", "none") for site in sites):
        return "pages of another site are not answered"
    return ""


# -- errors --------------------------------------------------------------------------------------


def _json(
    document: JsonValue, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    # Not starlette's JSONResponse: it fails at lone surrogates, which files can hold.
    from starlette.responses import Response

    return Response(
        encode_value(document), status, {**_HEADERS, **(headers or {})}, "application/json"
    )


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer for an unknown address (404) or a wrong method (405)."""
    status = getattr(error, "status_code", 500)
    what = {404: "Not found", 405: "Method not allowed: this service is read-only"}
    headers = getattr(error, "headers", None)
    return _json({"error": what.get(status, str(error))}, status, headers)


async def _unreadable(_request: Request, error: Exception) -> Response:
    """Answer for a broken file: 500, since 404 would say that there is no such session.

    An empty history would be wrong too: a client would continue writing from it.
    """
    if not isinstance(error, UnreadableSessionError):
        raise error
    place = f" at line {error.line}, column {error.column}" if error.line is not None else ""
    what = f"Session {error.session_id} cannot be read{place}: {error.reason}"
    return _json({"error": what}, 500)


async def _failed(_request: Request, _error: Exception) -> Response:
    """Answer for any other error; starlette raises it again, and uvicorn logs it."""
    return _json({"error": "Internal error; the log of the service says more"}, 500)


# -- the answers ---------------------------------------------------------------------------------


class _Answers:
    """The three answers. Sync: starlette runs them in worker threads."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def sessions(self, _request: Request) -> Response:
        """Answer with every session; a broken session is listed too, with its reason."""
        page = self._store.list(limit=_PAGE)
        summaries = [*page]
        while page.next_cursor is not None:
            page = self._store.list(limit=_PAGE, cursor=page.next_cursor)
            summaries += page
        lines: list[JsonValue] = [_line(summary) for summary in summaries]
        return _json({"sessions": lines, "total": len(lines)})

    def history(self, request: Request) -> Response:
        """Answer with the messages and the agent switches of a session; creates nothing."""
        session_id = request.path_params["session_id"]
        session = self._found(session_id)
        if session is None:
            return _json({"error": f"Session {session_id} not found"}, 404)
        messages: list[JsonValue] = [_message(message) for message in session.messages]
        return _json(
            {
                "session_id": session.session_id,
                "messages": messages,
                "message_count": len(messages),
                "last_activity": format_instant(session.last_activity),
                "current_agent": session.current_agent,
                "agent_history": _switches(session),
            }
        )

    def current_agent(self, request: Request) -> Response:
        """Answer with the current agent of a session; 404 also if it never had an agent."""
        session = self._found(request.path_params["session_id"])
        if session is None or session.current_agent is None:
            return _json({"error": "Session not found"}, 404)
        switches = _switches(session)
        return _json(
            {
                "session_id": session.session_id,
                "current_agent": session.current_agent,
                "agent_history": switches,
                "switch_count": len(switches),
            }
        )

    def _found(self, session_id: str) -> Session | None:
        try:
            self._store.path(session_id)
        except ValueError:  # no file can have that name, so no path is followed
            return None
        return self._store.get(session_id)


def _line(summary: SessionSummary) -> JsonValue:
    line: dict[str, JsonValue] = {
        "session_id": summary.session_id,
        "message_count": summary.message_count,
        "last_activity": format_instant(summary.last_activity),
        "current_agent": summary.current_agent,
    }
    if summary.unreadable is not None:
        line["unreadable"] = summary.unreadable.reason
    return line


def _message(message: Message) -> JsonValue:
    """Return a message for typed clients: ``role`` and ``content`` are always texts."""
    shown: dict[str, JsonValue] = {
        "role": message["role"],
        "content": message_text(message) or _text(message.get("content")),
    }
    for key in ("name", "tool_call_id"):
        if isinstance(message.get(key), str):
            shown[key] = message[key]
    if message.get("tool_calls"):
        shown["tool_calls"] = message["tool_calls"]
    return shown


def _switches(session: Session) -> list[JsonValue]:
    switches = session.agent_context.get("switches")
    return [
        {key: _text(switch.get(key)) for key in ("from", "to", "reason", "timestamp")}
        for switch in (switches if isinstance(switches, list) else [])
        if isinstance(switch, dict)
    ]


def _text(value: JsonValue) -> str:
    """Return a value as text: null and lists become empty, everything else becomes JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, list):
        return ""
    return json.dumps(value, ensure_ascii=False)
