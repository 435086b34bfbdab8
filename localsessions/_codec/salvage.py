"""What can be read of a torn file: the longest prefix that can be closed to a whole document.

Pure: bytes in, bytes out. Works on any layout of JSON, by looking at each token once. A torn
file is one that ends too early, or goes on in zeros or in another text; a fault in the middle of
an ordinary text is a slip of the hand, and cutting off all that follows it would be no repair.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import NamedTuple

from localsessions._codec.layout import MAX_DEPTH
from localsessions._codec.session_file import parse_json

__all__ = ["salvage"]

_STRING = r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
# Only the top level has to be known token by token: a string is a key there or a value.
_TOP = re.compile(r"\s*+(" + _STRING + r'"|"|[{}\[\],:]|[^\s{}\[\],:"]++)')
_INSIDE = re.compile(r'(?:[^"{}\[\]]++|' + _STRING + r'")*+(["{}\[\]])')
_TORN_STRING = re.compile(_STRING + r"\\?")
_CLOSERS = {"{": "}", "[": "]"}
# Nothing can be added to these: where one is the last thing that there is, it is whole.
_WORDS = ("true", "false", "null")
# As git and others write them; raw newlines stand between tokens only.
_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)


class _Cut(NamedTuple):
    """Where the last whole part of the document ends, and what closes the document there."""

    position: int
    closing: str


def salvage(data: bytes) -> bytes | None:
    """Return a JSON object made of the whole parts at the beginning of a torn file.

    Top-level fields are kept or dropped as a whole, but for ``messages``: of these, all whole
    ones are kept. A number that is the last thing in the file is no whole one, more digits may
    have followed. Of a document that is whole, with something behind it, all is returned.

    Returns:
        None when not even one field or message is whole, when the fault is no torn end, or when
        what would be returned is ambiguous or no JSON.
    """
    if _CONFLICT.search(data):
        return None
    text, is_all = _text(data)
    cut = _last_cut(text)
    if cut is None or (cut.closing and not is_all):
        return None
    document = (text[: cut.position] + cut.closing).encode()
    try:
        parse_json(document)
    except json.JSONDecodeError:
        return None
    return document


def _text(data: bytes) -> tuple[str, bool]:
    """Return the text before the first NUL, and whether all of that is UTF-8.

    A character cut in half is left out: the decoder waits for the rest of it.
    """
    head = data.partition(b"\0")[0]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head), True
    except UnicodeDecodeError as error:
        return head[: error.start].decode(), False


def _last_cut(text: str) -> _Cut | None:
    """Return the last place where the document can be closed; None where there is none.

    Looks at strings and nesting only: what stands between them is for the parser to judge.
    """
    cut: _Cut | None = None
    expected: list[str] = []
    key = previous = ""
    position = 0
    while match := (_INSIDE if len(expected) > 1 else _TOP).match(text, position):
        token, position = match[1], match.end()
        if token == '"':
            return cut if _TORN_STRING.fullmatch(text, match.start(1)) else None
        if not _nest(token, expected):
            return None
        if not expected:
            return _Cut(position, "") if token == "}" else None
        if expected == ["}"]:
            if token[0] == '"' and previous in ("{", ","):
                key = token
            elif _is_whole_value(token, previous, is_last=position == len(text)):
                cut = _Cut(position, "}")
        elif token == "}" and key == '"messages"' and expected == ["}", "]"]:
            cut = _Cut(position, "]}")
        previous = token
    return cut


def _nest(token: str, expected: list[str]) -> bool:
    """Open or close a container; return False where no parser would take that."""
    if token in _CLOSERS:
        expected.append(_CLOSERS[token])
        return len(expected) <= MAX_DEPTH
    return token not in ("}", "]") or (bool(expected) and expected.pop() == token)


def _is_whole_value(token: str, previous: str, *, is_last: bool) -> bool:
    """Tell whether a token of the top level ends the value of a field."""
    if token in ("}", "]"):
        return True
    if previous != ":" or token in ("{", ",", ":"):
        return False
    return token[0] == '"' or token in _WORDS or not is_last
