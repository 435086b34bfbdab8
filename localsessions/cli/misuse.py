"""What click refuses, in the words of the command line, with the name that was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["misuse_of", "unknown"]


def misuse_of(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and where its help is."""
    message = _message_of(error)
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    see = f"see '{error.ctx.command_path} --help'"
    return f"{message} S{see[1:]}" if message.endswith("?") else f"{message}; {see}"


def unknown(what: str, word: str, known: Collection[str]) -> str:
    """Return that there is nothing of a name, and what may have been meant."""
    near = [f"'{one}'" for one in _near(word, sorted(known))]
    told = f"there is no {what} {word[:80]!r}"
    return f"{told}; did you mean {' or '.join(near)}?" if near else told


def _near(word: str, known: Sequence[str]) -> Sequence[str]:
    from difflib import get_close_matches

    begun = [one for one in known if one.startswith(word)]
    if 0 < len(begun) <= _MOST:
        return begun
    bare = {one.lstrip("-"): one for one in known}  # the dashes of options are all alike
    return [bare[one] for one in get_close_matches(word.lstrip("-"), bare, n=_MOST - 1)]


_MOST = 3


def _message_of(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        options = [one for param in error.ctx.command.params for one in param.opts]
        long = {one for one in options if one.startswith("--")}
        return unknown("option", error.option_name, {*long, "--help"})
    message = error.format_message().removesuffix(".")
    for pattern, said in _IN_WORDS:
        message = re.sub(pattern, said, message)
    return message


# Of click's own sentences those that speak as a program does.
_IN_WORDS = (
    (r"is not a valid integer( range)?$", "is no whole number"),
    (r"is not in the range (-?\d+)<=x<=(-?\d+)$", r"is not from \1 to \2"),
    (r"is not in the range x>=(-?\d+)$", r"is less than \1"),
)
