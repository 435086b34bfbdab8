"""``show`` and ``history``: a session, for reading.

A person at a terminal gets the messages as ``screen.transcript`` draws them, in a pager; a program
in a pipe gets plain text, whole and without styles.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from localsessions.cli.folder import opened, session_argument
from localsessions.cli.options import examples, json_option, pager_option
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.head import emit_facts, emit_head
from localsessions.cli.screen.pager import paged
from localsessions.cli.screen.plain import plain_lines
from localsessions.cli.screen.safe import counted
from localsessions.cli.screen.streams import emit, is_fitted, note
from localsessions.cli.selection import Selection, Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions.models import Message
    from localsessions.store import SessionStore

__all__ = ["history", "show"]

_MOST_CHILDREN, _MOST_BESIDE = 20, 1_000


def _look_options(function: Callable[..., object]) -> Callable[..., object]:
    """Give a command the options that say how much of a message is shown, as one ``look``."""

    @functools.wraps(function)
    def command(*, reasoning: bool, tools: bool, full: bool, **options: Any) -> object:
        return function(look={"reasoning": reasoning, "tools": tools, "full": full}, **options)

    decorated: Callable[..., object] = command
    for decorate in (
        pager_option,
        click.option("--full", is_flag=True, help="Everything whole, however long."),
        click.option("--tools", is_flag=True, help="Calls of tools and their results whole."),
        click.option("--reasoning", is_flag=True, help="Reasoning whole, not its first lines."),
    ):
        decorated = decorate(decorated)
    return decorated


@click.command(
    epilog=examples(
        "localsessions show latest",
        "localsessions show latest --at 55 -C 2",
        "localsessions show latest --follow",
        "localsessions show latest --all --save-images pictures",
    )
)
@session_argument
@click.option(
    "--messages",
    "-n",
    "last",
    type=click.IntRange(min=0),
    help="How many of the last messages to show.  [5]",
)
@click.option("--all", "every", is_flag=True, help="All messages.")
@click.option("--at", "number", type=click.IntRange(min=1), metavar="N", help="Message N.")
@click.option(
    "--context",
    "-C",
    "beside",
    type=click.IntRange(0, _MOST_BESIDE),
    default=0,
    metavar="N",
    help="With --at: N messages before it and N after it, too.",
)
@click.option("--tail", "is_tail", is_flag=True, help="Only the last message, or the last -n.")
@click.option("--follow", is_flag=True, help="Print each new message as it comes, until Ctrl-C.")
@click.option("--facts", is_flag=True, help="All fields of the session, with their names.")
@_look_options
@click.option(
    "--save-images",
    "images",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write the images and files of these messages into a folder.",
)
@click.option("--force", is_flag=True, help="With --save-images: overwrite what is there.")
@json_option
def show(
    *,
    reference: str,
    follow: bool,
    facts: bool,
    images: str | None,
    force: bool,
    no_pager: bool,
    as_json: bool,
    look: dict[str, bool],
    **which: Any,
) -> None:
    """Show the facts of a session and its last messages.

    SESSION is an id, the beginning of an id, a title, or 'latest'. On a terminal, what is long is
    folded, and the option that shows it stands there; what is longer than the screen goes to
    $LOCALSESSIONS_PAGER, $PAGER or less.
    """
    selection = Selection(**which)
    selection.refuse_contradictions()
    if force and images is None:
        raise click.UsageError("--force needs --save-images, the folder to write into")
    with opened() as store:
        session_id = store.resolve(reference)
        if follow:
            _refuse_with_follow(selection, as_json=as_json, images=images)
            _follow(store, session_id, selection, look)
        shown = selection.shown(store, session_id)
        path = store.path(session_id)
        children = store.list(parent=session_id, order="created_at", limit=_MOST_CHILDREN)
        ids = [one.session_id for one in children]
        short = store.short_ids([session_id, shown.summary.parent or session_id, *ids])
    if as_json:
        told = {"session": shown.summary, "path": path, "children": ids}
        emit_json([{**told, "messages": shown.messages, "first": shown.first}])
    else:
        with paged(wanted=not no_pager):
            if facts or not (selection.is_tail or is_fitted()):
                emit_facts(shown.summary, path, children)
            elif not selection.is_tail:
                emit_head(shown.summary, path, children, short)
            _emit_shown(shown, selection, look)
    if images is not None:
        from localsessions.cli.saving import save_attachments

        save_attachments(shown.messages, shown.first, images, force=force)


def _refuse_with_follow(selection: Selection, *, as_json: bool, images: str | None) -> None:
    if as_json:
        raise click.UsageError(
            "--follow and --json exclude each other; 'watch --json' writes each change as JSON"
        )
    if selection.number is not None:
        raise click.UsageError("--follow and --at exclude each other")
    if images is not None:
        raise click.UsageError("--follow and --save-images exclude each other")


def _follow(
    store: SessionStore, session_id: str, selection: Selection, look: dict[str, bool]
) -> None:
    from localsessions.cli.following import follow

    def show_messages(messages: Sequence[Message], first: int) -> None:
        _emit_messages(messages, first, look)

    follow(store, session_id, selection, show_messages)


def _emit_shown(shown: Shown, selection: Selection, look: dict[str, bool]) -> None:
    """Write messages, and how many stand before them and behind them."""
    if shown.first and not selection.is_tail:
        _tell(f"{counted(shown.first, 'earlier message')}: {_wider(selection)}")
    marked = None if selection.number is None else selection.number - 1
    _emit_messages(shown.messages, shown.first, look, marked=marked)
    if shown.later:
        _tell(f"{counted(shown.later, 'later message')}: {_wider(selection)}")


def _wider(selection: Selection) -> str:
    """Return the option that shows more messages than are shown."""
    if selection.number is None or selection.beside == _MOST_BESIDE:
        return "--all" if selection.number is None else "--all instead of --at"
    return f"-C {min(2 * selection.beside or 2, _MOST_BESIDE)}"


def _tell(line: str) -> None:
    """Tell what is not shown: on a terminal where it would stand, and in the pager, too."""
    if not is_fitted():
        note(line)
        return
    from rich.text import Text

    from localsessions.cli.screen.rendering import rendered

    emit("")
    emit(rendered(Text(line, style="dim")))


@click.command(epilog=examples("localsessions history latest", "localsessions history latest | wc"))
@session_argument
@click.option(
    "--messages",
    "-n",
    "count",
    type=click.IntRange(min=0),
    help="Only so many, the last ones.",
)
@_look_options
@json_option
def history(
    *, reference: str, count: int | None, no_pager: bool, as_json: bool, look: dict[str, bool]
) -> None:
    """Print the messages of a session in order."""
    with opened() as store:
        session = store.load(store.resolve(reference))
    first = 0 if count is None else max(0, len(session.messages) - count)
    messages = session.messages[first:]
    if as_json:
        emit_json(messages, session_id=session.session_id)
        return
    with paged(wanted=not no_pager):
        _emit_messages(messages, first, look)
    if not messages:
        note("no messages")


def _emit_messages(
    messages: Sequence[Message],
    first: int,
    look: dict[str, bool],
    *,
    marked: int | None = None,
) -> None:
    if not is_fitted():
        for line in plain_lines(messages, first):
            emit(line)
        return
    from localsessions.cli.screen.rendering import rendered
    from localsessions.cli.screen.transcript import Look, drawn

    for one in drawn(messages, Look(**look, marked=marked), first=first):
        emit("")
        emit(rendered(one))
