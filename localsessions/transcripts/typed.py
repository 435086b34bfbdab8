"""What of the text of a user message a person typed.

Programs put blocks of their own around it: an environment, instructions of a project, what a hook
said. A block is an element whose name no person types, ``<environment_context>...`` up to its end.
Titles are made without them; the messages keep them.
"""

from __future__ import annotations

import re

__all__ = ["typed_words"]

_NAME = r"(?P<name>[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+|INSTRUCTIONS|skill)"
_FIRST = re.compile(rf"(?:# AGENTS\.md instructions[^\n]*\s*)?<{_NAME}(?:\s[^>]*)?>")
_LAST = re.compile(rf"</{_NAME}>\Z")
_REQUEST = "## My request for Codex:"
_HEADINGS = ("# AGENTS.md instructions", "This is the Gemini CLI. We are setting up the context")
"""How texts of programs begin that no element holds."""


def typed_words(text: str) -> str | None:
    """Return the part of a text that a person typed; None if a program wrote all of it."""
    text = _without_last_blocks(_without_first_blocks(text.strip()))
    # An editor puts its open files before the request.
    if _REQUEST in text:
        text = text.partition(_REQUEST)[2].strip()
    return None if not text or text.startswith(_HEADINGS) else text


def _without_first_blocks(text: str) -> str:
    while block := _FIRST.match(text):
        end = f"</{block['name']}>"
        at = text.find(end, block.end())
        if at < 0:
            break
        text = text[at + len(end) :].lstrip()
    return text


def _without_last_blocks(text: str) -> str:
    while end := _LAST.search(text[-200:]):
        at = text.rfind(f"<{end['name']}>")
        if at < 0:
            break
        text = text[:at].rstrip()
    return text
