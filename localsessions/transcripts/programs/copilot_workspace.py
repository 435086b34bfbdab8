"""The title that GitHub Copilot CLI shows of a session: in ``workspace.yaml`` beside the events.

::

    id: 7ac4398d-...
    cwd: /home/dev/app
    user_named: false
    name: Fix the login

(``WorkspaceSummary`` in
https://github.com/github/copilot-sdk/blob/main/nodejs/src/generated/rpc.ts.) Versions up to 1.0.36
have ``summary`` instead. No YAML is parsed: a title is one line that begins with the key, and holds
a plain or a quoted text. What is anything else, or more than one line, is left out.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING

from localsessions import _system
from localsessions.transcripts.foreign import as_text

if TYPE_CHECKING:
    from localsessions.transcripts.source import Source

__all__ = ["shown_title", "title_in"]

_MAX_BYTES = 64 * 1024
_KEYS = ("name", "summary")
_COMMENT = r"(?:[ \t]+#.*)?[ \t]*"
_SINGLE = re.compile(rf"'((?:[^']|'')*)'{_COMMENT}")
_DOUBLE = re.compile(rf'("(?:[^"\\]|\\.)*"){_COMMENT}')
_NO_PLAIN = re.compile(r"[-?:,\[\]{}#&*!|>'\"%@`]|.*:(?:[ \t]|$)")
"""How YAML begins what is no plain text, and what a plain text does not hold."""
_NO_TEXT = re.compile(
    r"~|null|true|false|yes|no|on|off|[-+.]?[0-9][0-9a-fox_.:e+-]*|[-+]?\.(?:inf|nan)",
    re.IGNORECASE,
)
"""What YAML takes for a number or the like, so that a program that means a text quotes it."""


def shown_title(source: Source) -> str | None:
    """Return the title of the session of an ``events.jsonl``; None if none can be read."""
    if source.member is not None or source.name != "events.jsonl":
        return None
    path = os.path.join(os.path.dirname(source.path), "workspace.yaml")
    try:
        with open(path, "rb", opener=lambda path, _flags: _system.open_to_read(path)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return title_in(file.read(_MAX_BYTES))
    except OSError:
        return None  # as of every file beside a transcript: the transcript is read without it


def title_in(data: bytes) -> str | None:
    """Return the title that the beginning of a ``workspace.yaml`` says; None if it says none.

    Args:
        data: At most 64 KiB; if there are as many, the last line may be cut off and is left out.
    """
    try:
        text = data[: data.rfind(b"\n") + 1 if len(data) >= _MAX_BYTES else None].decode()
    except UnicodeDecodeError:
        return None
    lines = re.split(r"\r?\n", text)
    titles = (_value_of(key, lines) for key in _KEYS)
    return next((title for title in titles if title), None)


def _value_of(key: str, lines: list[str]) -> str | None:
    found = [at for at, line in enumerate(lines) if re.match(rf"{key}[ \t]*:(?:[ \t]|$)", line)]
    if len(found) != 1:
        return None
    following = next((line for line in lines[found[0] + 1 :] if line.strip()), "")
    if following.startswith((" ", "\t")):
        return None  # it goes on there
    return _scalar(lines[found[0]].partition(":")[2].strip(" \t"))


def _scalar(value: str) -> str | None:
    if single := _SINGLE.fullmatch(value):
        return single[1].replace("''", "'").strip() or None
    if double := _DOUBLE.fullmatch(value):
        try:
            return (as_text(json.loads(double[1])) or "").strip() or None
        except ValueError:
            return None  # an escape that only YAML has
    plain = re.split(r"[ \t]#", value, maxsplit=1)[0].rstrip(" \t")
    return None if _NO_PLAIN.match(plain) or _NO_TEXT.fullmatch(plain) else plain
