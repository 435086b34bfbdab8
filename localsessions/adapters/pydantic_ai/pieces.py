"""What a user says and a tool returns: pieces of pydantic-ai, blocks of a message. Pure.

A piece is a text, or an object with a ``kind``. What it is as a block::

    "Hi", text-content        {"type": "text", "text": "Hi"}
    image-url, a picture      {"type": "image_url", "image_url": {"url": ...}}
    another file, or its url  {"type": "file", "file": {"file_data": ...}} or {"file_url": ...}
    cache points, uploads     none: nobody else can read them

In an item the pieces are an object by their positions, ``{"0": "Hi", "1": {...}}``: so a remainder
holds of each piece only what its block does not say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from localsessions.transcripts.foreign import as_object, without

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["blocks_of", "by_position", "in_order", "listed", "media_of", "pieces_of", "said_in"]

Object: TypeAlias = "dict[str, JsonValue]"

_SAID = ("text-content", "structured-content")
_URLS = ("image-url", "audio-url", "video-url", "document-url")
_DATA_URL = re.compile(r"data:(.*?);base64,(.*)", re.DOTALL)
_TO_URL_SAFE = str.maketrans("+/", "-_")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def by_position(values: Sequence[JsonValue]) -> Object:
    """Return a list as an object by positions."""
    return {str(position): value for position, value in enumerate(values)}


def in_order(values: JsonValue) -> list[tuple[str, JsonValue]]:
    """Return the positions of such an object and their values, in order."""
    numbered = [(key, value) for key, value in as_object(values).items() if key.isdecimal()]
    return sorted(numbered, key=lambda one: int(one[0]))


def listed(pieces: JsonValue) -> list[JsonValue]:
    """Return pieces as a list; one of which a person took the block is left out."""
    return [piece for _, piece in in_order(pieces) if not _lacks_block(piece)]


# -- as blocks -----------------------------------------------------------------------------------


def blocks_of(pieces: JsonValue) -> list[JsonValue]:
    """Return the blocks of pieces, in order."""
    blocks = (_block(piece) for _, piece in in_order(pieces))
    return [block for block in blocks if block is not None]


def said_in(values: JsonValue) -> bool:
    """Tell whether a value is a list of pieces, and no other JSON."""
    return (
        isinstance(values, list)
        and bool(values)
        and all(isinstance(one, str) or _is_piece(as_object(one)) for one in values)
    )


def _is_piece(fields: Object) -> bool:
    return _block(fields) is not None


def _block(piece: JsonValue) -> JsonValue:
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    fields = as_object(piece)
    kind = fields.get("kind")
    if kind in _SAID and isinstance(fields.get("content"), str):
        return {"type": "text", "text": fields["content"]}
    if kind in _URLS and isinstance(url := fields.get("url"), str):
        is_picture = kind == "image-url"
        return _picture(url) if is_picture else {"type": "file", "file": {"file_url": url}}
    data, media_type = fields.get("data"), fields.get("media_type")
    if kind != "binary" or not isinstance(data, str) or not isinstance(media_type, str):
        return None
    inside = f"data:{media_type};base64,{data.translate(_FROM_URL_SAFE)}"
    is_picture = media_type.startswith("image/")
    return _picture(inside) if is_picture else {"type": "file", "file": {"file_data": inside}}


def _picture(url: str) -> JsonValue:
    return {"type": "image_url", "image_url": {"url": url}}


# -- out of blocks -------------------------------------------------------------------------------


def pieces_of(blocks: Sequence[JsonValue], hints: Object) -> Object:
    """Return pieces by their positions.

    Args:
        blocks: What is said now.
        hints: What is known of the pieces that were said, by position: their kinds, and which of
            them have no block.
    """
    made: Object = {}
    position = 0
    for block in blocks:
        while _is_silent(hints.get(str(position))):
            position += 1
        if (piece := _piece(as_object(block), hints.get(str(position)))) is not None:
            made[str(position)] = piece
            position += 1
    return made


def media_of(block: Object) -> Object | None:
    """Return a picture or another file as pydantic-ai's object, with its kind; None if none."""
    url = _url_of(block)
    return None if url is None else _media(url, is_picture="image_url" in block)


def _url_of(block: Object) -> str | None:
    file, picture = as_object(block.get("file")), as_object(block.get("image_url"))
    urls = (picture.get("url"), file.get("file_url"), file.get("file_data"))
    return next((url for url in urls if isinstance(url, str)), None)


def _media(url: str, *, is_picture: bool) -> Object:
    if inside := _DATA_URL.fullmatch(url):
        media_type, data = inside.groups()
        data = data.translate(_TO_URL_SAFE)
        return {"kind": "binary", "media_type": media_type, "data": data}
    return {"kind": "image-url" if is_picture else "document-url", "url": url}


def _piece(block: Object, hint: JsonValue) -> JsonValue:
    kind = as_object(hint).get("kind")
    if (url := _url_of(block)) is not None:
        if kind in _URLS:  # it stands in the remainder, and so does "binary"
            return {"url": url}
        media = _media(url, is_picture="image_url" in block)
        return without(media, "kind") if media["kind"] == kind else media
    text = block.get("text")
    if not isinstance(text, str):
        return None
    return {"content": text} if kind in _SAID else text


def _is_silent(hint: JsonValue) -> bool:
    kind = as_object(hint).get("kind")
    return isinstance(kind, str) and kind not in (*_SAID, *_URLS, "binary")


def _lacks_block(piece: JsonValue) -> bool:
    fields = as_object(piece)
    return isinstance(piece, dict) and not _is_silent(piece) and _block(fields) is None
