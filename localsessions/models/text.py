"""What a message says in plain text, and the title and the preview that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from localsessions.models.history import Message

__all__ = ["MADE_TITLE_LENGTH", "made_title_of", "message_text", "preview_of"]

MADE_TITLE_LENGTH = 80
"""How many characters a title has at most that was made of a message."""


def made_title_of(messages: Sequence[Message]) -> str:
    """Return the first words that a user said in some messages, see ``Session.made_title``."""
    for message in messages:
        if message["role"] == "user" and (text := message_text(message)):
            return _shortened(text)
    return ""


def preview_of(messages: Sequence[Message]) -> str:
    """Return the beginning of the last message that has a text, see ``Session.preview``."""
    for message in reversed(messages):
        if text := message_text(message):
            return _shortened(text)
    return ""


def message_text(message: Mapping[str, JsonValue]) -> str:
    """Return what a message says in plain text: its content, or the text parts of its content.

    Reasoning, tool results and refusals count as text; images and tool calls do not.
    """
    return _text_of(message.get("content"))


def _text_of(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _text_of(part)))
    if isinstance(content, dict):
        for key in ("text", "thinking", "content", "output", "refusal"):
            if text := _text_of(content.get(key)):
                return text
    return ""


def _shortened(text: str) -> str:
    line = " ".join(text[: 8 * MADE_TITLE_LENGTH].split())
    return line if len(line) <= MADE_TITLE_LENGTH else line[: MADE_TITLE_LENGTH - 1] + "…"
