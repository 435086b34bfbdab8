"""The records that Claude Code writes, and how to tell who wrote a file of them.

Nothing here makes a message. Other programs write the same records: Qwen Code with Gemini's
``parts`` inside, iFlow with session ids that begin with ``session-`` and Gemini's
``functionResponse`` as the content of a result. No program documents them; what is known comes
from files, and from https://github.com/kenn-io/agentsview (``docs/internal``) and
https://github.com/bbingz/engram (``docs``), which describe what they observed.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_object, as_objects, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

__all__ = ["SPEAKERS", "first_text", "is_claude", "is_of_iflow", "kind_of", "parts_of"]

SPEAKERS = ("user", "assistant")
_LOOKED_AT = 100
_IFLOW_SESSION = re.compile(r"session-[0-9a-f]{8}-")


def kind_of(record: Object) -> str:
    """Return the type of a record, as it is counted."""
    return as_text(record.get("type")) or "(no type)"


def parts_of(record: Object) -> list[Object]:
    """Return the content blocks of a record that speaks; empty if its content is a text."""
    return as_objects(as_object(record.get("message")).get("content"))


def first_text(objects: Iterable[Object], key: str) -> str | None:
    """Return the first text that one of the objects has under a key."""
    return next((text for item in objects if (text := as_text(item.get(key)))), None)


def is_claude(record: Object) -> bool:
    """Tell whether Claude Code wrote a record; False for those that several programs write."""
    kind = record.get("type")
    if kind in SPEAKERS:
        return _speaks(record) and not _is_iflow(record)
    if kind == "queue-operation":
        return "sessionId" in record and "operation" in record
    if kind == "system":
        return "sessionId" in record and record.get("subtype") == "local_command"
    return (kind == "summary" and "leafUuid" in record) or kind == "file-history-snapshot"


def _is_iflow(record: Object) -> bool:
    """Tell whether iFlow wrote a record."""
    session_id = as_text(record.get("sessionId")) or ""
    return _speaks(record) and (
        _IFLOW_SESSION.match(session_id) is not None
        or any(_is_gemini_result(part.get("content")) for part in parts_of(record))
    )


def is_of_iflow(records: Iterable[Object]) -> bool:
    """Tell whether iFlow wrote a transcript; the first records that speak say it.

    A bound, since a transcript of Claude Code may have tens of thousands.
    """
    return any(map(_is_iflow, islice(filter(_speaks, records), _LOOKED_AT)))


def _speaks(record: Object) -> bool:
    return (
        record.get("type") in SPEAKERS
        and "sessionId" in record
        and "uuid" in record
        and "content" in as_object(record.get("message"))
    )


def _is_gemini_result(content: JsonValue) -> bool:
    result = as_object(content)
    return "functionResponse" in (as_object(result.get("responseParts")) or result)
