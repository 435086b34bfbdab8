"""What ``ModelMessagesTypeAdapter`` writes of a message, as an item of the shape, and back. Pure.

What is different in an item::

    "parts": {"0": {...}}     a list, by position
    "untimed": true           the message has no ``timestamp``

    "pieces", "takes"         in a part: a list of texts and files as its content, by position, and
                              how many of them have blocks
    "as": "json"              a content, or arguments, that are no text: they are written as one
    "as": "none"              a call without arguments
    "mute": true              a part that says nothing: speech without a transcript
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.pydantic_ai.pieces import (
    blocks_of,
    by_position,
    in_order,
    listed,
    said_in,
)
from localsessions.format import parse_json
from localsessions.transcripts.foreign import as_list, as_object, json_text, without

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["dump_of", "item_of", "spoken_in"]

Object: TypeAlias = "dict[str, JsonValue]"

_NEEDS = {
    "text": "content",
    "thinking": "content",
    "file": "content",
    "user-prompt": "content",
    "tool-call": "tool_call_id",
    "tool-return": "tool_call_id",
    "retry-feedback": "content",
    "system-prompt": "content",
}
"""Without which field a part is no part any more: a person took it out of the message."""


def item_of(dump: Object) -> Object:
    """Return the item of what the type adapter writes."""
    parts = [_opened(as_object(part)) for part in as_list(dump.get("parts"))]
    item: Object = {**dump, "parts": by_position([*parts])}
    return item if "timestamp" in dump else {**item, "untimed": True}


def dump_of(item: Object) -> Object:
    """Return what the type adapter reads."""
    parts = (_closed(as_object(part)) for _, part in in_order(item.get("parts")))
    return {**without(item, "untimed"), "parts": [part for part in parts if _is_whole(part)]}


def spoken_in(part: Object) -> str | None:
    """Return the text of a part of an item; None if it has none."""
    text = part.get("transcript" if part.get("part_kind") == "speech" else "content")
    return text if isinstance(text, str) else None


def _opened(part: Object) -> Object:
    kind, content = part.get("part_kind"), part.get("content")
    if kind == "tool-call":
        return _textual(part, "args")
    if kind == "speech" and not isinstance(part.get("transcript"), str):
        return {**part, "mute": True}
    if kind not in ("user-prompt", "tool-return", "retry-feedback") or isinstance(content, str):
        return part
    if kind == "user-prompt" or (kind == "tool-return" and said_in(content)):
        pieces = by_position(as_list(content))
        opened: Object = {**without(part, "content"), "pieces": pieces}
        return opened if kind == "tool-return" else {**opened, "takes": len(blocks_of(pieces))}
    return _textual(part, "content")


def _textual(part: Object, name: str) -> Object:
    """Return a part with a text under ``name``, whatever stands there."""
    if isinstance(part.get(name), str):
        return part
    if name not in part:
        return {**part, "as": "none"}
    return {**part, name: json_text(part[name]), "as": "json"}


def _closed(part: Object) -> Object:
    name = "args" if part.get("part_kind") == "tool-call" else "content"
    kept, manner = without(part, "as", "takes", "mute", "pieces"), part.get("as")
    text = part.get(name)
    if manner == "none" and text in ("", None):
        return without(kept, name)
    if manner == "json" and isinstance(text, str):
        return {**kept, name: _parsed(text)}
    if "pieces" in part and name not in part:
        return {**kept, name: [*listed(part["pieces"])]}
    return kept


def _parsed(text: str) -> JsonValue:
    try:
        return parse_json(text.encode(errors="surrogatepass"))
    except ValueError:  # a person's edit: it is a text now
        return text


def _is_whole(part: Object) -> bool:
    return _NEEDS.get(str(part.get("part_kind")), "part_kind") in part
