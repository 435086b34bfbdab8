"""The one form of ``--json``: an envelope with items; see docs/command-line.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from localsessions.cli.screen.streams import emit_escaped
from localsessions.format import encode_value
from localsessions.models import format_instant

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["emit_json", "emit_json_line"]


def emit_json(items: Sequence[object], **more: object) -> None:
    """Write a JSON document in UTF-8, the envelope of every command; see docs/command-line.md.

    Args:
        items: What the command is about; the fields of models by their names.
        **more: What the envelope says beside them.
    """
    emit_escaped(encode_value(_envelope(items, more)).decode())


def emit_json_line(item: object) -> None:
    """Write an envelope with one item, on one line of many."""
    told = json.dumps(_envelope([item], {}), ensure_ascii=False, separators=(",", ":"))
    emit_escaped(f"{told}\n")


def _envelope(items: Sequence[object], more: Mapping[str, object]) -> JsonValue:
    command = click.get_current_context().info_name
    return _plain({"version": _ENVELOPE, "command": command, "items": items, **more})


_ENVELOPE = 1


def _plain(value: object) -> JsonValue:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, datetime):
        return format_instant(value)
    if names := getattr(type(value), "model_fields", None):  # of a pydantic model
        return {name: _plain(getattr(value, name)) for name in names}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise AssertionError(value)
