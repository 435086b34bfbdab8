"""A session <-> its file.

Every value comes back equal, or is refused with its place. orjson silently loses some values (NaN
becomes null, integers beyond 64 bits become floats, the last duplicate key wins). So both
directions prove that nothing is lost: writing checks the type of every value, and reading writes
the parsed document out again and compares it with the file. A file that differs, such as a hand
edit, is parsed again by the standard library with every check on.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from localsessions import models
from localsessions._codec.layout import (
    INSTANTS,
    KNOWN,
    MAX_FILE_BYTES,
    document_of,
    is_as_written,
    is_storable,
    joined_ends,
    known_fields,
    lay_out,
    may_be_laid_out,
)
from localsessions.errors import FormatVersionError, UnreadableSessionError, UnstorableValueError
from localsessions.models import FORMAT, parse_instant
from localsessions.models.standing import Original, original_of, set_extra, stand, version_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Session

__all__ = [
    "as_it_was",
    "decode",
    "decode_ends",
    "decode_value",
    "encode",
    "encode_document",
    "encode_value",
    "inner_id",
    "is_unchanged",
    "parse_json",
    "parse_proven",
    "rebase",
    "revised",
]

_LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
# orjson would write subclasses and dataclasses as their base types, and they would come back so.
_EXACT = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def encode(session: Session, stamps: Mapping[str, JsonValue] | None = None) -> bytes:
    """Return the whole file of a session.

    Args:
        session: The session to write; it is not changed.
        stamps: Top-level fields to write instead of the session's own fields.

    Raises:
        UnstorableValueError: A value would be lost or changed, a value in the session would make
            its file unreadable, or the file would be too large.
        FormatVersionError: The session was read from a file of a newer format.
    """
    return encode_document(session, stamps or {})[0]


def encode_document(
    session: Session, stamps: Mapping[str, JsonValue], *, only_assigns: bool = False
) -> tuple[bytes, dict[str, JsonValue]]:
    """Return the file of a session, see ``encode``, and the top level of its document.

    ``only_assigns`` says that nothing was added to the session's lists and objects since they were
    assigned; then they are not checked again.
    """
    if session.format != FORMAT:
        raise FormatVersionError(session.session_id, session.format, FORMAT)
    document = document_of(session, stamps)
    data = encode_value(document, session_id=session.session_id)
    if not only_assigns:
        _refuse_unreadable(session)
    return data, document


class _Lossy(bytes):
    """A file that orjson could not write, and would not read without loss; see ``Original``."""


def encode_value(value: JsonValue, *, session_id: str | None = None) -> bytes:
    """Return any JSON value in the layout of the session file.

    Raises:
        UnstorableValueError: A part of it would be lost or changed, or the file would be too large.
    """
    data: bytes | None
    try:
        data = orjson.dumps(value, option=_LAYOUT | _EXACT)
    except TypeError:
        data = None
    if data is None or not is_storable(value):
        from localsessions._codec.explaining import refuse_unstorable

        refuse_unstorable(value, session_id)
    if data is None:  # long integers or lone surrogates: both are JSON; all else was refused
        data = _Lossy(lay_out(value) + b"\n")
    if len(data) > MAX_FILE_BYTES:
        raise UnstorableValueError(
            "", f"it takes {len(data)} bytes, the limit is {MAX_FILE_BYTES}", session_id=session_id
        )
    return data


def _refuse_unreadable(session: Session) -> None:
    """Refuse wrong values that were added to lists and objects, where assignment cannot check."""
    if clashes := KNOWN & session.extra.keys():
        clash = min(clashes)
        raise UnstorableValueError(
            f"extra.{clash}", f"set Session.{clash} instead", session_id=session.session_id
        )
    if name := _huge_number(session):
        raise UnstorableValueError(name, _HUGE, session_id=session.session_id)
    from pydantic_core import ValidationError

    try:
        models.Session.model_validate(session.__dict__)
    except ValidationError as error:
        from localsessions._codec.explaining import wrong_types

        wrong = wrong_types(error)[0]
        raise UnstorableValueError(
            wrong.where, wrong.reason, session_id=session.session_id
        ) from None


_HUGE = "the number is too large to be one of seconds or of revisions"


def _huge_number(session: Session) -> str | None:
    """Return the field whose number cannot be printed: Python prints 4,300 digits at most.

    The session's numbers appear in the index and in error messages. A single file must not make
    these fail for all sessions.
    """
    for name in ("ttl", "revision"):
        value = getattr(session, name)
        if isinstance(value, int) and value.bit_length() > 1024:
            return name
    return None


def decode(
    data: bytes,
    *,
    session_id: str,
    modified_at: datetime,
    path: str | None = None,
    proven: bool = False,
) -> Session:
    """Return the session that a file holds; ``session_id`` is the id that its file name gives.

    Absent fields get the format's defaults. Absent times are taken from the messages or, if these
    have none, from ``modified_at``. A newer format is read as far as possible. A file that is
    ``proven``, see ``Original``, is not proven again.

    Raises:
        UnreadableSessionError: The file is not a session; nothing in it is guessed.
    """
    try:
        document, in_layout, is_proven = _parse(data, proven=proven)
        if not isinstance(document, dict):
            from localsessions._codec.explaining import fault_at

            raise fault_at("the file holds JSON, but not an object", data, 0)
        session = _session(document, data, session_id, modified_at)
    except json.JSONDecodeError as fault:
        raise _unreadable(fault, session_id, path) from None
    times = {name: text for name in INSTANTS if isinstance(text := document.get(name), str)}
    canonical = in_layout and is_as_written(document, session_id)
    original = Original(
        data,
        tuple(document),
        times,
        modified_at,
        canonical=canonical,
        proven=canonical and is_proven,
    )
    stand(session, original, None)
    return session


def _session(
    document: dict[str, JsonValue], data: bytes, session_id: str, modified_at: datetime
) -> Session:
    """Return the session of a document that was parsed from ``data``.

    Raises:
        json.JSONDecodeError: A field has a wrong type, or its number is too large.
    """
    from pydantic_core import ValidationError

    known = known_fields(document, modified_at)
    try:
        session = models.Session.model_validate(known | {"session_id": session_id})
    except ValidationError as error:
        from localsessions._codec.explaining import fault_in, wrong_types

        # An absent time is copied from a present time, so both are wrong. The file has only the
        # present time, so that is the field to report.
        raise fault_in(
            data, next(wrong for wrong in wrong_types(error) if wrong.path[0] in document)
        ) from None
    if name := _huge_number(session):
        from localsessions._codec.explaining import Wrong, fault_in

        raise fault_in(data, Wrong((name,), _HUGE))
    set_extra(session, {key: value for key, value in document.items() if key not in KNOWN})
    return session


def decode_value(data: bytes, *, session_id: str, path: str) -> JsonValue:
    """Return the JSON value of a file that is not a session, for example a checkpoint.

    Raises:
        UnreadableSessionError: The file is not JSON, or is ambiguous.
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


