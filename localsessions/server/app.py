"""create_app: the routes behind the guard, each request checked before it is acted upon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from localsessions.server import openapi, requests
from localsessions.server.about import Service
from localsessions.server.bundle import page_paths, page_routes
from localsessions.server.endpoints import Call, Endpoint
from localsessions.server.entry import OPEN_PATHS, Entry, Guard, checked_origins, checked_token
from localsessions.server.problems import Problem, problem_of, problem_response
from localsessions.server.responses import Answer, response_of
from localsessions.server.routes.guide import guide_routes
from localsessions.server.routes.table import ENDPOINTS
from localsessions.server.serving import PREFIX

if TYPE_CHECKING:
    from localsessions.store import SessionStore

__all__ = ["create_app"]


def create_app(
    store: SessionStore, *, token: str | None, allow_origins: Sequence[str], page: bool
) -> Starlette:
    """Return the application; see ``localsessions.server.create_app``."""
    entry = Entry(checked_token(token), checked_origins(allow_origins))
    is_bare = entry.token is None
    if is_bare and page:
        raise ValueError("the page needs the token: give one, or no page")
    service = None if entry.token is None else Service(store, entry.token, has_page=page)
    routes = guide_routes(store) if service is None else _routes(service)
    open_paths = OPEN_PATHS
    if page:
        routes, open_paths = [*routes, *page_routes()], open_paths | page_paths()
    refused = partial(_refused, is_bare=is_bare)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, entry=entry, open_paths=open_paths)],
        exception_handlers={HTTPException: refused, Exception: partial(_failed, is_bare=is_bare)},
    )
    # A redirect would repeat the Host of the request; an address that is not exact gets a 404.
    app.router.redirect_slashes = False
    app.state.service = service
    return app


def _routes(service: Service) -> list[Route]:
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in ENDPOINTS:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [
        Route(PREFIX + path, _answering(service, methods), methods=[*methods])
        for path, methods in by_path.items()
    ]
    return [*routes, Route("/api/openapi.json", _openapi)]


async def _openapi(request: Request) -> Response:
    return response_of(Answer(openapi.document()), request.headers)


def _answering(
    service: Service, methods: dict[str, Endpoint]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        endpoint = methods["GET" if request.method == "HEAD" else request.method]
        try:
            return await _answered(service, endpoint, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        # Whatever a verb raises is an answer; what is no error of a store is logged there.
        except Exception as error:  # noqa: BLE001
            return problem_response(problem_of(error))

    return answer


async def _answered(service: Service, endpoint: Endpoint, request: Request) -> Response:
    query = requests.query_of(request, endpoint.query)
    body: Any = None
    data = b""
    if endpoint.body is not None:
        data = await requests.body_of(request)
        body = await run_in_threadpool(requests.checked_body, data, endpoint.body)
    call: Call[Any, Any] = Call(service, request.path_params, query, body, request.headers)
    if endpoint.stream is not None:
        return await endpoint.stream(call, request)
    assert endpoint.act is not None  # noqa: S101  (a stream is the other kind)
    act = partial(endpoint.act, call)
    keys = request.headers.getlist("idempotency-key") if endpoint.method == "POST" else []
    if keys:
        asked = (request.url.path, data)
        act = partial(service.repeats.once, ",".join(keys), asked, act)
    return await run_in_threadpool(lambda: response_of(act(), request.headers))


async def _refused(request: Request, error: Exception, *, is_bare: bool) -> Response:
    """Answer for an unknown address (404) or a wrong method (405)."""
    status = getattr(error, "status_code", 500)
    read_only = ": this service is read-only" if is_bare else ""
    what = {404: "Not found", 405: f"Method not allowed{read_only}"}
    told = what.get(status, str(error))
    if not is_bare and status in what:
        asked = f"{request.method} {request.scope['path'][:200]}"
        told = f"{told}: {asked}; /api/openapi.json has what there is"
    problem = Problem(status, told, headers=getattr(error, "headers", None))
    return problem_response(problem, is_bare=is_bare)


async def _failed(_request: Request, _error: Exception, *, is_bare: bool) -> Response:
    """Answer for any other error; starlette raises it again, and uvicorn logs it."""
    problem = Problem(500, "Internal error; the log of the service says more")
    return problem_response(problem, is_bare=is_bare)
