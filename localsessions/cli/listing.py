"""``list``, ``count``, ``search``, ``stats``, ``path``: what there is and where."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, get_args

import click

from localsessions.addresses import is_address
from localsessions.cli.exits import ExitCode
from localsessions.cli.folder import (
    chosen_folder,
    every_session,
    opened,
    opened_to_list,
    optional_session_argument,
)
from localsessions.cli.here import project_here
from localsessions.cli.options import examples, filter_options, json_option, pager_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.lines import columns_of, fault_of
from localsessions.cli.screen.pager import paged
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit, emit_data, is_fitted, note
from localsessions.cli.screen.tables import Row, emit_rows, emit_table
from localsessions.cli.typed import to_show
from localsessions.models import Order, Page, format_instant, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from localsessions.models import Filters, SearchHit, SessionSummary, StoreStats
    from localsessions.store import SessionStore

__all__ = ["count", "list_sessions", "search", "stats", "where"]

_USUAL, _MOST, _MOST_BESIDE = 50, 1_000_000, 1_000


@click.command(
    "list",
    epilog=examples(
        "localsessions list", "localsessions list --everywhere --since 2d --program codex"
    ),
)
@click.option("--everywhere", is_flag=True, help="Not only those of the project of this folder.")
@filter_options
@click.option(
    "--order",
    type=click.Choice(get_args(Order)),
    default="-last_activity",
    metavar="FIELD",
    help="last_activity, created_at or size_bytes; '-' before it puts the newest or largest first.",
)
@click.option("--limit", "-n", type=click.IntRange(1, _MOST), help=f"How many at most.  [{_USUAL}]")
@click.option("--cursor", metavar="TEXT", help="Go on where a former listing ended.")
@click.option("--all", "every", is_flag=True, help="All of them, however many, of all folders.")
@json_option
def list_sessions(
    *,
    everywhere: bool,
    order: Order,
    limit: int | None,
    cursor: str | None,
    every: bool,
    as_json: bool,
    filters: Filters,
) -> None:
    """List sessions, the last active first.

    On a terminal, in a folder that sessions are of, only these are listed; a project is the whole
    repository. Files that are not sessions are listed with the reason, line and column.
    """
    if every and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    if every and cursor is not None:
        raise click.UsageError("--all and --cursor exclude each other")
    is_shown = is_fitted() and not as_json
    with opened_to_list() as store:
        notes: list[str] = []
        if is_shown and not (everywhere or every or cursor or filters.get("project")):
            notes += _narrowed(store, filters)
        if every:
            page = Page(tuple(every_session(store, filters, order)))
        else:
            page = store.list(**filters, order=order, limit=limit or _USUAL, cursor=cursor)
        if not as_json:
            notes += _rest(store, filters, page, limit or _USUAL)
        if is_shown and page.items:
            _emit_sessions(store, page.items)
    if as_json:
        emit_json(page.items, next_cursor=page.next_cursor)
    elif not is_shown:
        emit_rows(map(_fields, page.items))
    for told in notes:
        note(told)


def _narrowed(store: SessionStore, filters: Filters) -> Iterator[str]:
    """Ask only for the sessions of this folder's project, if it has some; yield what is left."""
    if (here := project_here(store)) is not None:
        everywhere = store.count(**filters)
        filters["project"] = here
        if others := everywhere - store.count(**filters):
            yield f"{counted(others, 'session')} of other folders: --everywhere shows them, too"


def _rest(
    store: SessionStore, filters: Filters, page: Page[SessionSummary], limit: int
) -> Iterator[str]:
    """Yield what is left out because it is archived, and whether there is more."""
    asked: Filters = {**filters, "archived": True}
    if filters.get("archived") is False and (hidden := store.count(**asked)):
        yield f"{counted(hidden, 'archived session')} left out: --with-archived shows them, too"
    if not page.items:
        yield "no sessions"
    elif page.next_cursor is not None and is_fitted():
        more = min(2 * limit, _MOST)
        yield f"there are more: --all shows them, -n {more} the first {more}"
    elif page.next_cursor is not None:
        yield f"there are more: --all shows them, --cursor {page.next_cursor} the next ones"


def _emit_sessions(store: SessionStore, sessions: Sequence[SessionSummary]) -> None:
    columns = columns_of(sessions, _short_ids(store, sessions), utc_now())
    emit_table([*columns], [*zip(*columns.values(), strict=True)])


def _short_ids(store: SessionStore, sessions: Sequence[SessionSummary]) -> Mapping[str, str]:
    """Return the short ids of sessions and of their parents."""
    named = [name for one in sessions for name in (one.session_id, one.parent) if name]
    return store.short_ids(named)


def _fields(one: SessionSummary) -> Row:
    """Return what a program reads of a session in a pipe."""
    at, count, agent = format_instant(one.last_activity), str(one.message_count), one.agent_id or ""
    title = one.title if one.unreadable is None else fault_of(one.unreadable)
    title = f"{title} (of {one.parent})" if one.parent else title
    return one.session_id, at, count, one.status, agent, title


@click.command(epilog=examples("localsessions count --project . --since yesterday"))
@filter_options
@json_option
def count(*, as_json: bool, filters: Filters) -> None:
    """Count sessions."""
    with opened() as store:
        found = store.count(**filters)
    if as_json:
        emit_json([{"sessions": found}])
    else:
        emit(str(found))