def decode_ends(
    head: bytes, end: bytes, *, session_id: str, modified_at: datetime
) -> tuple[Session, bytes] | None:
    """Return a file's session without its earlier messages, and the bytes before all messages.

    Args:
        head: The beginning of the file.
        end: The file from the start of a message on, or from the end of the last message on.
        session_id: The id that the file name gives.
        modified_at: When the file was written.

    Returns:
        None if the ends are not in our layout, or the head does not reach the messages.
    """
    if (joined := joined_ends(head, end)) is None:
        return None
    data, before = joined
    try:
        session = decode(data, session_id=session_id, modified_at=modified_at)
    except UnreadableSessionError:
        return None
    original = original_of(session)
    return (session, before) if original and original.canonical else None


def parse_json(data: bytes) -> JsonValue:
    """Return the exact value of a JSON file: with long integers, lone surrogates and key order.

    Raises:
        json.JSONDecodeError: The file is not JSON (NaN is not) or not UTF-8, has a duplicate key, a
            number that no float can hold or an integer of more than ``MAX_DIGITS`` digits, or is
            nested deeper than ``MAX_DEPTH``.
    """
    return _parse(data).value


class _Parsed(NamedTuple):
    """A file's value, whether the file has orjson's layout, and whether the value is proven."""

    value: JsonValue
    in_layout: bool
    is_proven: bool


