"""Why something is not a session, and where: the place in a value, or in the text of a file.

Imported at use: faults are rare. A fault in a text is reported as a ``json.JSONDecodeError``, which
carries the place as line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from localsessions._codec.layout import MAX_DEPTH, MAX_DIGITS, STORABLE
from localsessions.errors import UnstorableValueError

if TYPE_CHECKING:
    from pydantic import JsonValue, ValidationError

__all__ = ["Wrong", "fault_at", "fault_in", "first_doubt", "refuse_unstorable", "wrong_types"]


def refuse_unstorable(value: JsonValue, session_id: str | None) -> None:
    """Raise an error with the place of the first value that cannot be stored, if any.

    Raises:
        UnstorableValueError: A value cannot be stored.
    """
    for where, reason in _faults(value, [], MAX_DEPTH):
        raise UnstorableValueError(where, reason, session_id=session_id)


def _faults(value: object, path: list[str | int], depth: int) -> Iterator[tuple[str, str]]:
    """Yield the place and the reason of each fault.

    The path is spelled only for a fault: a long key would be copied for each value below it.
    """
    if reason := _own_fault(value):
        yield _spelled(path), reason
    elif isinstance(value, dict | list) and depth == 0:
        yield _start(_spelled(path)), f"it is nested deeper than {MAX_DEPTH} levels"
    elif isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and (reason := _fault_of_key(step)):
                yield f"{_spelled(path)}[{step!r}]", reason
            else:
                path.append(step)
                yield from _faults(item, path, depth - 1)
                path.pop()


def _fault_of_key(key: object) -> str | None:
    return _own_fault(key) if type(key) is str else "a key must be a text"


def _own_fault(value: object) -> str | None:
    """Return why the value itself cannot be stored, without a look at what it contains."""
    kind = type(value)
    if kind not in STORABLE:
        return f"{kind.__name__} is no type of JSON{_remedy(value)}"
    if isinstance(value, float) and not isfinite(value):
        return f"JSON has no {value}; store None or a text instead"
    # The bit length is compared first: a small integer then needs no power of ten.
    if (
        isinstance(value, int)
        and value.bit_length() > 3 * MAX_DIGITS
        and abs(value) >= 10**MAX_DIGITS
    ):
        return f"it has more than {MAX_DIGITS} digits; store a text instead"
    if isinstance(value, str) and re.search(_HALVES, value):
        return "a surrogate pair in two halves would come back as one character"
    return None


# Patterns for rare cases are compiled when they are used, not when this module is imported.
_HALVES = "[\ud800-\udbff][\udc00-\udfff]"


def _remedy(value: object) -> str:
    if isinstance(value, tuple | set | frozenset):
        return "; store a list"
    if isinstance(value, datetime):
        return "; store its isoformat()"
    if isinstance(value, bytes | bytearray):
        return "; store a text, base64 perhaps"
    return "; store what it is made of"


class Wrong(NamedTuple):
    """What is wrong somewhere in a session.

    Attributes:
        path: The steps that lead to the place.
        reason: What is wrong.
    """

    path: tuple[str | int, ...]
    reason: str

    @property
    def where(self) -> str:
        """The path in Python notation."""
        return _spelled(self.path)


def wrong_types(error: ValidationError) -> list[Wrong]:
    """Return everything that pydantic found wrong in a session."""
    return [
        Wrong((*each["loc"], *context.get("place", ())), context.get("what", each["msg"]))
        for each in error.errors(include_url=False, include_input=False)
        for context in (each.get("ctx", {}),)
    ]


def _spelled(path: Sequence[str | int]) -> str:
    """Return a path in Python notation."""
    steps = [
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]"
        for step in path
    ]
    return "".join(steps).removeprefix(".")


def _start(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[:length] + "…"


def fault_at(reason: str, data: bytes, position: int | None) -> json.JSONDecodeError:
    """Return the error for a position in bytes; None means the end."""
    before = data[:position].decode(errors="replace")
    return json.JSONDecodeError(reason, before, len(before))


def fault_in(data: bytes, wrong: Wrong) -> json.JSONDecodeError:
    """Return the error for a wrong value in a session file, with its place in the text."""
    text = data.decode()
    return json.JSONDecodeError(
        f"{wrong.where}: {_start(wrong.reason, 200)}", text, _position(text, wrong.path)
    )


def _position(text: str, path: Sequence[str | int]) -> int:
    """Return where the value at ``path`` begins, or else the smallest value that encloses it."""
    found, depth = 0, -1
    for position, token, here, is_key in _tokens(text):
        steps = len(here)
        if (
            depth < steps <= len(path)
            and not is_key
            and token not in "}],:"
            and list(path[:steps]) == here
        ):
            found, depth = position, steps
    return found


def first_doubt(text: str) -> json.JSONDecodeError | None:
    """Return the first place where a text that parses is ambiguous or breaks a limit; else None.

    Such places are duplicate keys, NaN and Infinity, numbers that are too large or too long, and
    values that are nested too deep.
    """
    keys: list[set[str]] = [set()]
    for position, token, path, is_key in _tokens(text):
        del keys[len(path) + 1 :]
        if token in "{[":
            keys.append(set())
            if len(path) >= MAX_DEPTH:
                return json.JSONDecodeError(
                    f"nested deeper than {MAX_DEPTH} levels", text, position
                )
        elif is_key:
            key = str(path[-1])
            if key in keys[-1]:
                return json.JSONDecodeError(f"duplicate key {_start(key)!r}", text, position)
            keys[-1].add(key)
        elif token.lstrip("-") in ("NaN", "Infinity"):
            return json.JSONDecodeError(f"{token} is not JSON", text, position)
        elif token[0] in "-0123456789" and (reason := _fault_of_number(token)):
            return json.JSONDecodeError(reason, text, position)
    return None


def _fault_of_number(token: str) -> str | None:
    if set(token) & set(".eE"):
        return None if isfinite(float(token)) else f"no float can hold {_start(token)}"
    digits = len(token.lstrip("-"))
    if digits <= MAX_DIGITS:
        return None
    return f"an integer of {digits} digits; the limit is {MAX_DIGITS}"


_TOKEN = r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+'


def _tokens(text: str) -> Iterator[tuple[int, str, list[str | int], bool]]:
    """Yield each token of a JSON text: its position, the token, its path, whether it is a key.

    The path is a list that the generator goes on to change: copy what you keep.
    """
    path: list[str | int] = []
    previous = ""
    for match in re.finditer(_TOKEN, text):
        token = match.group()
        is_key = token[0] == '"' and previous in ("{", ",") and isinstance(path[-1], str)
        if token in "}]":
            path.pop()
        elif is_key:
            path[-1] = str(json.loads(token))
        elif token == "," and isinstance(path[-1], int):
            path[-1] += 1
        yield match.start(), token, path, is_key
        if token in "{[":
            path.append("" if token == "{" else 0)
        previous = token
