"""A person's own patterns: a file with one ``name = regex`` a line. Files are read here only.

Empty lines and lines that begin with ``#`` say nothing. The regex is one of Python's ``re`` with
``MULTILINE``; quotes round it belong to it. If it has a group named ``secret``, only that group is
replaced.

``re`` goes back over a text to try every way in which a regex can match, and has neither a time
limit nor a count of its work. A repeat inside a repeat, such as ``(a+)+b``, can take longer than
anybody waits (https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS).
So such a regex is refused: what is repeated has to match in one way only, or is repeated a few
times at most. Possessive repeats (``a++``) and atomic groups (``(?>...)``) match in one way, as of
Python 3.11. What is left is several repeats one after another: their time is a power of ``WINDOW``
(``searching.py``), and Ctrl-C ends them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from localsessions.redaction.patterns import Pattern

__all__ = ["parse_patterns", "read_patterns"]

# A space after a backslash belongs to the regex, also at the end of the line.
_LINE = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=\s*(?=\S)((?:\\.|\\$|[^\\])+?)\s*")
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
    # Not splitlines: it ends a line at U+2028 and others too, which editors do not count.
    return parse_patterns([line.removesuffix("\r") for line in text.split("\n")], name)


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
"""How often in all what can match in several ways may be repeated: so many times at most, each way
is tried with each way of the others, as if they were written one after another."""

_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*+\]", re.DOTALL)
_REPEAT = re.compile(r"(?:([*+?])|\{(\d*)(,?)(\d*)\})([+?]?)")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-[a-zA-Z]+)?[:)]")
_REMARK = re.compile(r"\(\?#[^)]*\)")


@dataclass(slots=True)
class _Group:
    """A group that is open.

    ``repeats`` counts the repeats of what it holds that can match in several ways, each times the
    bounds of the repeats around it.
    """

    is_atomic: bool = False
    has_choice: bool = False
    repeats: float = 0

    @property
    def ways(self) -> float:
        """How much in it can match in several ways; 0 if it matches in one way only."""
        return 0 if self.is_atomic else self.repeats + self.has_choice


class _Repeat(NamedTuple):
    least: int
    most: float
    is_possessive: bool
    end: int


def _why_slow(text: str) -> str | None:
    """Return why a regex could take a time that doubles with each character; None if it cannot."""
    groups = [_Group()]
    at = 0
    while at < len(text):
        if remark := _REMARK.match(text, at):
            at = remark.end()
        elif text[at] == "(":
            if (flags := _FLAGS.match(text, at)) and "x" in flags[1]:
                return _SPACED
            groups.append(_Group(is_atomic=text.startswith(_ATOMIC, at)))
            # The "?" after a bracket is no repeat.
            at += 2 if text.startswith("(?", at) else 1
        elif text[at] == "|":
            groups[-1].has_choice = True
            at += 1
        else:
            ways = groups.pop().ways if text[at] == ")" else 0
            at = _after_one(text, at)
            if repeat := _repeat_at(text, at):
                at = repeat.end
                ways = _ways_repeated(ways, repeat)
                if ways > _FEW and repeat.most > 1:
                    return _NESTED
            groups[-1].repeats += ways
    return None


def _ways_repeated(ways: float, repeat: _Repeat) -> float:
    if repeat.is_possessive:
        return 0
    if ways:
        return ways * max(repeat.most, 1)
    return 1 if repeat.least != repeat.most else 0


_ATOMIC = ("(?>", "(?=", "(?!", "(?<=", "(?<!")
_SPACED = "the flag x is not supported: write the regex without spaces and remarks"
_NESTED = (
    "a repeat inside a repeat, or a choice inside one, can take for ever; what is repeated has to "
    rf"match in one way only, as in (?:\w++\.)+ or (?>a|b)+, or repeat {_FEW} times at most in all"
)


def _after_one(text: str, at: int) -> int:
    """Return where the character, bracket, escape or class at a place ends."""
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