def _parse(data: bytes, *, proven: bool = False) -> _Parsed:
    if (found := parse_proven(data, is_proven=proven)) is not None:
        return _Parsed(found, in_layout=True, is_proven=True)
    from localsessions._codec.strict import parse_strictly

    value = parse_strictly(data)
    with contextlib.suppress(TypeError):
        in_layout = may_be_laid_out(value, data) and lay_out(value) + b"\n" == data
        return _Parsed(value, in_layout, is_proven=False)
    return _Parsed(value, in_layout=False, is_proven=False)


def parse_proven(data: bytes, *, is_proven: bool = False) -> JsonValue:
    """Return the value of a file if orjson provably reads it without loss; else None.

    The proof: writing the value again gives the same bytes. With ``is_proven`` this is left out.
    """
    # If writing gives the same bytes, orjson lost nothing: no duplicate key, no integer that became
    # a float. TypeError: the value is nested deeper than orjson can write.
    with contextlib.suppress(orjson.JSONDecodeError, TypeError):
        value: JsonValue = orjson.loads(data)
        if is_proven or (
            may_be_laid_out(value, data) and orjson.dumps(value, option=_LAYOUT) == data
        ):
            return value
    return None


# -- the version on which a session is based -----------------------------------------------------


def inner_id(data: bytes) -> JsonValue:
    """Return the ``session_id`` inside a session file; only the id of the file name counts."""
    document = parse_json(data)
    return document.get("session_id") if isinstance(document, dict) else None


def rebase(
    session: Session,
    data: bytes,
    stamps: Mapping[str, JsonValue],
    document: Mapping[str, JsonValue],
    version: object,
) -> Original:
    """Set a session to the state that was just written, based on that version.

    Args:
        session: The session that was written.
        data: The file, encoded with ``stamps``.
        stamps: The fields that the write set.
        document: The top level of the document in ``data``.
        version: The mark by which an engine recognizes this state of the session.

    Returns:
        The session's new original.
    """
    # Our own values are valid, so validation is skipped: it takes a tenth of a turn's time.
    session.__dict__.update(
        (name, parse_instant(str(value)) if name in INSTANTS else value)
        for name, value in stamps.items()
    )
    times = {name: str(document[name]) for name in INSTANTS if name in document}
    proven = not isinstance(data, _Lossy)
    written_at = session.updated_at  # not used: no time is missing
    original = Original(data, tuple(document), times, written_at, canonical=True, proven=proven)
    stand(session, original, version)
    return original


def as_it_was(session: Session) -> Session:
    """Return a session as it was read or last written, based on no version."""
    original = original_of(session)
    if original is None:
        raise ValueError(f"session {session.session_id!r} was never read")
    return decode(original.data, session_id=session.session_id, modified_at=original.modified_at)


def revised(session: Session, data: bytes) -> Session:
    """Return the session of an edited text, based on the same version as ``session``.

    Unknown fields take their places from the text. Everything else is compared with the version
    that was read.

    Raises:
        UnreadableSessionError: The text is not a session.
    """
    original = original_of(session)
    if original is None:
        raise ValueError(f"session {session.session_id!r} was never read")
    made = decode(data, session_id=session.session_id, modified_at=original.modified_at)
    edited = original_of(made)
    keys = edited.keys if edited else original.keys
    stand(made, original._replace(keys=keys), version_of(session))
    return made


def is_unchanged(
    session: Session, data: bytes, stamps: Mapping[str, JsonValue], original: Original | None
) -> bool:
    """Tell whether ``data``, encoded with ``stamps``, has the content that was read.

    The stamps themselves do not count. For a file in another layout, the content counts.
    """
    if original is None:
        return False
    former = original.data
    if not original.canonical:
        former = encode(as_it_was(session))
    cut = data.rfind(_TAIL)
    return (
        former.rfind(_TAIL) == cut
        and former.startswith(memoryview(data)[:cut])
        and _without(stamps, former[cut:]) == _without(stamps, data[cut:])
    )


# A field that every file has. All fields that a stamp replaces come from here on.
_TAIL = b'\n  "last_activity": '


def _without(stamps: Mapping[str, JsonValue], tail: bytes) -> bytes:
    names = b"|".join(name.encode() for name in stamps)
    return re.sub(rb'\n  "(?:' + names + rb')": [^\n]*', b"", tail)
