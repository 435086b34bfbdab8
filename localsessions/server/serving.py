"""serve: the port, ``server.json`` and the process, until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions.models import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from starlette.applications import Starlette

    from localsessions.store import SessionStore

__all__ = ["DEFAULT_PORT", "HOSTS", "PREFIX", "ReadyService", "refuse_missing_extra", "serve"]

DEFAULT_PORT = 8001
"""The port if the caller names none."""

PREFIX = "/api/v1"
"""The beginning of every path of the service."""

HOSTS = ("127.0.0.1", "localhost", "::1")
"""The addresses where the service may listen: only on this machine."""

_log = logging.getLogger("localsessions")
_MOST_HEADER_BYTES = 64 << 10


class ReadyService(NamedTuple):
    """A service that accepts requests.

    Attributes:
        url: The beginning of every address.
        advert: The file that names address and token; None without a token.
        page: Where the page is, with a code that works once and for a minute; None without one.
    """

    url: str
    advert: str | None
    page: str | None = None


def serve(
    store: SessionStore,
    host: str = HOSTS[0],
    port: int = DEFAULT_PORT,
    *,
    with_token: bool = False,
    allow_origins: Sequence[str] = (),
    page: bool = False,
    on_ready: Callable[[ReadyService], None] | None = None,
) -> None:
    """Answer requests until Ctrl-C, or until a signal tells the process to end.

    Args:
        store: What to serve; it stays open.
        host: One of ``HOSTS``.
        port: 0 takes a free port.
        with_token: Whether requests must carry a token, which is new at each start and stands in
            ``.localsessions/server.json``, for an address in the user's runtime folder. Without,
            the service has the three GETs only.
        allow_origins: As for ``create_app``.
        page: As for ``create_app``.
        on_ready: Called when the service accepts requests.

    Raises:
        ImportError: The extra ``server`` is not installed.
        ValueError: The host is not this machine, the port is out of range, or an origin is none.
        OSError: The port is in use, or the process may not use it.
    """
    from localsessions.server import create_app

    token = secrets.token_urlsafe(32) if with_token else None
    app = create_app(store, token=token, allow_origins=allow_origins, page=page)
    with _listening(host, port) as listener, ExitStack() as ending:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{listener.getsockname()[1]}"

        def begin() -> None:
            path = ending.enter_context(_advertised(store, app, url))
            if on_ready is not None:
                opened = f"{url}/#code={app.state.service.codes.make()}" if page else None
                on_ready(ReadyService(url, path, opened))

        server = _server(app, begin, ending.close)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            # uvicorn has answered the open requests; after closing all it raises it again.
            _log.info("the service has ended")


def _advertised(
    store: SessionStore, app: Starlette, url: str
) -> AbstractContextManager[str | None]:
    from localsessions.server.discovery import Advert, advertised, has_place

    service = app.state.service
    if service is None or not has_place(store.save_dir):
        return nullcontext()
    advert = Advert(url, service.token, service.pid, format_instant(service.started_at))
    return advertised(store.save_dir, advert)


def _server(app: Starlette, begin: Callable[[], None], end: Callable[[], None]) -> Any:
    import uvicorn

    from localsessions.server.connections import PatientProtocol

    # Between the two a signal ends the service in order; then uvicorn lets it end the process.
    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            begin()
            await super().startup(sockets)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            end()

    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
    )
    return Server(config)


def refuse_missing_extra() -> None:
    """Refuse to go on without the extra ``server``."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401

        import sse_starlette  # noqa: F401  isort: skip
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the server needs {error.name}: pip install 'localsessions[server]'", name=error.name
        ) from error


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    if host not in HOSTS:
        raise ValueError(
            f"host must be one of {', '.join(HOSTS)}, not {host!r}: the service listens on this "
            "machine only"
        )
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be 0 to 65535, not {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Of a socket that does not name TCP, asyncio leaves the connections as they are: each second
    # part of an answer would wait 40 ms for the client to acknowledge the first.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
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
