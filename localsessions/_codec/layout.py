"""The layout of a session file: what JSON can carry, the order of the fields, the message places.

``docs/format.md`` describes the format: a JSON object, laid out as by
``orjson.dumps(document, option=OPT_INDENT_2 | OPT_APPEND_NEWLINE)``. This module works with
documents and bytes; it neither proves nor refuses anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING

import orjson

from localsessions.models import format_instant, parse_instant
from localsessions.models.file_fields import SESSION_FIELDS
from localsessions.models.standing import Original, original_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Session

__all__ = [
    "INSTANTS",
    "KNOWN",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_FILE_BYTES",
    "MESSAGE",
    "STORABLE",
    "added",
    "common_end",
    "document_of",
    "first_message",
    "is_as_written",
    "is_storable",
    "joined_ends",
    "known_fields",
    "last_messages_begin",
    "lay_out",
    "may_be_laid_out",
    "messages_begin",
    "messages_end",
    "places_of_messages",
    "without_messages",
]

MAX_DEPTH = 200
"""How deep containers may be nested, including the document itself; for writing and reading."""

MAX_DIGITS = 20_000
"""How many digits an integer may have. In Python, the time to convert grows with the square of the
digits: a million digits take half a minute."""

MAX_FILE_BYTES = 1 << 30
"""The largest file that is read or written; parsing takes several times this size in memory."""

STORABLE = frozenset({str, int, float, bool, type(None), dict, list})

KNOWN = frozenset(SESSION_FIELDS)
INSTANTS = ("created_at", "expires_at", "last_activity", "updated_at")

# An empty container gets no line for its content. So a value that is indented to the last level may
# itself be a container that is too deep.
_PERHAPS_TOO_DEEP = b"\n" + b"  " * MAX_DEPTH
# Up to this size, the bytes that indenting adds do not matter: 400 to each byte.
_SMALL_BYTES = 1 << 16


# -- any value -----------------------------------------------------------------------------------


def is_storable(value: JsonValue) -> bool:
    """Tell whether every value is of a JSON type, finite, and not nested too deep.

    It checks level by level, because C code then checks all types of a level.
    """
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= STORABLE:
            return False
        if float in kinds and not all(isfinite(item) for item in level if type(item) is float):
            return False
        if dict not in kinds and list not in kinds:
            return True
        deeper: list[JsonValue] = []
        for item in level:
            if type(item) is dict:
                deeper.extend(item.values())
            elif type(item) is list:
                deeper.extend(item)
        level = deeper
    return False


def may_be_laid_out(value: JsonValue, data: bytes) -> bool:
    """Tell whether writing a value can give its file ``data`` again; if not, do not write it.

    A value that is nested 200 levels deep is 200 times as long when it is indented as on a single
    line.
    """
    if len(data) <= _SMALL_BYTES:
        return _PERHAPS_TOO_DEEP not in data
    spaces, depth = 0, 0
    level: list[JsonValue] = [value]
    while level and spaces <= len(data) and depth <= MAX_DEPTH:
        depth += 1
        dicts = [item for item in level if type(item) is dict]
        lists = [item for item in level if type(item) is list]
        spaces += 2 * depth * (sum(map(len, dicts)) + sum(map(len, lists)))
        inner = chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists))
        level = [item for item in inner if type(item) is dict or type(item) is list]
    return spaces <= len(data) and depth <= MAX_DEPTH


def lay_out(value: JsonValue, newline: bytes = b"\n") -> bytes:
    """Return the JSON of a value in orjson's layout, also of a value that orjson refuses.

    orjson writes all parts that it accepts. A JSON string contains no raw newline, so replacing
    newlines indents a part.
    """
    if type(value) is int:
        from decimal import Decimal

        # Decimal has no limit on digits; str(int) stops at 4,300 (CVE-2020-10735).
        return str(value if value.bit_length() < 64 else Decimal(value)).encode()
    if isinstance(value, str):
        return _quoted(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", newline)
    except TypeError:
        inner = newline + b"  "
    if isinstance(value, dict):
        lines = [_quoted(key) + b": " + lay_out(item, inner) for key, item in value.items()]
        return b"{" + inner + (b"," + inner).join(lines) + newline + b"}"
    if isinstance(value, list):
        lines = [lay_out(item, inner) for item in value]
        return b"[" + inner + (b"," + inner).join(lines) + newline + b"]"
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _quoted(text: str) -> bytes:
    # UTF-8 cannot carry lone surrogates. Python's escape for a lone surrogate is that of JSON.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", errors="backslashreplace")


# -- the document --------------------------------------------------------------------------------


def document_of(session: Session, stamps: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the top level in the order of the format; unknown fields keep their places."""
    original, unknown = original_of(session), dict(session.extra)
    spelled = original.times if original else {}
    said = {**session.__dict__, **stamps}  # takes half the time of reading each field
    for instant in INSTANTS:
        if isinstance(value := said[instant], datetime):
            said[instant] = _spelled(value, spelled.get(instant))
    document: dict[str, JsonValue] = {}
    places = _unknown_after(original.keys) if original and unknown else {}
    for name in (None, *SESSION_FIELDS) if places else SESSION_FIELDS:
        # This is ``not _is_empty(value)``, inline because it runs for each field of each turn.
        if name is not None and (
            (value := said[name])
            or name == "messages"
            or not (value is None or value is False or isinstance(value, dict | list))
        ):
            document[name] = value
        for key in places.get(name, ()):
            if key in unknown:
                document[key] = unknown.pop(key)
    return document | unknown


