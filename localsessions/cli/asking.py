"""Whether a person agrees, and what happens if there is no terminal to ask on."""

from __future__ import annotations

import sys

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.screen.safe import one_line

__all__ = ["agrees", "ask_to_remove", "refuse_unasked"]


def refuse_unasked(what: str, *, yes: bool) -> None:
    """End the command if the person has not agreed and there is no terminal to ask on."""
    can_ask = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
    if not yes and not can_ask:
        raise click.UsageError(f"there is no terminal to ask whether to {what}: give --yes")


def ask_to_remove(question: str, *, yes: bool) -> None:
    """Ask, and end the command if the person does not agree."""
    if not agrees(question, yes=yes):
        stop("nothing was removed", ExitCode.NO)


def agrees(question: str, *, yes: bool) -> bool:
    """Ask, on standard error, unless the person has agreed already."""
    return yes or click.confirm(one_line(question), err=True)
