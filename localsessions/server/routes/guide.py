"""The three GETs of the agent runtime's guide, which its clients know: shapes, errors, statuses.

::

    GET /api/v1/sessions                         every session, the last active first
    GET /api/v1/sessions/{session_id}/history    its messages and its agents
    GET /api/v1/agents/{session_id}/current      the agent that is active now

Every answer is JSON, errors too: ``{"error": "..."}``. An application without a token has these
only; one with a token has the first with more in it, see ``sessions``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from localsessions.errors import UnreadableSessionError
from localsessions.format import encode_value
from localsessions.models import format_instant, message_text
from localsessions.server.responses import Answer
from localsessions.server.serving import PREFIX

if TYPE_CHECKING:
    from pydantic import JsonValue
    from starlette.requests import Request

    from localsessions.models import Message, Session, SessionSummary
    from localsessions.server.endpoints import Call
    from localsessions.store import SessionStore

__all__ = ["current_agent", "guide_routes", "history"]

_PAGE = 500


def guide_routes(store: SessionStore) -> list[Route]:
    """Return the three routes of a store."""

    def route(path: str, answer: Callable[[SessionStore, str], Answer]) -> Route:
        # Sync: starlette runs it in a worker thread.
        def respond(request: Request) -> Response:
            found = answer(store, request.path_params.get("session_id", ""))
            body: Any = found.document
            # Not starlette's JSONResponse: it fails at lone surrogates, which files can hold.
            return Response(encode_value(body), found.status, media_type=found.media)

        return Route(PREFIX + path, respond)

    return [
        route("/sessions", _sessions),
        route("/sessions/{session_id}/history", _history),
        route("/agents/{session_id}/current", _current_agent),
    ]


def history(call: Call[Any, None]) -> Answer:
    """Answer with the messages and the agent switches of a session."""
    return _history(call.store, call.session_id)


def current_agent(call: Call[Any, None]) -> Answer:
    """Answer with the current agent of a session."""
    return _current_agent(call.store, call.session_id)


def _sessions(store: SessionStore, _: str) -> Answer:
    """Answer with every session; a broken session is listed too, with its reason."""
    page = store.list(limit=_PAGE)
    summaries = [*page]
    while page.next_cursor is not None:
        page = store.list(limit=_PAGE, cursor=page.next_cursor)
        summaries += page
    lines: list[JsonValue] = [_line(summary) for summary in summaries]
    return Answer({"sessions": lines, "total": len(lines)})


def _history(store: SessionStore, session_id: str) -> Answer:
    """Answer with the messages and the agent switches of a session; creates nothing."""
    try:
        session = _found(store, session_id)
    except UnreadableSessionError as error:
        return _unreadable(error)
    if session is None:
        return Answer({"error": f"Session {session_id} not found"}, 404)
    messages: list[JsonValue] = [_message(message) for message in session.messages]
    return Answer(
        {
            "session_id": session.session_id,
            "messages": messages,
            "message_count": len(messages),
            "last_activity": format_instant(session.last_activity),
            "current_agent": session.current_agent,
            "agent_history": _switches(session),
        }
    )


def _current_agent(store: SessionStore, session_id: str) -> Answer:
    """Answer with the current agent of a session; 404 also if it never had an agent."""
    try:
        session = _found(store, session_id)
    except UnreadableSessionError as error:
        return _unreadable(error)
    if session is None or session.current_agent is None:
        return Answer({"error": "Session not found"}, 404)
    switches = _switches(session)
    return Answer(
        {
            "session_id": session.session_id,
            "current_agent": session.current_agent,
            "agent_history": switches,
            "switch_count": len(switches),
        }
    )


def _found(store: SessionStore, session_id: str) -> Session | None:
    try:
        store.path(session_id)
    except ValueError:  # no file can have that name, so no path is followed
        return None
    return store.get(session_id)


def _unreadable(error: UnreadableSessionError) -> Answer:
    """Answer for a broken file: 500, since 404 would say that there is no such session.

    An empty history would be wrong too: a client would continue writing from it.
    """
    place = f" at line {error.line}, column {error.column}" if error.line is not None else ""
    what = f"Session {error.session_id} cannot be read{place}: {error.reason}"
    return Answer({"error": what}, 500)


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