def _spelled(instant: datetime, text: str | None) -> str:
    """Return an instant as text; an unchanged instant keeps its spelling, offset and digits."""
    return text if text and parse_instant(text) == instant else format_instant(instant)


def _is_empty(value: JsonValue) -> bool:
    return value is None or value is False or (isinstance(value, dict | list) and not value)


def _unknown_after(keys: tuple[str, ...]) -> Mapping[str | None, list[str]]:
    """Return the unknown keys by the known key that they follow; None means the beginning."""
    places: dict[str | None, list[str]] = {}
    anchor: str | None = None
    for key in keys:
        if key in SESSION_FIELDS:
            anchor = key
        else:
            places.setdefault(anchor, []).append(key)
    return places


# The fields that ``document_of`` writes for every session.
_ALWAYS = frozenset(
    {"format", "session_id", "created_at", "messages", "status", "last_activity", "updated_at"}
    | {"revision"}
)


def is_as_written(document: Mapping[str, JsonValue], session_id: str) -> bool:
    """Tell whether ``document_of`` returns this document for the session that is read from it."""
    known = {key: value for key, value in document.items() if key in KNOWN}
    return (
        known.keys() >= _ALWAYS
        and known["session_id"] == session_id
        and list(known) == [name for name in SESSION_FIELDS if name in known]
        and known.pop("messages") is not None
        and not any(map(_is_empty, known.values()))
    )


def known_fields(document: Mapping[str, JsonValue], modified_at: datetime) -> dict[str, object]:
    """Return the known fields of a document, with defaults for the times that it lacks."""
    known: dict[str, object] = {
        key: value for key, value in document.items() if key in KNOWN and value is not None
    }
    messages = document.get("messages")
    spoken = [
        instant
        for message in (
            (messages[0], messages[-1]) if isinstance(messages, list) and messages else ()
        )
        if isinstance(message, dict) and (instant := _spoken_at(message))
    ]
    known.setdefault("created_at", spoken[0] if spoken else modified_at)
    known.setdefault(
        "last_activity", known.get("updated_at", spoken[-1] if spoken else modified_at)
    )
    known.setdefault("updated_at", known["last_activity"])
    return known


def _spoken_at(message: Mapping[str, JsonValue]) -> datetime | None:
    spoken = message.get("created_at")
    try:
        return parse_instant(spoken) if isinstance(spoken, str) else None
    except ValueError:
        return None  # the key belongs to the message; its value need not be an instant


# -- the messages in the file: what is needed to add messages ------------------------------------

