"""The session that can be recovered from a broken file, and the id that it gets. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import NamedTuple

from pydantic import JsonValue

from localsessions._codec import decode, parse_json
from localsessions._codec.names import is_session_id
from localsessions._codec.salvage import salvage
from localsessions._local.files import SessionFolder
from localsessions._local.version import Fingerprint
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import FORMAT, Session

__all__ = ["Recovery", "recovery_of"]

# The fields in which a new session differs in any case.
_OWN = frozenset({"session_id", "updated_at", "revision"})


class Recovery(NamedTuple):
    """What is left of a torn session, under its new id; ``is_done``: it is stored already."""

    session: Session
    is_done: bool


def recovery_of(folder: SessionFolder, session_id: str) -> Recovery | None:
    """Return what can be recovered of an unreadable file; None when nothing can.

    That is the whole part of the file or, if that has fewer messages, the copy of its last good
    version. It is done if an earlier recovered session begins with the same messages: a user
    who went on with that session does not get another.
    """
    # A session without timestamps gets those of the file.
    fingerprint = folder.fingerprint(session_id)
    if fingerprint is None:
        return None
    versions = (_whole_part(folder, session_id), folder.kept.read(session_id))
    found = [one for data in versions if (one := _decoded(data, session_id, fingerprint))]
    if not found:
        return None
    session, data = max(found, key=lambda one: len(one[0].messages))
    document = _object(data)
    for new_id in _new_ids(session_id):
        if folder.fingerprint(new_id) is None or _holds(_document(folder, new_id), document):
            session.session_id = new_id
            return Recovery(session, folder.fingerprint(new_id) is not None)
    return None


def _whole_part(folder: SessionFolder, session_id: str) -> bytes | None:
    try:
        return salvage(folder.read(session_id).data)
    except (SessionNotFoundError, UnreadableSessionError):
        return None


def _decoded(
    data: bytes | None, session_id: str, fingerprint: Fingerprint
) -> tuple[Session, bytes] | None:
    if data is None:
        return None
    try:
        session = decode(data, session_id=session_id, modified_at=fingerprint.modified_at)
    except UnreadableSessionError:
        return None
    return (session, data) if session.format == FORMAT else None


def _new_ids(session_id: str) -> Iterator[str]:
    """Yield ids for the recovered session, until an id would be too long."""
    for number in count(1):
        new_id = f"{session_id}-recovered" + (f"-{number}" if number > 1 else "")
        if not is_session_id(new_id):
            return
        yield new_id


def _document(folder: SessionFolder, session_id: str) -> Mapping[str, JsonValue]:
    try:
        return _object(folder.read(session_id).data)
    except (SessionNotFoundError, UnreadableSessionError, json.JSONDecodeError):
        return {}  # an unreadable file with that name holds nothing of this session


def _object(data: bytes) -> Mapping[str, JsonValue]:
    document = parse_json(data)
    return document if isinstance(document, dict) else {}


def _holds(document: Mapping[str, JsonValue], recovered: Mapping[str, JsonValue]) -> bool:
    messages, wanted = document.get("messages"), recovered.get("messages")
    if isinstance(messages, list) and isinstance(wanted, list) and wanted:
        return messages[: len(wanted)] == wanted
    return all(document.get(name) == recovered[name] for name in recovered.keys() - _OWN)
