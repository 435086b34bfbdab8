"""Values that JSON cannot hold, as JSON: one escape object for all adapters. Pure.

The shape of the data::

    {"$bytes": base64}               bytes
    {"$float": "NaN"}                NaN, "Infinity" and "-Infinity"
    {"$typed": name, "base64": ...}  a value of a kind that only the framework can read again

An object that is exactly one of these is the value it stands for. A real object with such a key
keeps it with one ``$`` more, so both come back as they were. See docs/format.md.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["RESERVED", "Typed", "escaped", "unescaped"]

RESERVED = ("bytes", "float", "typed", "at", "item")
"""What stands behind the ``$`` of a key that means something; ``remainder`` has two of them."""

_KEY = re.compile(rf"\$+(?:{'|'.join(RESERVED)})")
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Typed(NamedTuple):
    """A value as its framework packs it.

    Attributes:
        name: Says how to unpack it, for example "msgpack".
        data: The packed value.
    """

    name: str
    data: bytes


def escaped(value: Any, pack: Callable[[Any], Typed | None] | None = None) -> JsonValue:
    """Return a value as JSON, from which ``unescaped`` makes an equal one.

    Values that are neither JSON nor escaped here (tuples, sets, keys that are no texts, objects)
    are left as they are: the store refuses them and names the place.

    Args:
        value: Any value; not changed. The result shares no list and no object with it.
        pack: Called with each value that is neither a container nor JSON nor escaped here; returns
            None for what it cannot pack. It gives a ``Typed``, and so does ``unescaped``.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value  # type: ignore[no-any-return]  # the line above says so
    if kind is dict:
        return {_more(key): escaped(item, pack) for key, item in value.items()}
    if kind is list:
        return [escaped(item, pack) for item in value]
    if kind is float:
        return value if math.isfinite(value) else {"$float": _name_of(value)}
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode()}
    packed = value if kind is Typed else pack(value) if pack is not None else None
    if packed is None:
        return value  # type: ignore[no-any-return]  # the store refuses it
    return {"$typed": packed.name, "base64": base64.b64encode(packed.data).decode()}


def unescaped(value: JsonValue, unpack: Callable[[Typed], Any] | None = None) -> Any:
    """Return the value that ``escaped`` made JSON of; a copy that shares no container.

    Args:
        value: Any JSON.
        unpack: Called with each typed value; by default a ``Typed`` stands in its place.
    """
    if isinstance(value, list):
        return [unescaped(item, unpack) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) <= 2:
        meant = _meant(value)
        if isinstance(meant, Typed):
            return meant if unpack is None else unpack(meant)
        if meant is not None:
            return meant
    return {_less(key): unescaped(item, unpack) for key, item in value.items()}


def has_escapes(value: JsonValue) -> bool:
    """Tell whether ``unescaped`` would change anything in a value that ``escaped`` made."""
    if isinstance(value, list):
        return any(map(has_escapes, value))
    if not isinstance(value, dict):
        return False
    return any((key[:1] == "$" and _KEY.fullmatch(key)) or has_escapes(value[key]) for key in value)


def _meant(value: dict[str, JsonValue]) -> bytes | float | Typed | None:
    """Return the value that an escape object stands for; None if the object is none."""
    match value:
        case {"$bytes": str(text)} if len(value) == 1:
            return _decoded(text)
        case {"$float": str(text)} if len(value) == 1:
            return _FLOATS.get(text)
        case {"$typed": str(name), "base64": str(text)} if len(value) == 2:
            data = _decoded(text)
            return None if data is None else Typed(name, data)
    return None


def _decoded(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # a person's own object
        return None
    return data if base64.b64encode(data).decode() == text else None


def _name_of(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _more(key: Any) -> Any:
    return f"${key}" if type(key) is str and key[:1] == "$" and _KEY.fullmatch(key) else key


def _less(key: str) -> str:
    return key[1:] if key[:2] == "$$" and _KEY.fullmatch(key) else key
