"""The pieces of a content: texts, pictures and other objects, in the shapes that programs have.

A content is a text, an object, or a list of both; objects may hold contents themselves. Nothing
here raises on any JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from localsessions.models import message_text, reasoning_text
from localsessions.transcripts.foreign import as_object, as_objects, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = [
    "Picture",
    "is_result",
    "picture_of",
    "pieces_of",
    "shortened",
    "thoughts_beside",
    "without_data_urls",
]

_REASONING = ("reasoning", "reasoning_content", "summary", "thoughts")
_LONGEST = 2000
"""How many characters of data are shown whole."""
# Of base64 and its kin: no word is that long. Its lines may have 60, 64 or 76 characters.
_DATA = re.compile(r"(?:data:[^,\s]{0,200},)?[A-Za-z0-9+/=_-]{60}")
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=_-]{2000,}")
_MEDIA_TYPE = re.compile(r"data:([\w.+-]+/[\w.+-]+)")


class Picture(NamedTuple):
    """A picture in a content.

    Attributes:
        url: Where it is; a data URL, if it is in the content itself.
        media_type: Its type, as "image/png"; "image" if that is not told.
    """

    url: str
    media_type: str

    @property
    def said(self) -> str:
        """The type of the picture, and how large or where it is."""
        if self.url.startswith("data:"):
            return f"{self.media_type}, {len(self.url.partition(',')[2]) * 3 // 4} bytes"
        return f"{self.media_type}, {self.url}"


def is_result(part: JsonValue) -> bool:
    """Tell whether a part of a content is the result of a tool."""
    return as_object(part).get("type") == "tool_result"


def pieces_of(content: JsonValue) -> Iterator[JsonValue]:
    """Yield the texts of a content, and each value in it that is no text, in order."""
    fields = as_object(content)
    inside = fields.get("content", fields.get("output"))
    if isinstance(content, list):
        for part in content:
            yield from pieces_of(part)
    elif isinstance(text := fields.get("text"), str):
        yield text
    elif isinstance(refusal := fields.get("refusal"), str):
        yield refusal
    elif isinstance(inside, str | list):
        yield from pieces_of(inside)
    elif content is not None:
        yield content


def thoughts_beside(message: Message) -> Iterator[str]:
    """Yield the reasoning that a program keeps beside the content, if it is not in it too."""
    inside = reasoning_text({"content": message.get("content")})
    for key in _REASONING:
        text = _thought(message.get(key))
        if text and text not in f"{message_text(message)}\n{inside}":
            yield text


def _thought(value: JsonValue) -> str:
    thoughts = [
        f"{thought.get('subject')}: {thought.get('description')}"
        for thought in as_objects(value)
        if "description" in thought
    ]
    return "\n".join(thoughts) or reasoning_text({"reasoning": value})


def picture_of(piece: JsonValue) -> Picture | None:
    """Return the picture that a piece is: of Anthropic's, OpenAI's, Gemini's or MCP's shape."""
    fields = as_object(piece)
    kind = as_text(fields.get("type")) or ""
    if kind in ("image_url", "input_image"):
        url = fields.get("image_url")
        return _at(as_text(as_object(url).get("url")) or as_text(url))
    if kind == "image":
        source = as_object(fields.get("source")) or fields
        media_type = as_text(source.get("media_type")) or as_text(source.get("mimeType"))
        data = as_text(source.get("data"))
        return _inside(media_type, data) if data else _at(as_text(source.get("url")))
    inline = as_object(fields.get("inlineData", fields.get("inline_data")))
    media_type = as_text(inline.get("mimeType", inline.get("mime_type"))) or ""
    return _inside(media_type, as_text(inline.get("data"))) if "image/" in media_type else None


def _at(url: str | None) -> Picture | None:
    if url is None:
        return None
    found = _MEDIA_TYPE.match(url)
    return Picture(url, found.group(1) if found else "image")


def _inside(media_type: str | None, data: str | None) -> Picture | None:
    if data is None:
        return None
    return Picture(f"data:{media_type or 'image'};base64,{data}", media_type or "image")


def shortened(value: JsonValue) -> JsonValue:
    """Cut in a value what no person reads, for example an image in base64; its length stays."""
    if isinstance(value, str):
        is_data = len(value) > _LONGEST and _DATA.match(value)
        return _cut(value) if is_data else value
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return value


def without_data_urls(text: str) -> str:
    """Cut the long data URLs in a text; type and length stay."""
    return _DATA_URL.sub(lambda found: _cut(found.group()), text)


def _cut(data: str) -> str:
    return f"{data[:80]}… ({len(data)} characters)"
