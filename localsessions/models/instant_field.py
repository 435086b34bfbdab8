"""Instant: a field of a model that holds an aware datetime in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from localsessions.models.instants import format_instant, in_utc, parse_instant
from localsessions.models.wrong_type import wrong_type

__all__ = ["Instant"]


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        return parse_instant(value)
    if not isinstance(value, datetime):
        raise wrong_type("must be an ISO 8601 text or an aware datetime")
    if value.tzinfo is None:
        raise wrong_type("must be an aware datetime, as in datetime.now(UTC)")
    return in_utc(value)


Instant: TypeAlias = Annotated[
    datetime,
    PlainValidator(_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
