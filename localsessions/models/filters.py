"""Filters: which sessions a verb on many is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

__all__ = ["Filters"]


class Filters(TypedDict, total=False):
    """Which sessions a verb on many is about: those that fit every filter.

    A filter that is None or absent does not restrict.

    ``list``, ``count``, ``search``, ``cleanup`` and ``purge_expired`` take them as keyword
    arguments::

        store.list(program="claude-code", tags=["work"], archived=False)

    Attributes:
        user_id: Only sessions of this user.
        agent_id: Only sessions of this agent.
        status: Only this status: "active", "archived", "unreadable" or your own.
        since: Only sessions with their last activity at this instant or later.
        until: Only sessions with their last activity before this instant. A session without times
            is older than each instant.
        program: Only sessions that were imported from this program: "claude-code", "codex".
        project: Only sessions of this project folder.
        branch: Only sessions of this branch of their project.
        parent: Only what the session with this id started: its sub-agents, and its forks.
        tags: Only sessions that have all of these tags.
        pinned: True: only pinned sessions; False: only the others. So are the next two.
        archived: Whether the status is "archived".
        unreadable: Whether the file is not a session.
        folded: True leaves out the sub-agents and forks of sessions of the store.
        live: True: only sessions that are neither expired nor archived nor unreadable.
    """

    user_id: str | None
    agent_id: str | None
    status: str | None
    since: datetime | None
    until: datetime | None
    program: str | None
    project: str | None
    branch: str | None
    parent: str | None
    tags: Sequence[str] | None
    pinned: bool | None
    archived: bool | None
    unreadable: bool | None
    folded: bool
    live: bool
