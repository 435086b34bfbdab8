"""The head of a session: a few lines for a person, or all fields with their names."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from localsessions.cli.screen.moments import ago, local_minute
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit
from localsessions.models import format_instant, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localsessions.models import Page, SessionSummary

__all__ = ["emit_facts", "emit_head"]


def emit_facts(summary: SessionSummary, path: str, children: Page[SessionSummary]) -> None:
    """Write each field of a session that is set, its path, and the sessions that it started."""
    for name in type(summary).model_fields:
        value = getattr(summary, name)
        if value is False or value in (None, "", ()) or name == "preview":
            continue
        emit(f"{name.replace('_', ' ') + ':':16}{_fact(value)}")
    emit(f"{'path:':16}{one_line(path)}")
    if children.items:
        ids = one_line(", ".join(one.session_id for one in children))
        emit(f"{'started:':16}{ids}" + (", …" if children.next_cursor else ""))


def _fact(value: object) -> str:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, tuple):
        return one_line(", ".join(value))
    return "yes" if value is True else one_line(str(value))


def emit_head(
    summary: SessionSummary,
    path: str,
    children: Page[SessionSummary],
    short: Mapping[str, str],
) -> None:
    """Write what a person asks of a session first; drawn for a terminal.

    Args:
        summary: The session.
        path: Its file.
        children: The sessions that it started.
        short: Short ids, by id, of all these and of its parent.
    """
    from rich.console import Group
    from rich.text import Text

    from localsessions.cli.screen.rendering import rendered

    title = one_line(summary.title) or "(no title)"
    lines = [Text(title, style="bold", overflow="fold")]
    rest = [
        ", ".join(_state(summary)),
        ", ".join(_place(summary)),
        *_others(summary, children, short),
    ]
    rest.append(f"{one_line(short[summary.session_id])}  {one_line(path)}")
    lines += (Text(line, style="dim", overflow="fold") for line in rest if line)
    emit(rendered(Group(*lines)))


def _state(summary: SessionSummary) -> Iterator[str]:
    if summary.undated:
        yield "undated"
    else:
        at = summary.last_activity
        yield f"{ago(at, utc_now())} ({local_minute(at)})"
    yield counted(summary.message_count, "message")
    if summary.pinned:
        yield "pinned"
    if summary.status != "active":
        yield one_line(summary.status)


def _place(summary: SessionSummary) -> Iterator[str]:
    if summary.project:
        yield one_line(_from_home(summary.project))
    for name, fact in (
        ("branch", summary.branch),
        ("from", summary.program),
        ("agent", summary.current_agent or summary.agent_id),
        ("tags", " ".join(summary.tags)),
    ):
        if fact:
            yield f"{name} {one_line(fact)}"


def _from_home(folder: str) -> str:
    home = os.path.expanduser("~")
    is_inside = folder == home or folder.startswith(home.rstrip(os.sep) + os.sep)
    return f"~{folder[len(home) :]}" if is_inside and home != os.sep else folder


def _others(
    summary: SessionSummary, children: Page[SessionSummary], short: Mapping[str, str]
) -> Iterator[str]:
    if summary.parent:
        yield f"of {one_line(short[summary.parent])}"
    if children.items:
        ids = one_line(", ".join(short[one.session_id] for one in children))
        yield f"started {ids}" + (", …" if children.next_cursor else "")
