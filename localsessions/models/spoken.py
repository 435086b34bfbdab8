"""What a message says, and what was thought before it was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["KEPT_THOUGHTS", "message_text", "reasoning_text", "reasoning_texts"]

_THOUGHT_PARTS = ("thinking", "redacted_thinking", "reasoning")
KEPT_THOUGHTS = ("reasoning", "reasoning_content", "summary", "thoughts")
"""The keys beside ``content`` under which programs keep reasoning."""


def message_text(message: Mapping[str, JsonValue]) -> str:
    """Return what a message says: its content, or the text parts of its content.

    Tool results and refusals count as text; reasoning, images and tool calls do not.
    """
    return _text_of(message.get("content"), ("text", "content", "output", "refusal"))


def reasoning_text(message: Mapping[str, JsonValue]) -> str:
    """Return what was thought before a message was said, as far as a program keeps it.

    It stands in parts of the content (Anthropic's ``thinking``, a part that Gemini marks as a
    ``thought``) or beside the content (``reasoning``, ``reasoning_content``, ``summary``,
    ``thoughts``).
    """
    return "\n".join(reasoning_texts(message))


def reasoning_texts(message: Mapping[str, JsonValue]) -> list[str]:
    """Return the thoughts that ``reasoning_text`` joins; one that is kept twice is one."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    thoughts: list[JsonValue] = [part for part in parts if _is_thought(part)]
    thoughts += [message[key] for key in KEPT_THOUGHTS if key in message]
    said = message_text(message) if thoughts else ""
    found: list[str] = []
    for thought in thoughts:
        text = _thought(thought)
        if text and text not in said and not any(text in other for other in found):
            found.append(text)
    return found


def _is_thought(part: JsonValue) -> bool:
    if not isinstance(part, dict):
        return False
    return part.get("type") in _THOUGHT_PARTS or part.get("thought") is True


def _thought(value: JsonValue) -> str:
    """Return the text of reasoning; gemini-cli has a subject and a description."""
    if isinstance(value, list):
        return "\n".join(text for part in value if (text := _thought(part)))
    if isinstance(value, dict) and "description" in value:
        return "\n".join(str(value[key]) for key in ("subject", "description") if value.get(key))
    if isinstance(value, dict):
        value = {key: one for key, one in value.items() if key not in ("type", "thought")}
    return _text_of(value, ("text", "thinking", "summary", "content", "output"))


def _text_of(content: JsonValue, keys: tuple[str, ...]) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _text_of(part, keys)))
    if isinstance(content, dict) and not _is_thought(content):
        for key in keys:
            if text := _text_of(content.get(key), keys):
                return text
    return ""
