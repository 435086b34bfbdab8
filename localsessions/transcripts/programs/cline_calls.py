"""Calls of Cline and Roo that are XML in the text of the model.

::

    <read_file><path>a.py</path></read_file>       and in the next user message
    [read_file for 'a.py'] Result:  ...

The result names the tool: then its element leaves the text and becomes a call. An element without a
result stays in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text
from localsessions.transcripts.programs.cline_words import result_of

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["called_tools", "parts_of", "text_of", "without_element"]

_OF_CONDENSING = ("isSummary", "isTruncationMarker")
_PARAMETER = re.compile(r"<(?P<name>[A-Za-z_][\w-]*)>(?P<value>.*?)</(?P=name)>", re.DOTALL)


def parts_of(spoken: Object) -> list[JsonValue]:
    """Return the parts of a message of a history; one part if it is a text."""
    content = spoken.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content)


def text_of(part: JsonValue) -> str:
    """Return the text of a part; empty if it has none."""
    return as_text(as_object(part).get("text")) or ""


def called_tools(records: list[Object]) -> list[list[str]]:
    """Return the tools that each message of a history called: those whose results follow.

    Between the two may be a summary or a marker, which the program writes as it condenses.
    """
    tools: list[list[str]] = [[] for _ in records]
    caller: int | None = None
    for at, record in enumerate(records):
        if any(record.get(mark) is True for mark in _OF_CONDENSING):
            continue
        if record.get("role") == "assistant":
            caller = at
        elif caller is not None:
            texts = map(text_of, parts_of(record))
            tools[caller] = [tool for text in texts if (tool := result_of(text))]
            caller = None
    return tools


def without_element(
    parts: list[JsonValue], tool: str, *, is_only: bool
) -> tuple[list[JsonValue], Object]:
    """Return parts without the element that calls a tool, and the arguments in it.

    An element that was cut off stays in the text.
    """
    opening, closing = f"<{tool}>", f"</{tool}>"
    for at, part in enumerate(parts):
        fields = as_object(part)
        text = text_of(part)
        begin = text.find(opening)
        end = text.rfind(closing) if is_only else text.find(closing, max(begin, 0))
        if begin < 0 or end < begin:
            continue
        inside = text[begin + len(opening) : end]
        left = f"{text[:begin].rstrip()}\n\n{text[end + len(closing) :].lstrip()}".strip()
        kept: list[JsonValue] = [{**fields, "text": left}] if left else []
        return [*parts[:at], *kept, *parts[at + 1 :]], _arguments(inside)
    return parts, {}


def _arguments(inside: str) -> Object:
    """Return the parameters in an element; what is no parameter makes the whole one text."""
    arguments: Object = {}
    beside = inside
    for found in _PARAMETER.finditer(inside):
        arguments[found["name"]] = found["value"].strip("\n")
        beside = beside.replace(found[0], "", 1)
    return {"input": inside.strip("\n")} if beside.strip() else arguments
