"""The loopback HTTP service: the sessions of one store, for programs on this machine.

::

    app          create_app: the routes behind the guard
    serving      serve: the port, server.json, until Ctrl-C
    entry        who may enter: Host, Origin, Fetch Metadata, token
    codes        one-time codes that are exchanged for the token
    discovery    server.json, by which a client finds address and token
    endpoints    the table of routes: what each takes and answers; ``openapi`` is made of it
    requests     query and body of a request, checked
    responses    JSON, ETags, conditions
    repeats      Idempotency-Key
    problems     an error as application/problem+json
    events       changes as Server-Sent Events
    bundle       the page for people: the files of ``page/``, built of the folder of that name
    shapes       what is asked and answered, as models
    routes/      what the routes do, one file a noun; ``guide`` has the three of the agent runtime

Without a token the app has the three GETs of the agent runtime's guide and answers them as ever.
Starlette, uvicorn and sse-starlette, the extra ``server``, are imported at use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.server.serving import (
    DEFAULT_PORT,
    HOSTS,
    PREFIX,
    ReadyService,
    refuse_missing_extra,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette

    from localsessions.store import SessionStore

__all__ = ["DEFAULT_PORT", "HOSTS", "PREFIX", "ReadyService", "create_app", "serve"]


def create_app(
    store: SessionStore,
    *,
    token: str | None = None,
    allow_origins: Sequence[str] = (),
    page: bool = False,
) -> Starlette:
    """Return the service as an ASGI application, for any ASGI server on this machine.

    The caller closes the store.

    Args:
        store: What to serve.
        token: What every request must carry as ``Authorization: Bearer``, 32 characters or more,
            all ASCII. Without one, the app has the three GETs of the agent runtime's guide only,
            and never writes.
        allow_origins: Origins of a browser that may ask with the token, each exactly as the
            browser sends it; ``vscode-webview://*`` stands for each webview.
        page: Whether ``/`` is the page for people; it needs the token, which it gets for a
            one-time code.

    Raises:
        ImportError: The extra ``server`` is not installed.
        ValueError: The token is too short, or an origin is none that may be allowed, or
            there is a page but no token.
    """
    refuse_missing_extra()
    from localsessions.server.app import create_app as create

    return create(store, token=token, allow_origins=allow_origins, page=page)
