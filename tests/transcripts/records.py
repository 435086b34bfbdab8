"""Records of programs, and the files with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from pydantic import JsonValue

if TYPE_CHECKING:
    from pathlib import Path

Object: TypeAlias = dict[str, JsonValue]


def written_lines(path: Path, *values: JsonValue) -> Path:
    """Write a file with a line of JSON for each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values), encoding="utf-8")
    return path


def claude_record(kind: str, uuid: str, content: JsonValue, /, **more: JsonValue) -> Object:
    """Return a record of Claude Code."""
    record: Object = {"type": kind, "uuid": uuid, "sessionId": "s1"}
    return record | {"message": {"role": kind, "content": content}} | more
