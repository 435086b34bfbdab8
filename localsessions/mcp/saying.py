"""What a message says, as one text: its reasoning, its words, its calls.

A text that is handed to a client has no character that is invisible or that steers a terminal:
each is escaped. Such characters can hide an instruction from the person who watches.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from localsessions.models import message_text, reasoning_text
from localsessions.transcripts.foreign import as_object, as_objects
from localsessions.transcripts.pieces import without_data_urls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["safe", "shortened", "texts_of"]

# Control characters except tab and newline, marks of the direction of writing, line separators,
# the "tag" letters that no font shows, and lone surrogates, which no client can be sent.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def safe(text: str) -> str:
    """Return a text with every invisible and every control character escaped."""
    return _UNSAFE.sub(lambda found: _spelled(ord(found.group())), text.replace("\r\n", "\n"))


def shortened(text: str, most: int) -> str:
    """Return the beginning of a text, safe and on one line."""
    line = safe(" ".join(text[: 8 * most].split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def texts_of(message: Message) -> Iterator[str]:
    """Yield what was thought and said in a message, and each call."""
    if thought := reasoning_text(message):
        yield f"[reasoning] {thought}"
    if said := message_text(message):
        yield without_data_urls(said)
    for call in as_objects(message.get("tool_calls")):
        function = as_object(call.get("function")) or call
        yield _call(function.get("name"), function.get("arguments"))
    for part in as_objects(message.get("content")):
        if part.get("type") == "tool_use" and "input" in part:
            yield _call(part.get("name"), part["input"])


def _call(name: JsonValue, arguments: JsonValue) -> str:
    told = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"[calls {name}] {without_data_urls(told)}"


def _spelled(code: int) -> str:
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
