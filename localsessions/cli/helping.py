"""``help``: the help of the whole or of a command, on standard output."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from localsessions.cli.commands import COMMANDS, loaded
from localsessions.cli.misuse import unknown
from localsessions.cli.options import examples
from localsessions.cli.screen.streams import emit

__all__ = ["show_help"]


def _complete(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [
        CompletionItem(str(one.name), help=one.get_short_help_str())
        for one in COMMANDS
        if str(one.name).startswith(incomplete)
    ]


@click.command("help", epilog=examples("localsessions help", "localsessions help search"))
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_complete)
@click.pass_context
def show_help(ctx: click.Context, *, name: str | None) -> None:
    """Show all commands, or the help of one."""
    root = ctx.find_root()
    if name is None:
        emit(root.get_help())
        return
    known = {str(one.name): one for one in COMMANDS}
    if name not in known:
        raise click.UsageError(unknown("command", name, known))
    emit(click.Context(loaded(known[name]), root, name).get_help())
