"""Which sessions a command is about: named one by one, by a filter, or on standard input.

A command on many takes one of the three. All names are resolved before anything is done, and each
that fits no session is told. An error at one session is told, and the others go on.
"""

from __future__ import annotations

import functools
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from localsessions.cli.exits import ExitCode, code_of, message_of, stop
from localsessions.cli.folder import every_session, sessions_argument
from localsessions.cli.options import are_given, filter_options
from localsessions.cli.progress import progress
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.errors import SessionError, SessionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from localsessions.models import Filters, SessionSummary
    from localsessions.store import SessionStore

__all__ = [
    "SHOWN",
    "Chosen",
    "any_sessions",
    "each_of",
    "end_if_refused",
    "some_sessions",
    "some_sessions_and_tags",
    "some_sessions_or_all",
    "tell_first",
    "tell_refused",
    "tell_titles",
]

Made = TypeVar("Made")

SHOWN = 10
"""How many of many sessions are told one by one."""


class Chosen(NamedTuple):
    """Which sessions a person chose.

    Attributes:
        names: What named them, each once; None if nothing did.
        filters: What they are like, if nothing named them.
        is_one: Whether a single name was given, and not on standard input.
    """

    names: tuple[str, ...] | None
    filters: Filters
    is_one: bool = False

    def ids(self, store: SessionStore) -> list[str]:
        """Return their ids, each once; end the command if a name fits nothing, or nothing fits."""
        if self.names is not None:
            found = _resolved(store, self.names)
        else:
            found = [one.session_id for one in every_session(store, self.filters)]
        return found or stop("there is no session that was asked for", ExitCode.NO)


