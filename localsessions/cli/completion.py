"""``completion``: the script that lets a shell complete commands and session ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from localsessions.cli.options import examples
from localsessions.cli.screen.streams import emit

__all__ = ["COMPLETE_VARIABLE", "completion"]

COMPLETE_VARIABLE = "_LOCALSESSIONS_COMPLETE"


@click.command(
    epilog=examples(
        'eval "$(localsessions completion bash)"     in ~/.bashrc',
        'eval "$(localsessions completion zsh)"      in ~/.zshrc',
        "localsessions completion fish | source      in config.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  (click has these three)
    emit(kind(ctx.find_root().command, {}, "localsessions", COMPLETE_VARIABLE).source())
