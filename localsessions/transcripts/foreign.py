"""JSON whose shape is not guaranteed: the only place that checks what other programs wrote.

Each function takes any JSON value and returns the wanted type, or says that it is absent; none
raises. The format files read with these functions. mypy then proves that they handle any file.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from pydantic import JsonValue

from localsessions.format import encode_value
from localsessions.models import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Object",
    "as_instant",
    "as_instant_text",
    "as_list",
    "as_object",
    "as_objects",
    "as_text",
    "decoded_path",
    "filled",
    "json_text",
    "present",
    "without",
]

Object: TypeAlias = dict[str, JsonValue]

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_FINER_FROM = 1e11
"""Seconds since 1970 reach this number in the year 5138; milliseconds reached it in 1973."""
_SECONDS = re.compile(r"\d{9,20}(?:\.\d+)?")
"""A text that is a number since 1970, and no year."""
_DRIVE = re.compile(r"/[A-Za-z]:")


def as_object(value: JsonValue) -> Object:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_list(value: JsonValue) -> list[JsonValue]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def as_objects(value: JsonValue) -> list[Object]:
    """Return the objects among the items of a list; empty for any other value."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def as_text(value: JsonValue) -> str | None:
    """Return the value if it is a text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def as_instant(value: JsonValue) -> datetime | None:
    """Return the instant that an ISO 8601 text or a number since 1970 names, in UTC.

    Numbers are seconds; if that would be later than the year 5138, they are milliseconds, and in
    the same way microseconds or nanoseconds. A number may be a text.
    """
    try:
        if isinstance(value, str):
            if not _SECONDS.fullmatch(value):
                return parse_instant(value).astimezone(UTC)
            value = float(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            return None
        seconds = value
        for _ in range(3):
            if abs(seconds) >= _FINER_FROM:
                seconds /= 1000
        return _BEGIN + timedelta(
            seconds=seconds
        )  # fromtimestamp() knows none before it on Windows
    except (ValueError, OverflowError):
        return None


def as_instant_text(value: JsonValue) -> str | None:
    """Return an ISO 8601 instant as the source spells it; make the text from a number."""
    instant = as_instant(value)
    if instant is None:
        return None
    is_spelt = isinstance(value, str) and not _SECONDS.fullmatch(value)
    return str(value) if is_spelt else format_instant(instant)


def json_text(value: JsonValue) -> str:
    """Return a value as JSON on one line, for ``arguments``, which must be text there."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:
        # An integer of more than 4,300 digits (CVE-2020-10735), which the codec can write.
        # The codec writes lines; a break inside a text is always an escape.
        return " ".join(line.strip() for line in encode_value(value).decode().split("\n")).strip()


def without(source: Mapping[str, JsonValue], *keys: str) -> Object:
    """Return a copy of an object without some of its keys."""
    kept = dict(source)
    for key in keys:
        kept.pop(key, None)
    return kept


def present(**facts: JsonValue) -> Object:
    """Return the facts that are not None: those that the source states."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def filled(fields: Mapping[str, JsonValue]) -> Object:
    """Return the fields that are neither None nor an empty list or object."""
    return {key: value for key, value in fields.items() if value not in (None, [], {})}


def decoded_path(path: str) -> str:
    """Return the path of a file that the path of a URI names; on Windows it begins with a drive."""
    path = unquote(path)
    return path[1:] if _DRIVE.match(path) else path


def is_deeper(value: JsonValue, levels: int) -> bool:
    """Tell whether objects and lists are nested deeper than so many levels."""
    level: list[JsonValue] = [value]
    for _ in range(levels + 1):
        inside: list[JsonValue] = []
        for item in level:
            if type(item) is dict:  # takes half the time of isinstance(): this sees every value
                inside.extend(item.values())
            elif type(item) is list:
                inside.extend(item)
        if not inside:
            return False
        level = inside
    return any(isinstance(item, dict | list) for item in level)


def shallow(value: JsonValue, levels: int) -> JsonValue:
    """Return a copy nested at most so deep; what is deeper becomes a text of JSON."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return json_text(value)
    if isinstance(value, dict):
        return {key: shallow(item, levels - 1) for key, item in value.items()}
    return [shallow(item, levels - 1) for item in value]