# Since a JSON string holds no raw newline, a line of two spaces and a quote is a top-level key.
_MESSAGES = b'\n  "messages": ['
_MESSAGES_END = b"\n  ]"
MESSAGE = b"\n    {"
"""How each message begins, and nothing else in a file."""


def messages_end(data: bytes, keys: Sequence[str]) -> int | None:
    """Return where the last message of a file in our layout ends; None if it has no messages.

    Args:
        data: The file.
        keys: Its top-level keys, in order.
    """
    place = keys.index("messages") + 1 if "messages" in keys else len(keys)
    if place == len(keys):
        return None
    end = data.rfind(_MESSAGES_END + b",\n  " + _quoted(keys[place]) + b": ")
    return None if end < 0 else end


def common_end(original: Original | None, data: bytes) -> int | None:
    """Return where the messages of an original end, if ``data`` is the same up to there."""
    if original is None or not original.canonical:
        return None
    end = messages_end(original.data, original.keys)
    # A view: a slice would copy all messages.
    return end if end is not None and data.startswith(memoryview(original.data)[:end]) else None


def messages_begin(data: bytes) -> int:
    """Return where the messages of a file in our layout begin; unknown fields may come before."""
    return max(data.find(_MESSAGES), 0)


def first_message(before: bytes) -> int:
    """Return the place of the first message, see ``places_of_messages``."""
    return len(before) + len(_MESSAGES)


def places_of_messages(data: bytes, start: int = 0) -> list[int]:
    """Return where the part before each message ends; ``data`` ends with the last message.

    That is the comma between two messages or, for the first message, the start of its line.
    """
    places, place = [], data.find(MESSAGE, start)
    while place >= 0:
        places.append(place - data.startswith(b",", place - 1) if place else 0)
        place = data.find(MESSAGE, place + 1)
    return places


def place_of_message(data: bytes, run_id: str, message_id: str) -> int | None:
    """Return the place of the last message with an id in a run, see ``places_of_messages``.

    None if it is not among the whole messages in ``data``, which ends with the last message, or if
    it is the first message of all.
    """
    spelled, end = _quoted(message_id), len(data)
    for place in reversed(places_of_messages(data) if spelled in data else []):
        if data.startswith(b",", place) and spelled in (found := data[place + 1 : end]):
            message = json.loads(found)
            if message.get("id") == message_id and message.get("run_id") == run_id:
                return place
        end = place
    return None


def last_messages_begin(data: bytes, count: int) -> int | None:
    """Return where the last ``count`` messages begin; ``data`` ends with the last message.

    None if ``data`` holds fewer messages.
    """
    place = len(data)
    for _ in range(count):
        place = data.rfind(MESSAGE, 0, place)
        if place < 0:
            return None
    return place


def joined_ends(head: bytes, end: bytes) -> tuple[bytes, bytes] | None:
    """Join two ends to a file; return it and the bytes before its messages; see ``decode_ends``.

    None if the ends are not in our layout, or the head does not reach the messages.
    """
    before, found, _ = head.partition(_MESSAGES)
    if not found or not end.startswith((_MESSAGES_END, MESSAGE)):
        return None
    if end.startswith(MESSAGE):
        return before + _MESSAGES + end, before
    return without_messages(before, end), before


def without_messages(before: bytes, end: bytes) -> bytes:
    """Return a session file without messages, made of the bytes before and after them."""
    return before + _MESSAGES + end[len(_MESSAGES_END) - 1 :]


def added(data: bytes, before: bytes) -> bytes | None:
    """Return the new end of a file after messages are added: all bytes after its last old message.

    Args:
        data: The session of ``decode_ends``, encoded with only the added messages.
        before: The bytes before its messages, as they are in the file.

    Returns:
        None if ``data`` does not begin with ``before``.
    """
    if not data.startswith(before + _MESSAGES):
        return None
    rest = data[len(before + _MESSAGES) :]
    return _MESSAGES_END[:-1] + rest if rest.startswith(b"]") else b"," + rest
