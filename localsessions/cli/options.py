"""Options that several commands share."""

from __future__ import annotations

import functools
import ntpath
import os
import posixpath
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from localsessions.cli.times import instant
from localsessions.models import Filters

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "are_given",
    "examples",
    "filter_options",
    "folder_of_project",
    "json_option",
    "pager_option",
    "yes_option",
]

Function = TypeVar("Function", bound="Callable[..., object]")


def examples(*lines: str) -> str:
    """Return the end of a help text: commands as a person would type them."""
    # click keeps the line breaks of a paragraph that begins with this.
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n  ".join((title, *lines))


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
        "--program", metavar="NAME", help="Only those imported from this program: claude-code."
    ),
    click.option(
        "--project",
        type=folder_of_project,
        metavar="FOLDER",
        help="Only those of this project folder.",
    ),
    click.option("--branch", metavar="NAME", help="Only those of this branch of their project."),
    click.option(
        "--tag", "tags", metavar="TAG", multiple=True, help="Only those with this tag; repeatable."
    ),
    click.option(
        "--since",
        type=instant,
        metavar="TIME",
        help="Only those active since: yesterday, 'last week', 2d, 2026-01-31, in your time zone.",
    ),
    click.option(
        "--until", type=instant, metavar="TIME", help="Only those last active before: as --since."
    ),
    click.option("--pinned/--not-pinned", default=None, help="Only pinned ones, or only others."),
    click.option("--archived", "only_archived", is_flag=True, help="Only archived ones."),
    click.option(
        "--with-archived", is_flag=True, help="Archived ones, too; without, they are left out."
    ),
    click.option(
        "--unreadable/--readable",
        default=None,
        help="Only files that are no sessions, or only the others.",
    ),
    click.option("--live", is_flag=True, help="Neither expired nor archived nor unreadable ones."),
    click.option("--status", metavar="STATUS", help="Only those of this status, also your own."),
    click.option("--parent", metavar="ID", help="Only the sub-agents and forks of this session."),
    click.option(
        "--fold", "folded", is_flag=True, help="Without sub-agents and forks of what is here."
    ),
)
_NAMES = tuple(Filters.__annotations__)


def filter_options(function: Callable[..., object]) -> Callable[..., object]:
    """Give a command the options that say which sessions it is about, as one ``filters``.

    Archived sessions are left out, unless an option asks for them or for a status.
    """

    @functools.wraps(function)
    def command(*, only_archived: bool, with_archived: bool, **options: Any) -> object:
        given = {name: options.pop(name) for name in _NAMES if name in options}
        is_asked = with_archived or given["status"] is not None
        given["archived"] = True if only_archived else None if is_asked else False
        return function(filters=cast("Filters", given), **options)

    decorated: Callable[..., object] = command
    for decorate in reversed(_FILTERS):
        decorated = decorate(decorated)
    return decorated


def are_given(filters: Filters) -> bool:
    """Tell whether a person asked for anything else than what is left out by default."""
    return any(value != _UNASKED.get(name) for name, value in filters.items())


_UNASKED = {"tags": (), "archived": False, "folded": False, "live": False}


def json_option(function: Function) -> Function:
    """Give a command the option ``--json``, as ``as_json``."""
    decorate = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
    return decorate(function)


def pager_option(function: Function) -> Function:
    """Give a command the option ``--no-pager``."""
    help_text = "Print everything at once, however long it is."
    return click.option("--no-pager", is_flag=True, help=help_text)(function)


def yes_option(function: Function) -> Function:
    """Give a command the option ``--yes``."""
    return click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(function)
