"""What the routes of the agent runtime's guide answer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "GuideAgent",
    "GuideError",
    "GuideHistory",
]


class GuideMessage(BaseModel):
    """A message for typed clients."""

    role: str
    content: str
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: Any = None


class Switch(BaseModel):
    """A switch of agents."""

    model_config = ConfigDict(populate_by_name=True)
    from_: Annotated[str, Field(alias="from")]
    to: str
    reason: str
    timestamp: str


class GuideError(BaseModel):
    """An error."""

    error: str


class GuideHistory(BaseModel):
    """The messages and agents of a session."""

    session_id: str
    messages: list[GuideMessage]
    message_count: int
    last_activity: str | None
    current_agent: str | None
    agent_history: list[Switch]


class GuideAgent(BaseModel):
    """The current agent of a session."""

    session_id: str
    current_agent: str
    agent_history: list[Switch]
    switch_count: int
