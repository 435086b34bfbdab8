"""What of a text of Cline or Roo a person typed, and what the program wrote around it.

The program puts what a person typed into an element, and writes the rest of a user message itself:
results of tools that are called in XML, the state of the editor, errors of its own
(https://github.com/cline/cline/blob/main/src/core/prompts/responses.ts).
"""

from __future__ import annotations

import re

from localsessions.transcripts.typed import typed_words

__all__ = ["is_of_program", "is_typed", "person_words", "result_of"]

_RESULT = re.compile(r"\A\s*\[(?P<tool>[a-z][a-z0-9_]*)\b.*?\] Result:\s*", re.DOTALL)
_LEAD = r"\s*(?:(?:The user|New |Task |You |\[TASK)[^<]*)?"
_TYPED = re.compile(
    rf"{_LEAD}<(?P<name>task|feedback|answer|user_message|user_input)(?:\s[^>]*)?>\s*"
    r"(?P<said>.*?)\s*</(?P=name)>",
    re.DOTALL,
)
_NOTICE = re.compile(r"<mode_notice(?:\s[^>]*)?>.*?</mode_notice>", re.DOTALL)
_OWN = ("[ERROR]", "[TASK RESUMPTION]", "<environment_details>", "<SYSTEM_NOTICE>")


def person_words(text: str) -> str | None:
    """Return what a person typed of the text of a user message; None if no person did."""
    if found := _typed(text):
        return _NOTICE.sub("", found["said"]).strip() or None
    return None if is_of_program(text) or _RESULT.match(text) else typed_words(text)


def is_typed(text: str) -> bool:
    """Tell whether a text is the words of a person, in an element, perhaps about a result.

    The element begins the text, or follows a line of the program: a file that a tool has read may
    hold such an element too.
    """
    return _typed(text) is not None


def _typed(text: str) -> re.Match[str] | None:
    result = _RESULT.match(text)
    return _TYPED.match(text, result.end() if result else 0)


def is_of_program(text: str) -> bool:
    """Tell whether the program wrote a whole part of a user message."""
    return text.lstrip().startswith(_OWN) and not is_typed(text)


def result_of(text: str) -> str | None:
    """Return the name of the tool whose result a text begins; None if it is words of a person."""
    found = None if is_typed(text) else _RESULT.match(text)
    return found["tool"] if found else None
