"""Imports: what lies on this machine, starting one, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions.server.responses import Answer

if TYPE_CHECKING:
    from localsessions.server import shapes
    from localsessions.server.endpoints import Call

__all__ = ["places", "start", "state"]


def places(call: Call[Any, None]) -> Answer:
    """Say what lies on this machine."""
    imports = call.service.imports
    return Answer({"places": imports.places(), "imports": imports.all()})


def start(call: Call[Any, shapes.ImportBody]) -> Answer:
    """Start an import."""
    body = call.body
    told = call.service.imports.start(body.programs, body.since, again=body.again)
    return Answer(told, 202, headers={"Location": f"/api/v1/imports/{told['import_id']}"})


def state(call: Call[Any, None]) -> Answer:
    """Say how far an import is."""
    return Answer(call.service.imports.state(call.path["import_id"]))