class _Question(click.Command):
    """A command whose words may begin with a minus sign, as ``-flaky``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        left_out = [one for one in args[:end] if re.match(r"-[^\W\d_][^\W\d_ -]|-\w+ |-\"", one)]
        options = [one for one in args[:end] if one not in left_out]
        return super().parse_args(ctx, [*options, "--", *left_out, *args[end + 1 :]])


@click.command(
    cls=_Question,
    epilog=examples(
        "localsessions search deploy failed",
        "localsessions search 'connection refused' agent:codex -flaky --since 7d",
    ),
)
@click.argument("words", nargs=-1, required=True)
@filter_options
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, _MOST),
    default=20,
    show_default=True,
    help="How many sessions at most.",
)
@click.option(
    "--context",
    "-C",
    type=click.IntRange(0, _MOST_BESIDE),
    default=0,
    metavar="N",
    help="Show N messages before each hit and N after it.",
)
@pager_option
@json_option
def search(
    *,
    words: tuple[str, ...],
    limit: int,
    context: int,
    no_pager: bool,
    as_json: bool,
    filters: Filters,
) -> None:
    """Find sessions by their words, the best first.

    The words of messages, reasoning, arguments of calls, titles, tags and metadata count. What one
    argument holds must stand together: 'race condition' in quotes is a phrase. Parts and other
    forms of words are found after the words themselves. OR, -word and these fields narrow: agent:,
    user:, program:, project: or cwd:, branch:, tag:, status:, parent:, role:, after:, before:.
    The first search reads every session.
    """
    text = " ".join(map(_phrase, words))
    if context and not as_json and not is_fitted():
        raise click.UsageError("--context needs a terminal or --json")
    if re.search(r"(?:^|\s)-?status:\S", text) and filters.get("archived") is False:
        filters["archived"] = None
    with opened() as store:
        with progress("reading") as show:
            hits = store.search(text, **filters, limit=limit, neighbours=context, on_progress=show)
        short = _short_ids(store, [hit.session for hit in hits]) if is_fitted() else {}
        hidden = _hidden(store, text, filters) if not hits else 0
    if as_json:
        emit_json(hits)
    elif is_fitted():
        _emit_hits(hits, short, is_paged=not no_pager)
    else:
        emit_rows(map(_row, hits))
    if not hits:
        note("nothing found")
        if hidden:
            note(f"{counted(hidden, 'archived session')} left out: --with-archived shows them, too")
        raise click.exceptions.Exit(ExitCode.NO)


def _hidden(store: SessionStore, text: str, filters: Filters) -> int:
    """Return how many archived sessions a search finds that was not asked for them."""
    if filters.get("archived") is not False:
        return 0
    archived: Filters = {**filters, "archived": True}
    return len(store.search(text, **archived, limit=_MOST))


def _row(hit: SearchHit) -> Row:
    number = "" if hit.position is None else str(hit.position + 1)
    return hit.session.session_id, number, hit.role or "", hit.session.title, hit.snippet


def _phrase(argument: str) -> str:
    """Return an argument of several words as a phrase; a field or a minus before it stays."""
    if '"' in argument or " " not in argument.strip():
        return argument
    return re.sub(r"\A(-?(?:[a-z]+:)?)(.*)\Z", r'\1"\2"', argument, count=1, flags=re.DOTALL)


def _emit_hits(hits: Sequence[SearchHit], short: Mapping[str, str], *, is_paged: bool) -> None:
    from localsessions.cli.screen.hits import emit_hit

    with paged(wanted=is_paged):
        for at, hit in enumerate(hits):
            if at:
                emit("")
            number = None if hit.position is None else hit.position + 1
            emit_hit(hit, short, to_show(short[hit.session.session_id], number))


@click.command(epilog=examples("localsessions stats"))
@json_option
def stats(*, as_json: bool) -> None:
    """Show sizes and counts of the folder."""
    with opened() as store:
        found = store.stats()
    if as_json:
        emit_json([found])
    else:
        _emit_stats(found)


def _emit_stats(found: StoreStats) -> None:
    for name, value in (
        ("folder", one_line(found.save_dir)),
        ("sessions", found.sessions),
        ("unreadable", found.unreadable),
        ("messages", found.messages),
        ("bytes of sessions", found.size_bytes),
        ("bytes derived", sum(found.derived_bytes.values())),
        *((f"  {name}", size_bytes) for name, size_bytes in found.derived_bytes.items()),
        ("in the trash", found.trashed),
        ("bytes of trash", found.trash_bytes),
    ):
        emit(f"{name + ':':19}{value}")


@click.command("path", epilog=examples('git -C "$(localsessions path)" status'))
@optional_session_argument
@json_option
def where(*, reference: str | None, as_json: bool) -> None:
    """Print the path of a session's file, or of the whole folder."""
    if reference is None:
        path = chosen_folder()
        if is_address(path):
            with opened() as store:
                path = store.save_dir  # without its password
        elif not os.path.lexists(path):
            note("this folder is not there yet: 'new' and 'import' make it")
    else:
        with opened() as store:
            path = store.path(store.resolve(reference))
    if as_json:
        emit_json([{"path": path}])
    else:
        emit_data(os.fsencode(path) + b"\n")
