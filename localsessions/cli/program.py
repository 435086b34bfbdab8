"""The group of all commands, and the only entry point; it ends in an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import shell_complete

from localsessions import __version__
from localsessions.cli.commands import COMMANDS, COMMANDS_BY_TASK, command_named, loaded
from localsessions.cli.completion import COMPLETE_VARIABLE
from localsessions.cli.exits import exit_code_of
from localsessions.cli.folder import folder_option
from localsessions.cli.misuse import unknown
from localsessions.cli.options import examples
from localsessions.cli.screen.streams import survive_any_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["program", "run"]

_NAME = "localsessions"


class _Program(click.Group):
    """Knows of each command its name and its help, and imports the one that is resolved."""

    def main(  # type: ignore[override]  # click's own promises more than is wanted
        self, args: Sequence[str] | None = None, prog_name: str = _NAME, **extra: Any
    ) -> NoReturn:
        """Run, and end with our exit codes instead of click's."""
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(exit_code_of(lambda: self._run(arguments, prog_name, extra)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that a line names, and what follows it."""
        word = args[0]
        if not (word.startswith("-") or word in self.commands or ctx.resilient_parsing):
            raise click.UsageError(unknown("command", word, self.commands), ctx)
        name, known, rest = super().resolve_command(ctx, args)
        return name, known and loaded(known), rest

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's own asks for it
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the commands of the help, by what a person wants to do."""
        width = max(len(str(one.name)) for one in COMMANDS)
        for task, commands in COMMANDS_BY_TASK.items():
            with formatter.section(f"To {task}"):
                rows = [
                    (str(one.name).ljust(width), one.get_short_help_str(100)) for one in commands
                ]
                formatter.write_dl(rows)

    def _run(self, arguments: list[str], prog_name: str, extra: dict[str, Any]) -> None:
        survive_any_encoding()
        if instruction := os.environ.get(COMPLETE_VARIABLE):
            shell_complete(self, {}, _NAME, COMPLETE_VARIABLE, instruction)
            return
        # Not click's main(): it catches a broken pipe and reports a failure.
        with self.make_context(prog_name, arguments, **extra) as ctx:
            # While it is known which folder is in use: a remedy names it.
            if code := exit_code_of(lambda: self.invoke(ctx)):
                ctx.exit(code)


@click.group(
    _NAME,
    cls=_Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "localsessions import ~/.claude/projects",
        "localsessions list --since 2d",
        "localsessions search deploy failed",
        "localsessions show latest",
    ),
)
@click.version_option(__version__, prog_name=_NAME)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Keep agent sessions in a folder, each in a readable JSON file.

    SESSION is an id, the beginning of an id, a title, or 'latest'. Data goes to standard output,
    everything else to standard error; --json makes the data one JSON document, and a table in a
    pipe is bare, with tabs.

    Exit codes: 0 done, 1 nothing found or the answer was no, 2 usage, 3 not found, 4 a conflict,
    locked or there already, 5 an unreadable session or backup, 6 a failure of the system, 130
    interrupted, 141 the reader of the output closed it early.
    """
    if ctx.invoked_subcommand is None:
        _bare(ctx)


def _bare(ctx: click.Context) -> None:
    """Do what the name alone means: pick a session on a terminal, and list them elsewhere."""
    from localsessions.cli.picker.opening import is_possible, pick

    if is_possible():
        pick(ctx)
    else:
        command = command_named("list")
        with command.make_context("list", [], parent=ctx) as made:
            command.invoke(made)


program.params.insert(0, folder_option())
for _command in COMMANDS:
    program.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; only bugs raise."""
    try:
        program.main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
