"""Options that several commands share."""

from __future__ import annotations

import ntpath
import os
import posixpath
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click

from localsessions.cli.times import instant

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "Filters",
    "examples",
    "filter_options",
    "folder_of_project",
    "json_option",
    "yes_option",
]

Function = TypeVar("Function", bound="Callable[..., object]")


def examples(*lines: str) -> str:
    """Return the end of a help text: commands as a person would type them."""
    # click keeps the line breaks of a paragraph that begins with this.
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n  ".join((title, *lines))


class Filters(TypedDict):
    """Which sessions ``list`` and ``search`` look at; None does not restrict."""

    user_id: str | None
    agent_id: str | None
    status: str | None
    since: datetime | None
    until: datetime | None
    program: str | None
    project: str | None
    parent: str | None


def folder_of_project(text: str) -> str:
    """Return a folder as programs write it: whole, without a slash at the end.

    A chat may come from another system, so a whole path of another system is taken as it is.
    """
    if not text:
        return text
    path = os.path.expanduser(text)
    if path.startswith("/"):
        return posixpath.normpath(path)
    drive, rest = ntpath.splitdrive(path)
    return ntpath.normpath(path) if drive and rest[:1] in "/\\" else os.path.abspath(path)


_FILTERS = (
    click.option("--user", "user_id", metavar="ID", help="Only this user's."),
    click.option("--agent", "agent_id", metavar="ID", help="Only those of this agent."),
    click.option(
        "--status",
        metavar="STATUS",
        help="Only of this status: active, archived, unreadable or your own.",
    ),
    click.option(
        "--since",
        type=instant,
        metavar="TIME",
        help="Only those active since: an ISO date (UTC where no offset stands) or an age (2d).",
    ),
    click.option(
        "--until",
        type=instant,
        metavar="TIME",
        help="Only those last active before: an ISO date or an age (12h, 30m).",
    ),
    click.option(
        "--program", metavar="NAME", help="Only those imported from this program: claude-code."
    ),
    click.option(
        "--project",
        type=folder_of_project,
        metavar="FOLDER",
        help="Only those of this project folder.",
    ),
    click.option("--parent", metavar="ID", help="Only the sub-agents and forks of this session."),
)


def filter_options(function: Function) -> Function:
    """Give a command the options that make ``Filters``."""
    for decorate in reversed(_FILTERS):
        function = decorate(function)
    return function


def json_option(function: Function) -> Function:
    """Give a command the option ``--json``, as ``as_json``."""
    decorate = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
    return decorate(function)


def yes_option(function: Function) -> Function:
    """Give a command the option ``--yes``."""
    return click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(function)
