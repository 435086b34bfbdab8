"""A session on a line, as a person looks for it: its title first, then when, where and how much.

What stands here is not safe for a terminal yet; who draws it makes it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.cli.screen.moments import ago
from localsessions.cli.screen.names import project_names
from localsessions.cli.screen.tables import Column, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from localsessions.models import SessionSummary, Unreadable

__all__ = ["columns_of", "fault_of", "title_of"]

_PROJECT, _PROGRAM = Column("PROJECT", is_spare=True), Column("PROGRAM", is_spare=True)
_LONGEST_PROJECT = 16


def columns_of(
    sessions: Sequence[SessionSummary], short: Mapping[str, str], now: datetime
) -> dict[Column, list[str]]:
    """Return the columns of a table of sessions, with their cells.

    Args:
        sessions: What a listing says of them.
        short: Short ids, by id, of the sessions and their parents.
        now: When the table is read.
    """
    names = project_names(one.project for one in sessions if one.project)
    columns = {
        Column("TITLE", is_wide=True): [title_of(one, short) for one in sessions],
        Column("AGE"): [
            "undated" if one.undated else ago(one.last_activity, now) for one in sessions
        ],
        _PROJECT: [_end(names.get(one.project or "", "")) for one in sessions],
        _PROGRAM: [one.program or "" for one in sessions],
        Column("MSGS", is_number=True): [str(one.message_count) for one in sessions],
        Column("ID", is_whole=True): [short[one.session_id] for one in sessions],
    }
    # Where all are of one project, or none is imported, the column says nothing.
    if len({*columns[_PROJECT]}) == 1:
        del columns[_PROJECT]
    if not any(columns[_PROGRAM]):
        del columns[_PROGRAM]
    return columns


def _end(name: str) -> str:
    return name if len(name) <= _LONGEST_PROJECT else f"…{name[1 - _LONGEST_PROJECT :]}"


def title_of(one: SessionSummary, short: Mapping[str, str]) -> str:
    """Return a title with the marks that a person looks for; a ``Fault`` if there is none.

    Args:
        one: What a listing says of the session.
        short: Short ids, by id; has that of its parent.
    """
    if one.unreadable is not None:
        return Fault(fault_of(one.unreadable))
    marks = ["pinned"] * one.pinned + [one.status] * (one.status != "active")
    title = one.title or "(no title)"
    title = f"[{', '.join(marks)}] {title}" if marks else title
    return f"{title} (of {short[one.parent]})" if one.parent else title


def fault_of(fault: Unreadable) -> str:
    """Return why a file is no session, and where."""
    place = f" at line {fault.line}, column {fault.column}" if fault.line is not None else ""
    return f"unreadable{place}: {fault.reason}"
