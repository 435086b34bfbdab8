"""Session <-> bytes: the file format, its fidelity, and why a file cannot be read.

Pure: no disk, no clock, no lock. The shape of the data is ``docs/format.md``: one JSON object,
laid out as ``orjson.dumps(document, option=OPT_INDENT_2 | OPT_APPEND_NEWLINE)`` lays it out.

What goes in comes back equal, or is refused with its place. orjson loses some things in silence
(NaN becomes null, integers beyond 64 bits become floats, the last duplicate key wins), so both
directions prove what they did: writing looks at the type of every value, reading compares the
file with the parsed document written out again. What does not compare equal, a hand edit say, is
parsed once more by the standard library with every check on.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import NamedTuple

import orjson
from pydantic import JsonValue, ValidationError

from localsessions._version import Base, Fingerprint
from localsessions.errors import (
    FormatVersionError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.models import (
    FORMAT,
    Session,
    SessionSummary,
    Unreadable,
    format_instant,
    parse_instant,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_FILE_BYTES",
    "added",
    "common_end",
    "decode",
    "decode_ends",
    "decode_value",
    "encode",
    "encode_document",
    "encode_value",
    "first_message",
    "inner_id",
    "is_as_written",
    "is_unchanged",
    "known_fields",
    "last_messages_begin",
    "messages_end",
    "parse_json",
    "parse_plain",
    "places_of_messages",
    "rebase",
    "summarize",
    "summarize_unreadable",
    "without_messages",
]

MAX_DEPTH = 200
"""Containers inside containers, the document itself counted; the same for writing and reading."""

MAX_DIGITS = 20_000
"""Of an integer. Python takes the square of the digits in time: a million of them half a minute."""

MAX_FILE_BYTES = 1 << 30
"""The largest file that is read or written; a parse takes several times that in memory."""

_LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
# Subclasses and dataclasses would be written as what they extend and come back as that.
_EXACT = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
# An empty container takes no line of its own: what stands in the last level may be one too many.
_PERHAPS_TOO_DEEP = b"\n" + b"  " * MAX_DEPTH
# Below it, what indenting adds is of no account: 400 bytes to each.
_SMALL_BYTES = 1 << 16
_SCALARS = frozenset({str, int, float, bool, type(None)})
_STORABLE = _SCALARS | {dict, list}

_FIELDS = tuple(Session.model_fields)
_KNOWN = frozenset(_FIELDS)
_INSTANTS = ("created_at", "expires_at", "last_activity", "updated_at")


def encode(session: Session, stamps: Mapping[str, JsonValue] | None = None) -> bytes:
    """Return the file of a session, whole.

    Args:
        session: What to write.
        stamps: Top-level fields to write instead of the session's own, which stays as it is.

    Raises:
        UnstorableValueError: A value would be lost or changed, what was put into the session
            would make its file unreadable, or the file would be too large.
        FormatVersionError: The session was read from a file of a newer format.
    """
    return encode_document(session, stamps or {})[0]


def encode_document(
    session: Session, stamps: Mapping[str, JsonValue], *, is_checked: bool = False
) -> tuple[bytes, dict[str, JsonValue]]:
    """Return the file of a session, see ``encode``, and the top level of what it says.

    Where it ``is_checked``, nothing was put into its lists and objects since they were assigned.
    """
    if session.format != FORMAT:
        raise FormatVersionError(session.session_id, session.format, FORMAT)
    document = _document(session, stamps)
    data = encode_value(document, session_id=session.session_id)
    if not is_checked:
        _refuse_unreadable(session)
    return data, document


class _NotPlain(bytes):
    """What orjson could not write, and would not read without loss; see ``Base.plain``."""


def encode_value(value: JsonValue, *, session_id: str | None = None) -> bytes:
    """Return any JSON value in the layout of the session file.

    Raises:
        UnstorableValueError: A part of it would be lost or changed, or it would be too large.
    """
    try:
        data = orjson.dumps(value, option=_LAYOUT | _EXACT)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates are JSON; all else is refused here.
        _refuse_unstorable(value, session_id)
        data = _NotPlain(_lay_out(value) + b"\n")
    else:
        if not _is_storable(value):
            _refuse_unstorable(value, session_id)
    if len(data) > MAX_FILE_BYTES:
        raise UnstorableValueError(
            "", f"it takes {len(data)} bytes, the limit is {MAX_FILE_BYTES}", session_id=session_id
        )
    return data


def _refuse_unreadable(session: Session) -> None:
    """Refuse what was put into the session's lists and objects, where assignment cannot look."""
    if clashes := _KNOWN & session.extra.keys():
        clash = min(clashes)
        raise UnstorableValueError(
            f"extra.{clash}", f"set Session.{clash} instead", session_id=session.session_id
        )
    if name := _huge_number(session):
        raise UnstorableValueError(name, _HUGE, session_id=session.session_id)
    try:
        Session.model_validate(session.__dict__)
    except ValidationError as error:
        path, reason = _wrong_types(error)[0]
        raise UnstorableValueError(
            _joined_all(path), reason, session_id=session.session_id
        ) from None


