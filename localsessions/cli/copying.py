"""``copy``: all sessions of a folder or an address into another one."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from localsessions.addresses import is_address
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import open_place
from localsessions.cli.options import examples, json_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit, note

__all__ = ["copy"]

_ADDRESS = "postgresql://me@host/database"


@click.command(
    epilog=examples(
        f"localsessions copy ~/sessions {_ADDRESS}", f"localsessions copy {_ADDRESS} ~/sessions"
    )
)
@click.argument("source")
@click.argument("target")
@click.option(
    "--since",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="Only what changed after a copy that said this number; deletions, too.",
)
@json_option
@click.pass_context
def copy(ctx: click.Context, *, source: str, target: str, since: int | None, as_json: bool) -> None:
    """Copy all sessions of a folder or an address into another one.

    One way, with checkpoints. It can be stopped and begun again: what is there already is not
    written again. Ends with 4 if the target has a session that is newer; it stays as it is.
    """
    from localsessions.copying import copy_sessions

    if not is_address(source) and not os.path.isdir(source):
        stop(f"there is no folder of sessions at {source}", ExitCode.NOT_FOUND)
    with open_place(source) as given, open_place(target) as taking:
        if given.save_dir == taking.save_dir:
            raise click.UsageError("source and target are the same")
        with progress("copying") as show:
            copied = copy_sessions(given, taking, since=since, on_progress=show)
    for reason in copied.refused.values():
        note(one_line(f"not copied: {reason}"))
    if as_json:
        emit_json([asdict(copied)])
    else:
        for name in ("written", "equal", "deleted", "checkpoints", "number"):
            emit(f"{name + ':':13}{getattr(copied, name)}")
    ctx.exit(ExitCode.CONFLICT if copied.refused else ExitCode.DONE)
