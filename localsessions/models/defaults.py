"""What a session begins with, for the verbs that may create one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

__all__ = ["Defaults"]


class Defaults(TypedDict, total=False):
    """What ``create`` gives a new session; ``get_or_create`` gives it only to a new one.

    Attributes:
        user_id: The owner of the session.
        agent_id: The agent that it belongs to.
        title: Its title.
        metadata: Any JSON object; copied.
        ttl: Seconds until it expires; None, 0 and less mean never.
        max_live: How many live sessions there may be, this session included.
        messages: Its first messages, as ``append`` takes them; copied.
        tags: Its tags; each is kept once.
        state: Its state, any JSON object; copied.
    """

    user_id: str | None
    agent_id: str | None
    title: str | None
    metadata: Mapping[str, object] | None
    ttl: float | None
    max_live: int | None
    messages: Sequence[Mapping[str, object]]
    tags: Sequence[str]
    state: Mapping[str, object] | None
