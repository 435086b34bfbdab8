"""Sessions: list, count, read, create, change, fork, delete and restore them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from localsessions.errors import SessionNotFoundError
from localsessions.server.problems import Problem
from localsessions.server.responses import Answer, etag_of, etag_stored, plain, refuse_stale
from localsessions.server.routes.lines import detail_of, filters_of, line_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Defaults, Session, SessionSummary
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call
    from localsessions.store import SessionStore

__all__ = [
    "change",
    "count",
    "create",
    "delete",
    "fork",
    "found",
    "list_sessions",
    "read",
    "restore",
    "trash",
]

_PAGE = 500


def list_sessions(call: Call[shapes.ListQuery, None]) -> Answer:
    """List sessions: a page or, without limit and cursor, all."""
    query, filters = call.query, filters_of(call.query)
    is_whole = query.limit is None and query.cursor is None
    page = call.store.list(
        order=query.order, limit=query.limit or _PAGE, cursor=query.cursor, **filters
    )
    lines = [*page]
    while is_whole and page.next_cursor is not None:
        page = call.store.list(order=query.order, limit=_PAGE, cursor=page.next_cursor, **filters)
        lines += page
    total = len(lines) if is_whole else call.store.count(**filters)
    return Answer(
        {
            "sessions": [line_of(one) for one in lines],
            "total": total,
            "next_cursor": page.next_cursor,
        }
    )


def count(call: Call[shapes.FilterQuery, None]) -> Answer:
    """Count sessions."""
    return Answer({"count": call.store.count(**filters_of(call.query))})


def found(store: SessionStore, session_id: str) -> Session:
    """Return a session.

    Raises:
        SessionNotFoundError: There is none, or none can have that id.
    """
    known(store, session_id)
    return store.load(session_id)


def known(store: SessionStore, session_id: str) -> str:
    """Return an id that a session can have: no path is followed."""
    try:
        store.path(session_id)
    except ValueError:
        raise SessionNotFoundError(session_id) from None
    return session_id


def read(call: Call[Any, None]) -> Answer:
    """Read a session, without its messages and runs."""
    session = found(call.store, call.session_id)
    return Answer(detail_of(session), etag=etag_of(session))


def _made(session: Session) -> Answer:
    place = f"/api/v1/sessions/{quote(session.session_id, safe='', errors='surrogatepass')}"
    return Answer(detail_of(session), 201, etag_of(session), {"Location": place})


def create(call: Call[Any, shapes.CreateBody]) -> Answer:
    """Create a session, or return the one that is there."""
    body = call.body
    told: Defaults = {
        "user_id": body.user_id,
        "agent_id": body.agent_id,
        "title": body.title,
        "metadata": body.metadata,
        "state": body.state,
        "tags": body.tags,
        "messages": [said(one) for one in body.messages],
        "ttl": body.ttl,
    }
    if body.if_exists == "return" and body.session_id is not None:
        return _made(call.store.get_or_create(body.session_id, **told))
    return _made(call.store.create(body.session_id, **told))


def said(message: shapes.Said | shapes.SaidRun) -> dict[str, JsonValue]:
    """Return a message as it was given."""
    return message.model_dump()


def change(call: Call[Any, shapes.PatchBody]) -> Answer:
    """Change title, metadata, tags, pin and archive, if the caller has seen this version."""
    body, store = call.body, call.store
    with store.edit(known(store, call.session_id), is_activity=False) as session:
        refuse_stale(call.headers, etag_of(session))
        given = body.model_fields_set
        if "title" in given:
            session.title = body.title
        if "metadata" in given:
            session.metadata = merged(session.metadata, body.metadata or {})
            if body.metadata is None:
                session.metadata = {}
        if "tags" in given:
            session.tags = list(dict.fromkeys(body.tags or ()))
        if "pinned" in given:
            session.pinned = body.pinned
        if "archived" in given and body.archived != (session.status == "archived"):
            session.status = "archived" if body.archived else "active"
    return Answer(detail_of(session), etag=etag_of(session))


def merged(value: dict[str, JsonValue], patch: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return an object after a JSON Merge Patch, RFC 7396."""
    made = dict(value)
    for key, item in patch.items():
        if item is None:
            made.pop(key, None)
        elif isinstance(item, dict):
            former = made.get(key)
            made[key] = merged(former if isinstance(former, dict) else {}, item)
        else:
            made[key] = item
    return made


def fork(call: Call[Any, shapes.ForkBody]) -> Answer:
    """Fork a session at a message."""
    body, store = call.body, call.store
    session_id = known(store, call.session_id)
    try:
        return _made(store.fork(session_id, at=body.at, new_id=body.session_id))
    except SessionNotFoundError:
        raise
    except LookupError as error:  # of a message
        raise Problem(404, str(error.args[0] if error.args else error), place="at") from None


def delete(call: Call[Any, None]) -> Answer:
    """Move a session to the trash, if the caller has seen this version."""
    store, session_id = call.store, known(call.store, call.session_id)

    def allows(_: SessionSummary) -> bool:
        refuse_stale(call.headers, etag_stored(store, session_id))
        return True

    if not store.engine.delete(session_id, allows):
        raise SessionNotFoundError(session_id)
    return Answer(status=204)


def restore(call: Call[Any, None]) -> Answer:
    """Bring the last deleted session with that id back."""
    session = call.store.restore(known(call.store, call.session_id))
    return Answer(detail_of(session), etag=etag_of(session))


def trash(call: Call[Any, None]) -> Answer:
    """List what can be restored."""
    told: list[Any] = [plain(one) for one in call.store.trash()]
    return Answer({"sessions": [{key: one[key] for key in one if key != "path"} for one in told]})
