"""What SessionManager returns and accepts: models, limits, and JSON with datetimes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

from localsessions.errors import UnstorableValueError
from localsessions.format import MAX_DEPTH
from localsessions.models import expiry_of, format_instant, parse_instant, utc_now

__all__ = [
    "Checkpoint",
    "Session",
    "object_of",
    "refuse_blank",
    "refuse_limits",
    "refuse_no_text",
    "settable",
]

_FIXED = {
    "user_id": "a session stays its user's; create another one for another user",
    "created_at": "it says when the session was made, and stays",
    "expires_at": "refresh_session() moves it",
}

# Tests limit the cost of an import, and half of the programs never create such a model.
_AT_FIRST_USE = ConfigDict(defer_build=True)
_UTCInstant = Annotated[
    datetime,
    # Aware, like all instants of the library; without an offset it means UTC, as in files.
    AfterValidator(lambda instant: parse_instant(instant.isoformat())),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
]


class Session(BaseModel):
    """What a manager returns of a session: a copy of six fields of its document.

    A change to it changes nothing that is stored. If another program created the session without a
    user or an agent, that field is an empty text, which ``create_session`` would refuse.
    ``expires_at`` is None for a session that never expires. Times are aware, in UTC.
    """

    model_config = _AT_FIRST_USE

    session_id: str
    user_id: str
    agent_id: str
    created_at: _UTCInstant
    expires_at: _UTCInstant | None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Checkpoint(BaseModel):
    """An immutable snapshot of anything that a program wants to return to."""

    model_config = _AT_FIRST_USE

    checkpoint_id: str
    session_id: str
    data: dict[str, Any]
    created_at: _UTCInstant


def refuse_limits(ttl: object, max_sessions: object) -> None:
    """Refuse limits that no manager can have.

    Raises:
        TypeError: A limit is not a number.
        ValueError: A limit is out of its range.
    """
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        raise TypeError(f"ttl must be a number of seconds, not {ttl!r}")
    if isinstance(ttl, float) and math.isnan(ttl):
        raise ValueError("ttl must be a number of seconds, not NaN")
    expiry_of(utc_now(), ttl)
    if max_sessions is None:
        return
    if isinstance(max_sessions, bool) or not isinstance(max_sessions, int):
        raise TypeError(f"max_sessions must be an int, not {max_sessions!r}")
    if max_sessions < 0:
        raise ValueError(f"max_sessions must be 0 or more, not {max_sessions}")


def refuse_no_text(name: str, value: object) -> None:
    """Raise ``ValueError``, as this interface does, if not a text: None would mean any user."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, not {value!r}")  # noqa: TRY004  (as documented)


def refuse_blank(name: str, value: object) -> None:
    """Raise ``ValueError`` for a value that is not a text, or that holds only spaces."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not blank, not {value!r}")


def settable(updates: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return what ``update_session`` sets, as it is stored.

    Raises:
        ValueError: A field is unknown or cannot be set, or a value has another type.
    """
    fields: dict[str, JsonValue] = {}
    for name, value in updates.items():
        if name == "metadata":
            fields[name] = object_of(name, value)
        elif name == "agent_id":
            refuse_blank(name, value)
            fields[name] = str(value)
        else:
            why = _FIXED.get(name, "a session has no such field; metadata takes any key")
            raise ValueError(f"update_session() sets metadata and agent_id, not {name}: {why}")
    return fields


def object_of(name: str, value: object) -> dict[str, JsonValue]:
    """Return a copy of a dict, each datetime in it as ISO 8601 text.

    Raises:
        ValueError: It is not a dict, or is nested too deep.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")  # noqa: TRY004
    return {key: _storable(item, name, MAX_DEPTH) for key, item in value.items()}


def _storable(value: Any, name: str, depth: int) -> JsonValue:
    """Return a value with datetimes as text; the store refuses everything else that is not JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    kind = type(value)
    if kind is not dict and kind is not list:
        return value  # type: ignore[no-any-return]
    if depth == 0:
        raise UnstorableValueError(name, f"it is nested deeper than {MAX_DEPTH} levels")
    if kind is dict:
        return {key: _storable(item, name, depth - 1) for key, item in value.items()}
    return [_storable(item, name, depth - 1) for item in value]
