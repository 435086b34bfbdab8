"""A person's own patterns: a file with one ``name = regex`` a line. Files are read here only.

Empty lines and lines that begin with ``#`` say nothing. The regex is one of Python's ``re`` with
``MULTILINE``; quotes round it belong to it. If it has a group named ``secret``, only that group is
replaced.

``re`` goes back over a text to try every way in which a regex can match, and has neither a time
limit nor a count of its work. A repeat inside a repeat, such as ``(a+)+b``, can take longer than
anybody waits (https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS).
So such a regex is refused: what is repeated has to match in one way only. Possessive repeats
(``a++``) and atomic groups (``(?>...)``) do, as of Python 3.11. What is left is several repeats one
after another: their time is a power of ``WINDOW`` (``searching.py``), and Ctrl-C ends them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from localsessions.redaction.patterns import Pattern

__all__ = ["parse_patterns", "read_patterns"]

_LINE = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=\s*(.*\S)\s*")
_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def read_patterns(path: str | os.PathLike[str]) -> tuple[Pattern, ...]:
    """Return the patterns of a file, in its order.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is wrong; the message names file, line and reason.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}, line {line}: it is not UTF-8") from None
    return parse_patterns(text.splitlines(), name)


def parse_patterns(lines: Iterable[str], name: str = "patterns") -> tuple[Pattern, ...]:
    """Return the patterns of some lines.

    Args:
        lines: ``name = regex`` each, or empty, or a remark that begins with ``#``.
        name: What error messages call the source of the lines.

    Raises:
        ValueError: A line is wrong; the message names source, line and reason.
    """
    made = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            made.append(_pattern(line))
        except ValueError as error:
            raise ValueError(f"{name}, line {number}: {error}") from None
    return tuple(made)


def _pattern(line: str) -> Pattern:
    if not (parts := _LINE.fullmatch(line)):
        raise ValueError("write name = regex")
    kind, text = parts.groups()
    if not _KIND.fullmatch(kind):
        raise ValueError(
            f"the name {kind!r} is more than lower-case letters, digits and '-', 40 at most"
        )
    try:
        expression = re.compile(text, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the regex is wrong: {error}") from None
    if expression.search(""):
        raise ValueError("the regex matches the empty text")
    if reason := _why_slow(text):
        raise ValueError(reason)
    return Pattern(kind, expression)


# -- what could take for ever ---------------------------------------------------------------------

_FEW = 8
"""A repeat of so many at most multiplies the time by a number, however it is nested."""

_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*+\]", re.DOTALL)
_REPEAT = re.compile(r"(?:([*+?])|\{(\d*)(,?)(\d*)\})([+?]?)")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-[a-zA-Z]+)?[:)]")
_REMARK = re.compile(r"\(\?#[^)]*\)")


@dataclass(slots=True)
class _Group:
    """A group that is open; ``varies`` says that what it holds can match in several ways."""

    is_atomic: bool = False
    varies: bool = False


class _Repeat(NamedTuple):
    least: int
    most: float
    is_possessive: bool
    end: int


def _why_slow(text: str) -> str | None:
    """Return why a regex could take a time that doubles with each character; None if it cannot."""
    if any("x" in flags for flags in _FLAGS.findall(text)):
        return "the flag x is not supported: write the regex without spaces and remarks"
    groups = [_Group()]
    at = 0
    while at < len(text):
        if remark := _REMARK.match(text, at):
            at = remark.end()
            continue
        if text[at] == "(":
            groups.append(_Group(is_atomic=text.startswith(_ATOMIC, at)))
            # The "?" after a bracket is no repeat.
            at += 2 if text.startswith("(?", at) else 1
            continue
        varies = False
        if text[at] == ")":
            group = groups.pop()
            varies = group.varies and not group.is_atomic
            at += 1
        elif text[at] == "|":
            groups[-1].varies = True
            at += 1
            continue
        else:
            at = _after_one(text, at)
        repeat = _repeat_at(text, at)
        if repeat:
            at = repeat.end
            if varies and repeat.most > _FEW and not repeat.is_possessive:
                return _NESTED
            varies = not repeat.is_possessive and (varies or repeat.least != repeat.most)
        groups[-1].varies |= varies
    return None


_ATOMIC = ("(?>", "(?=", "(?!", "(?<=", "(?<!")
_NESTED = (
    "a repeat inside a repeat, or a choice inside one, can take for ever; what is repeated has to "
    r"match in one way only, as in (?:\w++\.)+ or (?>a|b)+"
)


def _after_one(text: str, at: int) -> int:
    """Return where the character, escape or class at a place ends."""
    if text[at] == "\\":
        return at + 2
    if found := _CLASS.match(text, at):
        return found.end()
    return at + 1


def _repeat_at(text: str, at: int) -> _Repeat | None:
    if not (found := _REPEAT.match(text, at)):
        return None
    sign, low, comma, high, ending = found.groups()
    if sign:
        least, most = {"*": (0, _MANY), "+": (1, _MANY), "?": (0, 1.0)}[sign]
    elif not low and not high:
        return None  # "{}" and "{,}" are no repeats
    else:
        least = int(low or 0)
        most = float(high) if high else _MANY if comma else float(least)
    return _Repeat(least, most, ending == "+", found.end())


_MANY = float("inf")
