"""The results of tools of VS Code Copilot Chat, as text and pictures.

``toolCallResults`` has them by the id of the call, ``{content: [{value}, ...]}``. A value is a
text; bytes with a ``mimeType``; or a prompt as its renderer keeps it, a tree of pieces::

    {node: {type: 1, children, ctor, props}}   a piece; ``ctor`` 3 is a picture, in ``props.src``
    {type: 2, text, lineBreakBefore}           a text

(https://github.com/microsoft/vscode-prompt-tsx/blob/main/src/base/jsonTypes.ts). What the pieces
say is kept; how the renderer weighs them is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text
from localsessions.transcripts.programs.blocks import picture_part, text_part

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["result_content"]

_TEXT, _PICTURE = 2, 3
_UNLESS_AFTER_TEXT = 2


def result_content(result: JsonValue) -> JsonValue:
    """Return the content of a result: a text if it has no pictures."""
    listed = as_object(result).get("content")
    parts = [made for block in as_list(listed) for made in _parts(block)]
    if not isinstance(listed, list):
        return result if isinstance(result, str) else listed
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    return [text_part(part) for part in parts]


def _parts(block: JsonValue) -> list[JsonValue]:
    fields = as_object(block)
    value = fields.get("value", block)
    node = as_object(value).get("node")
    if isinstance(node, dict):
        return _pieces(node)
    if isinstance(value, str) and not as_text(fields.get("mimeType")):
        return [value]
    data, media_type = _base64(fields.get("data", value)), as_text(fields.get("mimeType"))
    if data and media_type and media_type.startswith("image/"):
        return [picture_part(data, media_type)]
    return [block]


def _base64(data: JsonValue) -> str | None:
    return as_text(data) or as_text(as_object(data).get("$base64"))


def _pieces(root: Object) -> list[JsonValue]:
    """Return the text of a tree, and its pictures in their places."""
    parts: list[JsonValue] = []
    text = ""
    waiting: list[tuple[JsonValue, bool]] = [(root, False)]
    while waiting:
        node, is_after_text = waiting.pop()
        fields = as_object(node)
        if fields.get("type") == _TEXT:
            breaks = fields.get("lineBreakBefore")
            is_broken = breaks in (True, 1) or (breaks == _UNLESS_AFTER_TEXT and not is_after_text)
            text += "\n" if is_broken and text and not text.endswith("\n") else ""
            text += as_text(fields.get("text")) or ""
        elif picture := _picture(fields):
            parts += [text, picture] if text else [picture]
            text = ""
        children = as_list(fields.get("children"))
        after = [False, *(as_object(child).get("type") == _TEXT for child in children)]
        waiting += reversed([*zip(children, after, strict=False)])
    return [*parts, text] if text or not parts else parts


def _picture(piece: Object) -> JsonValue:
    props = as_object(piece.get("props"))
    src = as_text(props.get("src"))
    if src is None or piece.get("ctor") != _PICTURE:
        return None
    if src.startswith(("data:", "https:", "http:")):
        return {"type": "image_url", "image_url": {"url": src}}
    return picture_part(src, as_text(props.get("mimeType")))
