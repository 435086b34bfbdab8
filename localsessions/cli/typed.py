"""Commands that a person can type next, as they must stand in a shell."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from localsessions.cli.folder import folder_words
from localsessions.cli.screen.safe import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["UNSAYABLE", "shell_line", "to_show", "to_type"]

UNSAYABLE = "..."
"""What stands for a word that would act in a shell of Windows."""

_BESIDE = 2


def to_type(command: str, *options: str, session: str | None = None) -> str:
    """Return a command of ours, quoted for a shell, about the folder that is in use.

    Args:
        command: Its name.
        options: Its options.
        session: What names a session, if the command takes one; it may begin with a minus sign.
    """
    if session is None:
        words = [*options]
    elif session.startswith("-"):
        words = [*options, "--", session]
    else:
        words = [session, *options]
    line = shell_line(["localsessions", *folder_words(), command, *words])
    return clean(re.sub(r"[\n\t]", " ", line))


def to_show(session: str, number: int | None = None) -> str:
    """Return the command that shows a session or, with a number, this message of it."""
    place = [] if number is None else ["--at", str(number), "-C", str(_BESIDE)]
    return to_type("show", *place, session=session)


def shell_line(words: Iterable[str]) -> str:
    """Return words as a line for the shell of this system, of which no character acts.

    On Windows, both ``cmd`` and PowerShell take it. For a word that no quoting makes safe in both
    of them, ``UNSAYABLE`` stands.
    """
    if os.name == "posix":
        return shlex.join(words)
    return " ".join(map(_quoted_for_windows, words))


def _quoted_for_windows(word: str) -> str:
    if re.fullmatch(r"[\w.:/\\+=-]+", word, re.ASCII):
        return word
    # Inside quotes, these still act in cmd or in PowerShell.
    return UNSAYABLE if re.search(r'["“”„%$`!]|\\\Z', word) or not word else f'"{word}"'