def _resolved(store: SessionStore, names: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    errors: list[SessionNotFoundError | ValueError] = []
    for name in names:
        try:
            found[store.resolve(name)] = None
        except (SessionNotFoundError, ValueError) as error:
            errors.append(error)
    if errors and len(names) == 1:
        raise errors[0]
    for refused in errors:
        note(one_line(f"error: {message_of(refused)}"))
    if errors:
        is_missing = any(isinstance(one, SessionNotFoundError) for one in errors)
        raise click.exceptions.Exit(ExitCode.NOT_FOUND if is_missing else ExitCode.USAGE)
    return list(found)


# -- the arguments and options of a command ------------------------------------------------------


_WAYS = """

    Which sessions: some SESSIONs; or all that the options from --user on ask for; or '-', and one
    a line on standard input, where what follows a tab does not count.
    """


def some_sessions(function: Callable[..., object]) -> Callable[..., object]:
    """Give a command what says which sessions it is about, as one ``chosen``.

    Its help says how they are named.
    """
    return sessions_argument(filter_options(_choosing(function)))


def some_sessions_and_tags(function: Callable[..., object]) -> Callable[..., object]:
    """Do the same for a command that also takes ``tags``, words that begin with a +."""
    choosing = _choosing(function)

    @functools.wraps(function)
    def command(*, references: tuple[str, ...], **options: Any) -> object:
        tags = tuple(one[1:] for one in references if one.startswith("+"))
        named = tuple(one for one in references if not one.startswith("+"))
        return choosing(references=named, tags=tags, **options)

    _tell_ways(command)
    return sessions_argument(filter_options(command))


def any_sessions(function: Callable[..., object]) -> Callable[..., object]:
    """Do the same for a command that is about all sessions if nothing says which."""
    return sessions_argument(filter_options(_choosing(function, needs_some=False)))


def _choosing(function: Callable[..., object], *, needs_some: bool = True) -> Callable[..., object]:
    @functools.wraps(function)
    def command(*, references: tuple[str, ...], filters: Filters, **options: Any) -> object:
        chosen = _chosen(references, filters)
        if needs_some and chosen.names is None and not are_given(filters):
            raise click.UsageError(_NOTHING)
        return function(chosen=chosen, **options)

    if needs_some:
        _tell_ways(command)
    return command


def _tell_ways(command: Callable[..., object]) -> None:
    command.__doc__ = f"{(command.__doc__ or '').rstrip()}{_WAYS}"


_NOTHING = (
    "say which sessions: a SESSION or more, a filter (--project FOLDER), or '-' for their ids on "
    "standard input"
)


def some_sessions_or_all(function: Callable[..., object]) -> Callable[..., object]:
    """Do the same for a command that may also be about all sessions; ``--all`` says so."""

    @functools.wraps(function)
    def command(
        *, every: bool, references: tuple[str, ...], filters: Filters, **options: Any
    ) -> object:
        chosen = _chosen(references, filters)
        if every and chosen.names is not None:
            raise click.UsageError("--all is about all sessions: name none")
        if every and filters.get("archived") is False:
            filters["archived"] = None
        if not every and chosen.names is None and not are_given(filters):
            raise click.UsageError(f"{_NOTHING}; or --all")
        return function(chosen=chosen, **options)

    _tell_ways(command)
    decorated = sessions_argument(filter_options(command))
    option = click.option("--all", "every", is_flag=True, help="All sessions, archived ones too.")
    return option(decorated)


def _chosen(references: tuple[str, ...], filters: Filters) -> Chosen:
    if not references:
        return Chosen(None, filters)
    if are_given(filters):
        raise click.UsageError("name some SESSIONs, or give a filter, but not both")
    if references.count("-") > 1:
        raise click.UsageError("'-' is standard input, which can be read once")
    named = [name for one in references for name in (_lines() if one == "-" else (one,))]
    names = tuple(dict.fromkeys(named))
    return Chosen(names, filters, is_one="-" not in references and len(names) == 1)


def _lines() -> Iterator[str]:
    """Yield the first column of each line of standard input, whose columns are parted by tabs."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.read()
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        stop(f"standard input is not UTF-8 (byte {error.start})", ExitCode.USAGE)
    first = (line.removesuffix("\r").partition("\t")[0] for line in lines)
    return (name for name in first if name.strip())


# -- acts on each --------------------------------------------------------------------------------


def each_of(
    doing: str, session_ids: Sequence[str], act: Callable[[str], Made]
) -> tuple[list[Made], Mapping[str, Exception]]:
    """Do something with each session, and show how far it is.

    Returns:
        What was made of each, and by id why it was not done. If there is only one session, its
        error is raised instead.
    """
    made: list[Made] = []
    errors: dict[str, Exception] = {}
    with progress(doing) as show:
        for done, session_id in enumerate(session_ids, start=1):
            try:
                made.append(act(session_id))
            except (SessionError, OSError) as error:
                if len(session_ids) == 1:
                    raise
                errors[session_id] = error
            show(done, len(session_ids))
    return made, errors


def tell_refused(
    errors: Mapping[str, Exception], say: Callable[[Exception], str] = message_of
) -> None:
    """Say of each session that was not done why."""
    tell_first([f"error: {session_id}: {say(error)}" for session_id, error in errors.items()])


def end_if_refused(errors: Mapping[str, Exception]) -> None:
    """End the command with the exit code of the first error, if there is one."""
    for error in errors.values():
        raise click.exceptions.Exit(code_of(error) or ExitCode.SYSTEM)


def tell_titles(summaries: Iterable[SessionSummary | None], count: int) -> None:
    """Show ids and titles of some sessions.

    Args:
        summaries: What listings say of them; no more than needed are taken.
        count: How many there are.
    """
    titles = [
        f"{one.session_id}: {one.title or '(no title)'}"
        for one in islice(summaries, SHOWN)
        if one is not None
    ]
    tell_first(titles, count, indent="  ")


def tell_first(lines: Sequence[str], count: int | None = None, *, indent: str = "") -> None:
    """Write the first ten of some lines to standard error, and how many more there are.

    Args:
        lines: The lines; each is made safe for a terminal here.
        count: How many there are, if not all of them are in ``lines``.
        indent: What stands before each.
    """
    for line in lines[:SHOWN]:
        note(indent + one_line(line))
    if (more := (len(lines) if count is None else count) - SHOWN) > 0:
        note(f"{indent}and {more} more")
