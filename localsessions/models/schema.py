"""The JSON Schema of the objects inside a session; no instance is ever made.

The session checks its messages and runs without these models, so that the check takes no longer
than a look at their types. The models are imported when a caller asks for the schema.
"""

from __future__ import annotations

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = ["AgentContextFields", "Messages", "Runs", "SourceFields"]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="allow")


class MessageFields(_Fields):
    """A message: any JSON object with a role. Other keys are kept unchanged."""

    id: str | None = None
    role: str
    content: JsonValue = None
    name: str | None = None
    tool_calls: list[dict[str, JsonValue]] | None = None
    tool_call_id: str | None = None
    created_at: str | None = None
    run_id: str | None = None


Messages: TypeAlias = list[MessageFields]


class RunFields(_Fields):
    """A run: a record to which messages refer by ``run_id``. Other keys are kept unchanged."""

    run_id: str
    agent_id: str | None = None
    status: str | None = None
    created_at: JsonValue = None
    metrics: dict[str, JsonValue] | None = None


Runs: TypeAlias = list[RunFields]


class ParentFields(_Fields):
    """The session that started a sub-agent."""

    session_id: str


class SourceFields(_Fields):
    """Where an imported session comes from, and what of it was imported."""

    program: str | None = None
    format: str | None = None
    session_id: str | None = None
    file: str | None = None
    project: str | None = None
    branch: str | None = None
    model: str | None = None
    parent: ParentFields | None = None
    undated: str | None = None
    title: str | None = None
    facts: dict[str, JsonValue] | None = None
    imported: dict[str, str] | None = None


class SwitchFields(_Fields):
    """A change of the active agent."""

    from_: str | None = Field(None, alias="from")
    to: str
    reason: str | None = None
    timestamp: str


class AgentContextFields(_Fields):
    """Which agent is active, and the switches between agents."""

    current_agent: str | None = None
    created_at: str | None = None
    last_switch_at: str | None = None
    metadata: dict[str, JsonValue] | None = None
    switches: list[SwitchFields] | None = None
