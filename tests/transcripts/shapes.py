"""JSON of a shape: as a source, and with another value anywhere in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from localsessions.transcripts.lines import Record
from localsessions.transcripts.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

Place: TypeAlias = tuple[str | int, ...]


def source_of(value: JsonValue) -> Source:
    listed = value if isinstance(value, list) else [value]
    records = tuple(
        Record(line, item) for line, item in enumerate(listed, 1) if isinstance(item, dict)
    )
    return Source("x.json", datetime(2026, 1, 1, tzinfo=UTC), value, records)


def places(value: JsonValue) -> Iterator[Place]:
    """Yield the path of every value inside a value."""
    yield ()
    items: list[tuple[str | int, JsonValue]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for step, item in items:
        yield from ((step, *rest) for rest in places(item))


def replaced(value: JsonValue, place: Place, by: JsonValue) -> JsonValue:
    """Return a value with another one at a path."""
    if not place:
        return by
    step, *rest = place
    if isinstance(value, dict):
        return value | {str(step): replaced(value[str(step)], tuple(rest), by)}
    assert isinstance(value, list)
    return [
        replaced(item, tuple(rest), by) if at == step else item for at, item in enumerate(value)
    ]
