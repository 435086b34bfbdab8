"""``mv``: sessions to another folder."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click

from localsessions.cli.choosing import (
    Chosen,
    end_if_refused,
    some_sessions,
    tell_refused,
    tell_titles,
)
from localsessions.cli.folder import chosen_folder, is_there, open_place, opened
from localsessions.cli.options import examples, json_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import note
from localsessions.cli.words import message_of
from localsessions.errors import ConflictError, SessionExistsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localsessions.models import SessionSummary
    from localsessions.store import SessionStore

__all__ = ["mv"]


@click.command(
    epilog=examples(
        "localsessions mv latest --to ~/old-chats",
        "localsessions mv --until 180d --to ~/old-chats --dry-run",
    )
)
@click.option(
    "--to",
    "target",
    metavar="FOLDER",
    required=True,
    type=click.Path(file_okay=False),
    help="The folder that they go to; it is made if it is not there. Or the address of a database.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would move, and what would stay.")
@some_sessions
@json_option
def mv(*, chosen: Chosen, target: str, dry_run: bool, as_json: bool) -> None:
    """Move sessions with their checkpoints to another folder.

    Each is safe there before it is gone here. If it is killed, do it again. A session whose id
    another one has there stays. It is not in the trash here, and an import into this folder leaves
    it out; 'import --again' brings it back.
    """
    _refuse_same(target)
    with opened() as store:
        session_ids = chosen.ids(store)
        target, moving, refused = _moved(store, target, session_ids, dry_run=dry_run)
    moved = [one for one in moving if one is not None]
    if as_json:
        emit_json(moved, dry_run=dry_run)
    else:
        would = "would move" if dry_run else "moved"
        note(one_line(f"{would} {counted(len(moved), 'session')} to {target}"))
        if dry_run:
            tell_titles(moved, len(moved))
    tell_refused(refused, partial(_in_words, target=target))
    end_if_refused(refused)


def _refuse_same(target: str) -> None:
    here = chosen_folder()
    if os.path.exists(target) and os.path.exists(here) and os.path.samefile(target, here):
        raise click.UsageError("the sessions are in that folder already: --to names another")


def _moved(
    source: SessionStore, target: str, session_ids: Sequence[str], *, dry_run: bool
) -> tuple[str, list[SessionSummary | None], Mapping[str, Exception]]:
    """Move sessions; return where to, those that are there now, and by id why others stay."""
    from localsessions.moving import move

    if dry_run and not is_there(target):
        return target, [source.engine.summary(one) for one in session_ids], {}
    with open_place(target) as other, progress("moving") as show:
        refused = move(source, other, session_ids, dry_run=dry_run, on_progress=show)
        there = source if dry_run else other
        moved = [there.engine.summary(one) for one in session_ids if one not in refused]
        return other.save_dir, moved, refused


def _in_words(error: Exception, *, target: str) -> str:
    """Return what an error says, with what a person can do about it here."""
    if isinstance(error, SessionExistsError):
        return f"{target} has another session of that id; it stays: 'fork' it, and move that"
    if isinstance(error, ConflictError):
        return f"a program changed it meanwhile; it stays, and {target} has it as it was"
    return message_of(error)
