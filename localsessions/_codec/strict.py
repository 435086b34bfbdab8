"""JSON parsed by the standard library with every check on, for files that orjson may not preserve.

Imported at use: a file that a store wrote does not need it.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING

from localsessions._codec.explaining import fault_at, first_doubt
from localsessions._codec.layout import MAX_DIGITS, is_storable

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["parse_strictly"]


def parse_strictly(data: bytes) -> JsonValue:
    """Return the exact value of a JSON file, see ``parse_json``.

    Raises:
        json.JSONDecodeError: As in ``parse_json``.
    """
    _refuse_what_is_no_text(data)
    text = data.decode()
    try:
        value, is_doubtful = _loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise fault_at(
                "the file ends in the middle, as after a torn write", data, None
            ) from None
        raise
    except RecursionError:
        if (fault := first_doubt(text)) is None:
            raise  # the caller's own calls left too little of the stack
        raise fault from None
    if (is_doubtful or not is_storable(value)) and (fault := first_doubt(text)):
        raise fault
    return value


def _loads(text: str) -> tuple[JsonValue, bool]:
    """Return the value, and whether the text holds something that the value does not."""
    doubts: list[object] = []

    def objects(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        value = dict(pairs)
        if len(value) != len(pairs):
            doubts.append(pairs)
        return value

    def number(token: str) -> float:
        if not isfinite(value := float(token)):
            doubts.append(token)
        return value

    def integer(token: str) -> int:
        if len(token) <= _DIGITS_AT_ONCE:
            return int(token)
        if len(token.lstrip("-")) > MAX_DIGITS:
            doubts.append(token)
            return 0
        return _joined_digits(token)

    value: JsonValue = json.loads(
        text,
        object_pairs_hook=objects,
        parse_constant=number,
        parse_float=number,
        parse_int=integer,
    )
    return value, bool(doubts)


# No setting of sys.set_int_max_str_digits can make int(str) refuse this many digits.
_DIGITS_AT_ONCE = 640


def _joined_digits(token: str) -> int:
    """Convert a text to an integer by halves: int(str) has a limit, and takes twice as long."""
    if token.startswith("-"):
        return -_joined_digits(token[1:])
    if len(token) <= _DIGITS_AT_ONCE:
        return int(token)
    low = len(token) // 2
    scale: int = 10**low
    return _joined_digits(token[:-low]) * scale + _joined_digits(token[-low:])


def _refuse_what_is_no_text(data: bytes) -> None:
    if not data.strip():
        raise fault_at("the file is empty", data, 0)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or re.match(_UTF16, data):
        raise fault_at("the file is UTF-16; save it as UTF-8", data, 0)
    if data.startswith(b"\xef\xbb\xbf"):
        raise fault_at(
            "the file begins with a byte order mark; save it as UTF-8 without one", data, 0
        )
    if (nul := data.find(b"\0")) >= 0:
        raise fault_at("NUL bytes, as after a crash that lost the end of the file", data, nul)
    if marker := re.search(_CONFLICT, data):
        raise fault_at("merge conflict markers; resolve the conflict", data, marker.start())
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise fault_at("the file is not UTF-8", data, error.start) from None


_UTF16 = rb"(\0[^\0]){2}|([^\0]\0){2}"
# Raw newlines occur only between tokens, so no line of a JSON text begins like this.
_CONFLICT = rb"(?m)^(<{7}|={7}|>{7}|\|{7})( |\r?$)"