_HUGE = "the number is too large to be one of seconds or of revisions"


def _huge_number(session: Session) -> str | None:
    """Return the field whose number nobody could print: Python prints no more than 4,300 digits.

    The session's own numbers stand in the index and in messages of errors; one file must not
    make either fail for all.
    """
    for name in ("ttl", "revision"):
        value = getattr(session, name)
        if isinstance(value, int) and value.bit_length() > 1024:
            return name
    return None


def _document(session: Session, stamps: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the top level in the order of the format, unknown fields where they stood."""
    base, unknown = session._base, dict(session.extra)
    spelled = base.times if base else {}
    said = {**session.__dict__, **stamps}  # half the time of asking for each
    for instant in _INSTANTS:
        if isinstance(value := said[instant], datetime):
            said[instant] = _spelled(value, spelled.get(instant))
    document: dict[str, JsonValue] = {}
    places = _unknown_after(base.keys) if base and unknown else {}
    for name in (None, *_FIELDS) if places else _FIELDS:
        if name is not None and (name == "messages" or not _is_empty(said[name])):
            document[name] = said[name]
        for key in places.get(name, ()):
            if key in unknown:
                document[key] = unknown.pop(key)
    return document | unknown


def _spelled(instant: datetime, text: str | None) -> str:
    """Return an instant as text; one that was not changed keeps its spelling, offset and digits."""
    return text if text and parse_instant(text) == instant else format_instant(instant)


def _is_empty(value: JsonValue) -> bool:
    return value is None or value is False or (isinstance(value, dict | list) and not value)


def _unknown_after(keys: tuple[str, ...]) -> Mapping[str | None, list[str]]:
    """Return which unknown keys follow which known one; None stands for the beginning."""
    places: dict[str | None, list[str]] = {}
    anchor: str | None = None
    for key in keys:
        if key in _FIELDS:
            anchor = key
        else:
            places.setdefault(anchor, []).append(key)
    return places


def _is_storable(value: JsonValue) -> bool:
    """Tell whether every value is of a type that JSON has, finite and not too deep.

    Goes level by level, because a level's types are looked at in C.
    """
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= _STORABLE:
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


def _refuse_unstorable(value: JsonValue, session_id: str | None) -> None:
    """Raise with the place of the first value that cannot be stored, if there is one."""
    for where, reason in _faults(value, "", MAX_DEPTH):
        raise UnstorableValueError(where, reason, session_id=session_id)


def _faults(value: object, where: str, depth: int) -> Iterator[tuple[str, str]]:
    if reason := _own_fault(value):
        yield where, reason
    elif isinstance(value, dict | list) and depth == 0:
        yield _start(where), f"it is nested deeper than {MAX_DEPTH} levels"
    elif isinstance(value, dict):
        for key, item in value.items():
            if reason := _own_fault(key) if type(key) is str else _KEY:
                yield f"{where}[{key!r}]", reason
            else:
                yield from _faults(item, _joined(where, key), depth - 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _faults(item, f"{where}[{position}]", depth - 1)


def _own_fault(value: object) -> str | None:
    """Say why a value cannot be stored, whatever it contains."""
    kind = type(value)
    if kind not in _STORABLE:
        return f"{kind.__name__} is no type of JSON{_remedy(value)}"
    if isinstance(value, float) and not isfinite(value):
        return f"JSON has no {value}; store None or a text instead"
    # Looking at the bits first saves making the power of ten for all that are surely small.
    if (
        isinstance(value, int)
        and value.bit_length() > 3 * MAX_DIGITS
        and abs(value) >= 10**MAX_DIGITS
    ):
        return f"it has more than {MAX_DIGITS} digits; store a text instead"
    if isinstance(value, str) and re.search(_HALVES, value):
        return "a surrogate pair in two halves would come back as one character"
    return None


_KEY = "a key must be a text"
# Patterns of what is seldom seen are compiled when they are used, not when this is imported.
_HALVES = "[\ud800-\udbff][\udc00-\udfff]"


def _remedy(value: object) -> str:
    if isinstance(value, tuple | set | frozenset):
        return "; store a list"
    if isinstance(value, datetime):
        return "; store its isoformat()"
    if isinstance(value, bytes | bytearray):
        return "; store a text, base64 perhaps"
    return "; store what it is made of"


def _joined_all(path: Sequence[str | int]) -> str:
    where = ""
    for step in path:
        where = f"{where}[{step}]" if isinstance(step, int) else _joined(where, step)
    return where


def _joined(where: str, key: str) -> str:
    step = key if key.isidentifier() else f"[{key!r}]"
    return f"{where}.{step}" if where and not step.startswith("[") else where + step


def _start(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _lay_out(value: JsonValue, newline: bytes = b"\n") -> bytes:
    """Write what orjson refuses as orjson would; what it takes, it writes.

    A JSON string holds no raw newline, so indenting is replacing newlines.
    """
    if type(value) is int:
        # Decimal has no limit on digits; str(int) stops at 4,300 (CVE-2020-10735).
        return str(value if value.bit_length() < 64 else Decimal(value)).encode()
    if isinstance(value, str):
        return _quoted(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", newline)
    except TypeError:
        inner = newline + b"  "
    if isinstance(value, dict):
        lines = [_quoted(key) + b": " + _lay_out(item, inner) for key, item in value.items()]
        return b"{" + inner + (b"," + inner).join(lines) + newline + b"}"
    if isinstance(value, list):
        lines = [_lay_out(item, inner) for item in value]
        return b"[" + inner + (b"," + inner).join(lines) + newline + b"]"
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _quoted(text: str) -> bytes:
    # What UTF-8 cannot carry is a lone surrogate, and Python's escape of one is JSON's.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", errors="backslashreplace")


def inner_id(session: Session) -> JsonValue:
    """Return the ``session_id`` that a session's file says; the file's name is what counts."""
    document = parse_json(session._base.data) if session._base else None
    return document.get("session_id") if isinstance(document, dict) else None


# -- the ends of a file: what adding a message needs to know of it -------------------------------

# Since a JSON string holds no raw newline, a line of two spaces and a quote is a top-level key.
_MESSAGES = b'\n  "messages": ['
_MESSAGES_END = b"\n  ]"
_MESSAGE = b"\n    {"


def messages_end(data: bytes, keys: Sequence[str]) -> int | None:
    """Return where the last message of a file in our layout ends; None where there are none.

    Args:
        data: The file.
        keys: Its top-level keys, in order.
    """
    place = keys.index("messages") + 1 if "messages" in keys else len(keys)
    if place == len(keys):
        return None
    end = data.rfind(_MESSAGES_END + b",\n  " + _quoted(keys[place]) + b": ")
    return None if end < 0 else end


def common_end(base: Base | None, data: bytes) -> int | None:
    """Return where the messages of a base end, if ``data`` says the same up to there."""
    if base is None or not base.canonical:
        return None
    end = messages_end(base.data, base.keys)
    # A view: a slice would copy all messages.
    return end if end is not None and data.startswith(memoryview(base.data)[:end]) else None


def decode_ends(
    head: bytes, end: bytes, *, session_id: str, fingerprint: Fingerprint
) -> tuple[Session, bytes] | None:
    """Return the session of a file without its earlier messages, and the bytes before them all.

    Args:
        head: The beginning of the file.
        end: The file from the beginning of a message on, or from the end of the last one on.
        session_id: As its name tells.
        fingerprint: Of the file.

    Returns:
        None where the ends are not in our layout, or the head does not reach to the messages.
    """
    before, found, _ = head.partition(_MESSAGES)
    if not found or not end.startswith((_MESSAGES_END, _MESSAGE)):
        return None
    has_messages = end.startswith(_MESSAGE)
    data = before + _MESSAGES + end if has_messages else without_messages(before, end)
    try:
        session = decode(data, session_id=session_id, fingerprint=fingerprint)
    except UnreadableSessionError:
        return None
    return (session, before) if session._base and session._base.canonical else None


def without_messages(before: bytes, end: bytes) -> bytes:
    """Return a session's file without its messages, of what stands before and behind them."""
    return before + _MESSAGES + end[len(_MESSAGES_END) - 1 :]


def messages_begin(data: bytes) -> int:
    """Return where the messages of a file in our layout begin; others' fields may stand before."""
    return max(data.find(_MESSAGES), 0)


def first_message(before: bytes) -> int:
    """Return the place of the first message, see ``places_of_messages``."""
    return len(before) + len(_MESSAGES)


def places_of_messages(data: bytes, start: int = 0) -> list[int]:
    """Return where what is before each message ends, in a part of a file that ends with the last.

    That is the comma between two messages, or the line of the first one.
    """
    places, place = [], data.find(_MESSAGE, start)
    while place >= 0:
        places.append(place - data.startswith(b",", place - 1) if place else 0)
        place = data.find(_MESSAGE, place + 1)
    return places


def last_messages_begin(data: bytes, count: int) -> int | None:
    """Return where the last ``count`` messages begin in a part of a file that ends with the last.

    None where the part does not hold so many.
    """
    place = len(data)
    for _ in range(count):
        place = data.rfind(_MESSAGE, 0, place)
        if place < 0:
            return None
    return place


def added(data: bytes, before: bytes) -> bytes | None:
    """Return what stands behind the last message that a file had before some were added.

    Args:
        data: The session of ``decode_ends``, encoded with the added messages only.
        before: The bytes before its messages, as they are in the file.
    """
    if not data.startswith(before + _MESSAGES):
        return None
    rest = data[len(before + _MESSAGES) :]
    return _MESSAGES_END[:-1] + rest if rest.startswith(b"]") else b"," + rest


def rebase(
    session: Session,
    data: bytes,
    stamps: Mapping[str, JsonValue],
    fingerprint: Fingerprint,
    document: Mapping[str, JsonValue] | None = None,
) -> None:
    """Let a session stand on what was just written of it: ``data``, encoded with ``stamps``.

    ``document`` is its top level, where it is known.
    """
    # They are our own, and right: setting each as a field takes a tenth of a turn's time.
    session.__dict__.update(
        (name, parse_instant(str(value)) if name in _INSTANTS else value)
        for name, value in stamps.items()
    )
    if document is None:
        document = _document(session, stamps)
    times = {name: str(document[name]) for name in _INSTANTS if name in document}
    session._base = Base(
        data,
        fingerprint,
        tuple(document),
        times,
        canonical=True,
        settled=True,
        plain=not isinstance(data, _NotPlain),
    )


def is_unchanged(session: Session, data: bytes, stamps: Mapping[str, JsonValue]) -> bool:
    """Tell whether ``data``, encoded with ``stamps``, says what the session was loaded from.

    The stamps themselves do not count; a file in another layout counts by what it says.
    """
    base = session._base
    if base is None:
        return False
    former = base.data
    if not base.canonical:
        former = encode(decode(former, session_id=session.session_id, fingerprint=base.fingerprint))
    cut = data.rfind(_TAIL)
    return (
        former.rfind(_TAIL) == cut
        and former.startswith(memoryview(data)[:cut])
        and _without(stamps, former[cut:]) == _without(stamps, data[cut:])
    )


# The last of the fields that are always there: whatever a stamp replaces stands from here on.
_TAIL = b'\n  "last_activity": '


def _without(stamps: Mapping[str, JsonValue], tail: bytes) -> bytes:
    names = b"|".join(name.encode() for name in stamps)
    return re.sub(rb'\n  "(?:' + names + rb')": [^\n]*', b"", tail)


def decode(
    data: bytes,
    *,
    session_id: str,
    fingerprint: Fingerprint,
    settled: bool = False,
    path: str | None = None,
    plain: bool = False,
) -> Session:
    """Return the session that a file holds; ``session_id`` is the one that its name tells.

    Fields that are absent get the format's defaults; times that are absent are taken from the
    messages or, at last, from the file. A newer format is read as far as it can be. Of a file that
    is known to be ``plain``, see ``Base``, that is not proven again.

    Raises:
        UnreadableSessionError: The file is no session; nothing of it is guessed.
    """
    try:
        document, in_layout, is_plain = _parse(data, plain=plain)
        if not isinstance(document, dict):
            raise _fault("the file holds JSON, but not an object", data, 0)
        try:
            session = _session(document, session_id, fingerprint.modified_at)
        except ValidationError as error:
            raise _type_fault(error, data, document) from None
        _refuse_huge_number(session, data)
    except json.JSONDecodeError as fault:
        raise _unreadable(fault, session_id, path) from None
    times = {name: text for name in _INSTANTS if isinstance(text := document.get(name), str)}
    canonical = in_layout and is_as_written(document, session_id)
    session._base = Base(
        data,
        fingerprint,
        tuple(document),
        times,
        canonical=canonical,
        settled=settled,
        plain=canonical and is_plain,
    )
    return session


# What ``_document`` writes whatever a session holds.
_ALWAYS = frozenset(
    {"format", "session_id", "created_at", "messages", "status", "last_activity", "updated_at"}
    | {"revision"}
)


def is_as_written(document: Mapping[str, JsonValue], session_id: str) -> bool:
    """Tell whether ``_document`` of the session that was just read gives its document again."""
    known = {key: value for key, value in document.items() if key in _KNOWN}
    return (
        known.keys() >= _ALWAYS
        and known["session_id"] == session_id
        and list(known) == [name for name in _FIELDS if name in known]
        and known.pop("messages") is not None
        and not any(map(_is_empty, known.values()))
    )


def decode_value(data: bytes, *, session_id: str, path: str) -> JsonValue:
    """Return the JSON value of a file that is no session, as a checkpoint.

    Raises:
        UnreadableSessionError: The file is not JSON, or ambiguous.
    """
    try:
        return parse_json(data)
    except json.JSONDecodeError as fault:
        raise _unreadable(fault, session_id, path) from None


def _unreadable(
    fault: json.JSONDecodeError, session_id: str, path: str | None
) -> UnreadableSessionError:
    return UnreadableSessionError(
        session_id, fault.msg, path=path, line=fault.lineno, column=fault.colno
    )


def _session(document: dict[str, JsonValue], session_id: str, modified_at: datetime) -> Session:
    known = known_fields(document, modified_at)
    session = Session.model_validate(known | {"session_id": session_id})
    session._extra = {key: value for key, value in document.items() if key not in _KNOWN}
    return session


def known_fields(document: Mapping[str, JsonValue], modified_at: datetime) -> dict[str, object]:
    """Return the fields of the format that a document has, and the times that it lacks."""
    known: dict[str, object] = {
        key: value for key, value in document.items() if key in _KNOWN and value is not None
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
        return None  # the key is the message's own; it need not be an instant


def _refuse_huge_number(session: Session, data: bytes) -> None:
    if name := _huge_number(session):
        text = data.decode()
        raise json.JSONDecodeError(f"{name}: {_HUGE}", text, _position(text, (name,)))


def _type_fault(
    error: ValidationError, data: bytes, document: Mapping[str, JsonValue]
) -> json.JSONDecodeError:
    """Return the first thing that pydantic found, with its place in the text."""
    # An absent time is made of a present one, and is then as wrong: the file says the present one.
    path, reason = next(fault for fault in _wrong_types(error) if fault[0][0] in document)
    text = data.decode()
    return json.JSONDecodeError(
        f"{_joined_all(path)}: {_start(reason, 200)}", text, _position(text, path)
    )


def _wrong_types(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    """Return all that pydantic found: the path into the session, and what is wrong there."""
    return [
        ((*each["loc"], *context.get("place", ())), context.get("what", each["msg"]))
        for each in error.errors(include_url=False, include_input=False)
        for context in (each.get("ctx", {}),)
    ]


def parse_json(data: bytes) -> JsonValue:
    """Return what a JSON file holds, exactly: long integers, lone surrogates, key order.

    Raises:
        json.JSONDecodeError: It is not JSON (NaN is not), not UTF-8, says a key twice, holds a
            number that no float can hold or an integer of more than ``MAX_DIGITS``, or is nested
            deeper than ``MAX_DEPTH``.
    """
    return _parse(data).value


class _Parsed(NamedTuple):
    """What a file holds, whether it is laid out as orjson would, and whether it is plain too."""

    value: JsonValue
    in_layout: bool
    is_plain: bool


def _parse(data: bytes, *, plain: bool = False) -> _Parsed:
    if (found := parse_plain(data, is_known=plain)) is not None:
        return _Parsed(found, in_layout=True, is_plain=True)
    value = _parse_strictly(data)
    with contextlib.suppress(TypeError):
        in_layout = _may_be_laid_out(value, data) and _lay_out(value) + b"\n" == data
        return _Parsed(value, in_layout, is_plain=False)
    return _Parsed(value, in_layout=False, is_plain=False)


def parse_plain(data: bytes, *, is_known: bool = False) -> JsonValue:
    """Return what a file holds that is laid out as orjson would lay it out; None for any other.

    Of a file that ``is_known`` to be one that is not proven again.
    """
    # A file that equals its own rewriting lost nothing in orjson: no duplicate key, no integer
    # turned float. TypeError: nested deeper than orjson can write.
    with contextlib.suppress(orjson.JSONDecodeError, TypeError):
        value: JsonValue = orjson.loads(data)
        if is_known or (
            _may_be_laid_out(value, data) and orjson.dumps(value, option=_LAYOUT) == data
        ):
            return value
    return None


def _may_be_laid_out(value: JsonValue, data: bytes) -> bool:
    """Tell whether writing a value may give its file again; if not, it is not to be written.

    Indented, what is nested 200 levels deep is 200 times as long as it was on one line.
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


def _parse_strictly(data: bytes) -> JsonValue:
    _refuse_what_is_no_text(data)
    text = data.decode()
    try:
        value, is_doubtful = _loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise _fault("the file ends in the middle, as after a torn write", data, None) from None
        raise
    except RecursionError:
        if (fault := _first_doubt(text)) is None:
            raise  # the caller's own calls are nested so deep that no room is left
        raise fault from None
    if (is_doubtful or not _is_storable(value)) and (fault := _first_doubt(text)):
        raise fault
    return value


def _loads(text: str) -> tuple[JsonValue, bool]:
    """Return the value, and whether the text says something that the value does not."""
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


# What no setting of the interpreter can forbid int(str): sys.set_int_max_str_digits.
_DIGITS_AT_ONCE = 640


def _joined_digits(token: str) -> int:
    """Return the integer of a text by halves: int(str) has a limit, and takes twice as long."""
    if token.startswith("-"):
        return -_joined_digits(token[1:])
    if len(token) <= _DIGITS_AT_ONCE:
        return int(token)
    low = len(token) // 2
    scale: int = 10**low
    return _joined_digits(token[:-low]) * scale + _joined_digits(token[-low:])


def _refuse_what_is_no_text(data: bytes) -> None:
    if not data.strip():
        raise _fault("the file is empty", data, 0)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or re.match(_UTF16, data):
        raise _fault("the file is UTF-16; save it as UTF-8", data, 0)
    if data.startswith(b"\xef\xbb\xbf"):
        raise _fault(
            "the file begins with a byte order mark; save it as UTF-8 without one", data, 0
        )
    if (nul := data.find(b"\0")) >= 0:
        raise _fault("NUL bytes, as after a crash that lost the end of the file", data, nul)
    if marker := re.search(_CONFLICT, data):
        raise _fault("merge conflict markers; resolve the conflict", data, marker.start())
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise _fault("the file is not UTF-8", data, error.start) from None


_UTF16 = rb"(\0[^\0]){2}|([^\0]\0){2}"
# Raw newlines stand between tokens only, so no JSON text has a line that begins like this.
_CONFLICT = rb"(?m)^(<{7}|={7}|>{7}|\|{7})( |\r?$)"


def _fault(reason: str, data: bytes, position: int | None) -> json.JSONDecodeError:
    """Return the error for a place given in bytes; None stands for the end."""
    before = data[:position].decode(errors="replace")
    return json.JSONDecodeError(reason, before, len(before))


_TOKEN = r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+'


def _tokens(text: str) -> Iterator[tuple[int, str, list[str | int], bool]]:
    """Yield each token of a JSON text: its place, itself, its path, whether it is a key.

    The path is the walker's own list: copy what you keep.
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


def _first_doubt(text: str) -> json.JSONDecodeError | None:
    """Return the first place where a text that parses does not say one thing only."""
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


def _position(text: str, path: Sequence[str | int]) -> int:
    """Return where the value at ``path`` begins, or that of the nearest one around it."""
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


def summarize(session: Session, size_bytes: int) -> SessionSummary:
    """Return the line of a listing for a session whose file has ``size_bytes``."""
    return SessionSummary(
        session_id=session.session_id,
        title=session.title or session.made_title,
        user_id=session.user_id,
        agent_id=session.agent_id,
        current_agent=session.current_agent,
        status=session.status,
        pinned=session.pinned,
        tags=tuple(session.tags),
        created_at=session.created_at,
        last_activity=session.last_activity,
        updated_at=session.updated_at,
        expires_at=session.expires_at,
        message_count=len(session.messages),
        size_bytes=size_bytes,
        revision=session.revision,
        preview=session.preview,
    )


def summarize_unreadable(
    error: UnreadableSessionError, session_id: str, fingerprint: Fingerprint
) -> SessionSummary:
    """Return the line of a listing for a file that is no session."""
    modified_at = fingerprint.modified_at
    return SessionSummary(
        session_id=session_id,
        status="unreadable",
        created_at=modified_at,
        last_activity=modified_at,
        updated_at=modified_at,
        size_bytes=fingerprint.size_bytes,
        unreadable=Unreadable(reason=error.reason, line=error.line, column=error.column),
    )
