"""Which folder of sessions a command uses, opening it, and how an argument names a session."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

from localsessions.addresses import is_address
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.screen.safe import one_line
from localsessions.cli.telling import logs_told
from localsessions.errors import SessionError
from localsessions.format import summarize
from localsessions.models import activity_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localsessions.models import Filters, Order, Session, SessionSummary
    from localsessions.store import SessionStore

__all__ = [
    "DIR_VARIABLE",
    "chosen_folder",
    "every_session",
    "folder_option",
    "folder_words",
    "is_there",
    "open_place",
    "opened",
    "opened_to_list",
    "optional_session_argument",
    "session_argument",
    "sessions_argument",
    "summary_of",
]

DIR_VARIABLE = "LOCALSESSIONS_DIR"
_CHOSEN = "localsessions.dir"
_COMPLETIONS = 100

Function = TypeVar("Function", bound="Callable[..., object]")
Names = TypeVar("Names")


def _remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("the name of the folder is empty", ctx, param)
    if value is not None:
        ctx.meta[_CHOSEN] = value


def folder_option() -> click.Option:
    """Return the option ``--dir``, which may come before or after the command's name."""
    return click.Option(
        ["--dir"],
        metavar="FOLDER",
        expose_value=False,
        callback=_remember,
        help=f"The folder of sessions, or the address of a database (postgresql://...); else "
        f"${DIR_VARIABLE}, else one in the user's data folder.",
    )


def chosen_folder() -> str:
    """Return the folder that the person chose, whether it exists or not, or an address.

    An address may hold a password: what is shown is ``SessionStore.save_dir``.
    """
    chosen = click.get_current_context().meta.get(_CHOSEN) or os.environ.get(DIR_VARIABLE)
    if chosen:
        return str(chosen) if is_address(str(chosen)) else os.path.abspath(str(chosen))
    import platformdirs

    return platformdirs.user_data_dir("localsessions", appauthor=False)


def is_there(place: str) -> bool:
    """Tell whether a folder is there; what an address names is known when it is opened."""
    return is_address(place) or os.path.lexists(place)


def folder_words() -> list[str]:
    """Return what names the folder in use on a command line; nothing if it is found without."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(_CHOSEN) if context is not None else None
    return ["--dir", str(chosen)] if chosen else []


@contextmanager
def opened(*, make: bool = False, is_told: bool = True) -> Iterator[SessionStore]:
    """Open the chosen folder; create a missing folder only if ``make``.

    Args:
        make: Whether a missing folder is created.
        is_told: Whether the person is told what the store logs.
    """
    from localsessions.store import SessionStore

    folder = chosen_folder() if make else _existing_folder()
    with logs_told() if is_told else nullcontext(), _open(SessionStore, folder) as store:
        yield store


@contextmanager
def opened_to_list() -> Iterator[SessionStore]:
    """Open the chosen folder only to list it, in a fraction of the time; see ``listing``."""
    from localsessions.listing import open_to_list

    with _open(open_to_list, _existing_folder()) as store:
        yield store


def _open(make: Callable[[str], SessionStore], place: str) -> SessionStore:
    """Open a store; without the extra that an address needs, say how to install it."""
    try:
        return make(place)
    except ImportError as error:
        if not is_address(place):
            raise
        stop(str(error), ExitCode.USAGE)


def open_place(place: str) -> SessionStore:
    """Open a folder or an address that was named; the caller closes it."""
    from localsessions.store import SessionStore

    return _open(SessionStore, place)


def _existing_folder() -> str:
    folder = chosen_folder()
    if not is_there(folder):
        stop(
            f"there is no folder of sessions at {folder}: 'new' and 'import' make it, --dir and "
            f"{DIR_VARIABLE} name another",
            ExitCode.NOT_FOUND,
        )
    return folder


def every_session(
    store: SessionStore, filters: Filters | None = None, order: Order = "-last_activity"
) -> Iterator[SessionSummary]:
    """Yield every session that is asked for, in order, the last active first."""
    cursor, is_more = None, True
    while is_more:
        page = store.list(**(filters or {}), order=order, limit=500, cursor=cursor)
        yield from page
        cursor, is_more = page.next_cursor, page.next_cursor is not None


def summary_of(store: SessionStore, session: Session) -> SessionSummary:
    """Return the line of a listing for a session that was just read or written."""
    path = store.path(session.session_id)
    size = len(store.raw(session.session_id)) if is_address(path) else os.path.getsize(path)
    return summarize(session, size)


def _named(ctx: click.Context, param: click.Parameter, value: Names) -> Names:
    # Every id begins with an empty text: an unset "$VARIABLE" must not mean the only session.
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("the name of a session is empty", ctx, param)
    return value


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return ids that begin so, the last active first, each with its title; none if it raises."""
    try:
        with ctx.scope(cleanup=False):
            folder = chosen_folder()
            if not is_address(folder) and not os.path.isdir(folder):
                return []
            with opened_to_list() as store:
                return [
                    CompletionItem(one.session_id, help=one_line(one.title))
                    for one in islice(_beginning(store, incomplete), _COMPLETIONS)
                ]
    except (SessionError, OSError, ValueError, click.exceptions.Exit):
        return []  # completion must not print an error


def _beginning(store: SessionStore, text: str) -> Iterator[SessionSummary]:
    ids = store.engine.named(text, _COMPLETIONS)
    if not text or ids == [
        text
    ]:  # nothing is typed, or a whole id, which longer ids may begin with
        return (one for one in every_session(store) if one.session_id.startswith(text))
    found = [one for one in map(store.engine.summary, ids) if one is not None]
    found.sort(key=activity_key, reverse=True)
    return (one for one in found if one.session_id.startswith(text))


def session_argument(function: Function) -> Function:
    """Give a command the argument ``SESSION``, as ``reference``."""
    return _argument("reference", metavar="SESSION")(function)


def optional_session_argument(function: Function) -> Function:
    """Give a command the argument ``[SESSION]``, as ``reference`` or None."""
    return _argument("reference", metavar="[SESSION]", required=False)(function)


def sessions_argument(function: Function) -> Function:
    """Give a command the argument ``[SESSION]...``, as ``references``."""
    return _argument("references", metavar="[SESSION]...", required=False, nargs=-1)(function)


def _argument(
    name: str, *, metavar: str, required: bool = True, nargs: int = 1
) -> Callable[[Function], Function]:
    return click.argument(
        name,
        metavar=metavar,
        required=required,
        nargs=nargs,
        callback=_named,
        shell_complete=_complete,
    )
