"""What can be read from a torn file: the longest prefix that can be closed to a whole document.

Pure: bytes in, bytes out. It works for any layout of JSON and reads each token once. A torn file
ends too early, or continues with zeros or with another text. A fault in the middle of an ordinary
text is different: it is an editing mistake, and cutting off everything after it is no repair.
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
# Only the top level needs every token: there a string is a key or a value.
_TOP = re.compile(r"\s*+(" + _STRING + r'"|"|[{}\[\],:]|[^\s{}\[\],:"]++)')
_INSIDE = re.compile(r'(?:[^"{}\[\]]++|' + _STRING + r'")*+(["{}\[\]])')
_TORN_STRING = re.compile(_STRING + r"\\?")
_CLOSERS = {"{": "}", "[": "]"}
# No character can follow in these words, so they are whole even at the end of the file.
_WORDS = ("true", "false", "null")
# Conflict markers as git and others write them. Raw newlines occur only between tokens.
_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)


class _Cut(NamedTuple):
    """Where the last whole part of the document ends, and the text that closes it there."""

    position: int
    closing: str


def salvage(data: bytes) -> bytes | None:
    """Return a JSON object made of the whole parts at the beginning of a torn file.

    Each top-level field is kept or dropped as a whole, except ``messages``: every whole message is
    kept. A number at the end of the file is not whole, because more digits may have followed. If
    the document is whole and something follows it, the whole document is returned.

    Returns:
        None if no field and no message is whole, if the fault is not a torn end, or if the result
        would be ambiguous or not JSON.
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
    """Return the text before the first NUL, and whether all of it is UTF-8.

    A character that is cut in half at the end is left out: the decoder waits for the rest of it.
    """
    head = data.partition(b"\0")[0]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head), True
    except UnicodeDecodeError as error:
        return head[: error.start].decode(), False


def _last_cut(text: str) -> _Cut | None:
    """Return the last place where the document can be closed; None if there is no such place.

    It checks only strings and nesting; the parser checks everything else.
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
    """Open or close a container; return False if no parser would accept that."""
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
