"""The page: files that ``make page`` builds of ``page/``, and the policy that they run under.

They hold nothing of anybody, so they are answered without the token; the Host is checked all the
same. The page gets the token for a one-time code in the fragment of its address.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["POLICY", "page_paths", "page_routes"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
"""Nothing of another origin, no inline script, and no text as markup that was not purified."""

_MEDIA = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


@cache
def _files() -> dict[str, bytes]:
    """Return the bytes of each file by its path."""
    folder = resources.files("localsessions.server") / "page"
    found = {f"/{one.name}": one.read_bytes() for one in folder.iterdir() if one.is_file()}
    index = found.pop("/index.html", None)
    if index is None:
        raise FileNotFoundError("the page is not built: run make page")
    return {"/": index, **found}


def page_paths() -> frozenset[tuple[str, str]]:
    """Return what is answered without the token, by method and path."""
    return frozenset((method, path) for path in _files() for method in ("GET", "HEAD"))


def page_routes() -> list[Route]:
    """Return a route for each file: no path of a request is ever one of the disk."""
    return [Route(path, _answer, methods=["GET"]) for path in _files()]


async def _answer(request: Request) -> Response:
    path = request.url.path
    media = _MEDIA["html" if path == "/" else path.rpartition(".")[2]]
    headers = {"Content-Security-Policy": POLICY, "Content-Type": media}
    return Response(_files()[path], headers=headers)
