"""What is asked of the whole store: search, export, stats, health, the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions import __version__
from localsessions.server.problems import Problem
from localsessions.server.responses import Answer, etag_of, plain
from localsessions.server.routes.lines import filters_of, line_of
from localsessions.server.routes.sessions import found

if TYPE_CHECKING:
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["MEDIA", "code", "export", "health", "search", "secrets", "stats", "token"]

MEDIA = {
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
}


def search(call: Call[shapes.SearchQuery, None]) -> Answer:
    """Find sessions by their words."""
    query = call.query
    hits = call.store.search(
        query.q, limit=query.limit, neighbours=query.neighbours, **filters_of(query)
    )
    told: list[Any] = [plain(hit) for hit in hits]
    lines = [line_of(hit.session) for hit in hits]
    return Answer(
        {"hits": [{**hit, "session": line} for hit, line in zip(told, lines, strict=True)]}
    )


def export(call: Call[shapes.ExportQuery, None]) -> Answer:
    """Return a session as a file, without what looks like a secret."""
    from localsessions.redaction import redact
    from localsessions.transcripts import export as exported

    session, query = found(call.store, call.session_id), call.query
    etag = etag_of(session)
    if query.redact:
        session = redact(session).session
    suffix = etag.strip('"')
    tag = f'"{suffix}-{query.format}-{"redacted" if query.redact else "whole"}"'
    return Answer(data=exported(session, query.format), etag=tag, media=MEDIA[query.format])


def secrets(call: Call[Any, None]) -> Answer:
    """Say what an export leaves out: kind and place of each secret, never the secret."""
    from localsessions.redaction import redact

    session = found(call.store, call.session_id)
    told = redact(session).findings
    return Answer({"session_id": session.session_id, "secrets": told})


def stats(call: Call[Any, None]) -> Answer:
    """Return sizes and counts."""
    return Answer(call.store.stats())


def health(call: Call[Any, None]) -> Answer:
    """Say who answers."""
    service = call.service
    return Answer(
        {
            "status": "ok",
            "version": __version__,
            "save_dir": call.store.save_dir,
            "pid": service.pid,
            "started_at": service.started_at,
            "last_change": call.store.last_change(),
        }
    )


def code(call: Call[Any, None]) -> Answer:
    """Make a one-time code, for who has the token and opens the page in a browser."""
    if not call.service.has_page:
        raise Problem(404, "this service has no page", code="no-page")
    return Answer({"code": call.service.codes.make()}, 201)


def token(call: Call[Any, shapes.CodeBody]) -> Answer:
    """Exchange a one-time code for the token."""
    if not call.service.codes.use(call.body.code):
        raise Problem(
            403, "the code is wrong, was used, or is too old: open the page again", code="code"
        )
    return Answer({"token": call.service.token})
