"""Commands that a person can type next, as they must stand in a shell."""

from __future__ import annotations

import re
import shlex

from localsessions.cli.folder import folder_words
from localsessions.cli.screen.safe import clean

__all__ = ["to_show", "to_type"]

_BESIDE = 2


def to_type(*words: str) -> str:
    """Return a command of ours, quoted for a shell, about the folder that is in use."""
    line = shlex.join(["localsessions", *folder_words(), *words])
    return clean(re.sub(r"[\n\t]", " ", line))


def to_show(session: str, number: int | None = None) -> str:
    """Return the command that shows a session or, with a number, this message of it."""
    place = [] if number is None else ["--at", str(number), "-C", str(_BESIDE)]
    if session.startswith("-"):
        return to_type("show", *place, "--", session)
    return to_type("show", session, *place)
