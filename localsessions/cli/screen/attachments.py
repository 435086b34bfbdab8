"""What stands in a message and is no text: images, sounds, documents; what a person sees of one.

An attachment holds its data in base64, or an address where it is, in the shapes of OpenAI,
Anthropic, Gemini and MCP. Nothing here raises on any JSON.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from localsessions.cli.screen.safe import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

__all__ = ["Attachment", "attachment_of"]

_DATA_ADDRESS = re.compile(r"data:([^,;\s]{0,200})[^,]{0,200},", re.ASCII)
_KINDS = {
    **dict.fromkeys(("image_url", "input_image", "image"), "image"),
    **dict.fromkeys(("input_audio", "audio", "audio_url"), "audio"),
    **dict.fromkeys(("video", "video_url"), "video"),
    **dict.fromkeys(("document", "file", "input_file", "resource", "image_asset_pointer"), "file"),
}
_LONGEST_ADDRESS = 2_000


class Attachment(NamedTuple):
    """Something in a message that is no text.

    Attributes:
        kind: "image", "audio", "video" or "file".
        media_type: As "image/png"; empty if that is not told. Any text: the session says it.
        data: Its bytes in base64; None if it is elsewhere.
        address: Where it is, or its name; any text.
    """

    kind: str
    media_type: str = ""
    data: str | None = None
    address: str = ""

    @property
    def said(self) -> str:
        """What a person sees of it, on one line: ``[image image/png, 20 kB]``."""
        facts = [self.media_type] if self.media_type else []
        if self.data is not None:
            facts.append(_size(len(self.data.rstrip("=")) * 3 // 4))
        if self.address:
            facts.append(self.address[:_LONGEST_ADDRESS])
        return one_line(f"[{' '.join([self.kind, ', '.join(facts)]).strip()}]")

    def content(self) -> bytes | None:
        """Return its bytes; None if it has none, or if they are no base64."""
        if not self.data:
            return None
        try:
            text = "".join(self.data.split()).translate(_URL_SAFE)
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None


_URL_SAFE = str.maketrans("-_", "+/")


def _size(count: int) -> str:
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def attachment_of(part: Mapping[str, JsonValue]) -> Attachment | None:
    """Return what a part of a content holds beside text; None if it is something else."""
    for key in ("inlineData", "inline_data", "fileData", "file_data"):  # Gemini's
        if isinstance(inline := part.get(key), dict):
            return _found("file", inline)
    kind = _KINDS.get(str(part.get("type")))
    if kind is None or _is_text(part):
        return None
    inside = [part.get(key) for key in (str(part["type"]), "image_url", "source", "file")]
    fields = next((one for one in inside if isinstance(one, dict)), part)
    return _found(kind, fields if fields is part else {**_named(part), **fields})


def _is_text(part: Mapping[str, JsonValue]) -> bool:
    """Tell whether a document holds what it says as text, and no data."""
    source = part.get("source")
    if isinstance(source, dict):
        return source.get("type") in ("text", "content")
    return any(isinstance(part.get(key), str | list) for key in ("text", "content"))


def _named(part: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: part[key] for key in ("title", "filename", "name") if key in part}


def _found(kind: str, fields: Mapping[str, JsonValue]) -> Attachment:
    media_type = _first(fields, "media_type", "mimeType", "mime_type", "mime")
    data = _first(fields, "data", "blob", "file_data")
    if "format" in fields and not media_type and kind != "file":
        media_type = f"{kind}/{_first(fields, 'format')}"
    address = _first(fields, *_ADDRESSES)
    if not data and _DATA_ADDRESS.match(address):
        data, address = address, ""
    if head := _DATA_ADDRESS.match(data):
        media_type, data = media_type or head[1], data[head.end() :]
    if kind == "file" and (own := media_type.partition("/")[0]) in ("image", "audio", "video"):
        kind = own
    return Attachment(kind, media_type, data or None, address)


_ADDRESSES = (
    *("url", "image_url", "audio_url", "video_url", "fileUri", "file_uri", "uri", "asset_pointer"),
    *("file_url", "file_id", "filename", "title", "name", "path"),
)


def _first(fields: Mapping[str, JsonValue], *keys: str) -> str:
    return next((one for key in keys if isinstance(one := fields.get(key), str) and one), "")
