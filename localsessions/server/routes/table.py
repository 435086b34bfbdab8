"""The table of routes: what each takes and answers. Routes, checks and OpenAPI are made of it."""

from __future__ import annotations

from localsessions.server import shapes
from localsessions.server.endpoints import Endpoint
from localsessions.server.events import changes
from localsessions.server.routes import care, checkpoints, guide, importing, messages, sessions

__all__ = ["ENDPOINTS"]

_ONE = "/sessions/{session_id}"
_SAVED = f"{_ONE}/checkpoints"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/health", care.health, "Who answers", shapes.Health),
    Endpoint("GET", "/stats", care.stats, "Sizes and counts", shapes.Stats),
    Endpoint(
        "POST",
        "/token",
        care.token,
        "Exchange a one-time code for the token",
        shapes.Token,
        body=shapes.CodeBody,
    ),
    Endpoint(
        "GET",
        "/sessions",
        sessions.list_sessions,
        "List sessions",
        shapes.Listed,
        query=shapes.ListQuery,
    ),
    Endpoint(
        "POST",
        "/sessions",
        sessions.create,
        "Create a session",
        shapes.SessionDetail,
        body=shapes.CreateBody,
        status=201,
    ),
    Endpoint(
        "GET",
        "/count",
        sessions.count,
        "Count sessions",
        shapes.Counted,
        query=shapes.FilterQuery,
    ),
    Endpoint("GET", _ONE, sessions.read, "Read a session", shapes.SessionDetail),
    Endpoint(
        "PATCH",
        _ONE,
        sessions.change,
        "Change title, metadata, tags, pin or archive",
        shapes.SessionDetail,
        body=shapes.PatchBody,
        is_conditional=True,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        sessions.delete,
        "Move a session to the trash",
        status=204,
        is_conditional=True,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/restore",
        sessions.restore,
        "Bring a session back from the trash",
        shapes.SessionDetail,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/fork",
        sessions.fork,
        "Fork a session at a message",
        shapes.SessionDetail,
        body=shapes.ForkBody,
        status=201,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/messages",
        messages.messages,
        "Read messages from a position on, or the last",
        shapes.MessageRange,
        query=shapes.MessagesQuery,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/messages",
        messages.append,
        "Add messages at the end",
        shapes.Appended,
        body=shapes.MessagesBody,
        status=201,
    ),
    Endpoint(
        "PUT",
        f"{_ONE}/runs/{{run_id}}",
        messages.put_run,
        "Replace a run and its messages, or add them",
        body=shapes.RunBody,
        status=204,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/history",
        guide.history,
        "Messages and agents, for the agent runtime's clients",
        shapes.GuideHistory,
    ),
    Endpoint(
        "GET",
        "/agents/{session_id}/current",
        guide.current_agent,
        "The current agent, for the agent runtime's clients",
        shapes.GuideAgent,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/export",
        care.export,
        "A session as a file, without what looks like a secret",
        query=shapes.ExportQuery,
        media=tuple(care.MEDIA.values()),
    ),
    Endpoint("GET", _SAVED, checkpoints.checkpoints, "List checkpoints", shapes.CheckpointIds),
    Endpoint(
        "POST",
        _SAVED,
        checkpoints.save,
        "Save a checkpoint",
        shapes.CheckpointSaved,
        body=shapes.CheckpointBody,
        status=201,
    ),
    Endpoint(
        "GET",
        f"{_SAVED}/{{checkpoint_id}}",
        checkpoints.checkpoint,
        "Read a checkpoint",
        shapes.CheckpointSaved,
    ),
    Endpoint(
        "GET",
        f"{_SAVED}/{{checkpoint_id}}/diff",
        checkpoints.diff,
        "Compare a checkpoint with another",
        shapes.Diff,
        query=shapes.DiffQuery,
    ),
    Endpoint("GET", "/trash", sessions.trash, "List what can be restored", shapes.Trash),
    Endpoint(
        "GET",
        "/search",
        care.search,
        "Find sessions by their words",
        shapes.Found,
        query=shapes.SearchQuery,
    ),
    Endpoint(
        "GET",
        "/changes",
        None,
        "Follow the changes as Server-Sent Events",
        query=shapes.ChangesQuery,
        media=("text/event-stream",),
        stream=changes,
    ),
    Endpoint(
        "GET",
        "/imports",
        importing.places,
        "What lies on this machine, and what was imported",
        shapes.FoundPlaces,
    ),
    Endpoint(
        "POST",
        "/imports",
        importing.start,
        "Import what lies on this machine",
        shapes.ImportState,
        body=shapes.ImportBody,
        status=202,
    ),
    Endpoint(
        "GET",
        "/imports/{import_id}",
        importing.state,
        "How far an import is",
        shapes.ImportState,
    ),
)
"""All routes of a service with a token, in the order of the documentation."""
