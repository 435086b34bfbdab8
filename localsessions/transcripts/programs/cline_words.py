"""What of a text of Cline or Roo a person typed, and what the program wrote around it.

The program puts what a person typed into an element, and writes the rest of a user message itself:
results of tools that are called in XML, the state of the editor, errors of its own
(https://github.com/cline/cline/blob/main/src/core/prompts/responses.ts).

It also rewrites what was typed. A mention, ``@/a.py``, becomes ``'a.py' (see below for file
content)``, with the content at the end. Cline takes a command, ``/newtask``, out of the text, and
puts ``<explicit_instructions type="new_task">`` before it; Roo writes a command like a mention
(https://github.com/cline/cline/blob/f69c58c5d3/src/core/mentions/index.ts,
https://github.com/cline/cline/blob/f69c58c5d3/src/core/slash-commands/index.ts,
https://github.com/RooCodeInc/Roo-Code/blob/v3.30.0/src/core/mentions/index.ts).
"""

from __future__ import annotations

import re

from localsessions.transcripts.typed import typed_words

__all__ = [
    "as_typed",
    "command_of",
    "is_of_program",
    "is_typed",
    "named_command",
    "person_words",
    "result_of",
    "sent_words",
]

_INSTRUCTIONS = re.compile(
    r"\s*<(?P<element>explicit_instructions|mcp_prompt)\s(?P<named>[^>]*)>.*?</(?P=element)>",
    re.DOTALL,
)
_NAMED = {
    "smol": "condense",
    "compact": "condense",
    "newtask": "new_task",
    "newrule": "new_rule",
    "reportbug": "report_bug",
    "explain-changes": "explain_changes",
}
"""What Cline calls its own commands; the others have one name."""
_AROUND_NAME = re.compile(r"\A(?:skill|mcp):|\.(?:md|txt)\Z", re.IGNORECASE)
_REWRITTEN = tuple(
    (re.compile(rf"{words} \(see below for {what}\)"), typed)
    for words, what, typed in (
        (r"'(http[^'\s]+)'", "site content", r"@\1"),
        (r"'([^'\n]+)'", "(?:file|folder) content", r"@/\1"),
        ("Git commit '([0-9a-f]+)'", "commit info", r"@\1"),
        (r"Command '([^'\s]+)'", "command content", r" /\1"),  # it takes the space before it
        ("Workspace Problems", "diagnostics", "@problems"),
        ("Terminal Output", "output", "@terminal"),
        ("Working directory changes", "details", "@git-changes"),
    )
)
_RESULT = re.compile(r"\s*\[(?P<tool>[a-z][a-z0-9_]*)\b.*?\] Result:\s*", re.DOTALL)
_LEAD = r"\s*(?:(?:The user|New |Task |You |\[TASK)[^<]*)?"
_TYPED = re.compile(
    rf"{_LEAD}<(?P<name>task|feedback|answer|user_message|user_input)(?:\s[^>]*)?>\s*"
    r"(?P<said>.*?)\s*</(?P=name)>",
    re.DOTALL,
)
_NOTICE = re.compile(r"<mode_notice(?:\s[^>]*)?>.*?</mode_notice>", re.DOTALL)
_OWN = ("[ERROR]", "[TASK RESUMPTION]", "<environment_details>", "<SYSTEM_NOTICE>")


def person_words(text: str) -> str | None:
    """Return what a person typed of the text of a user message; None if no person did.

    Mentions are as they were typed. A command that the program took out of the text is not in it.
    """
    return as_typed(sent_words(text)).strip() or None


def sent_words(text: str) -> str:
    """Return what the program made of what a person typed; empty if no person did."""
    if found := _typed(text):
        return _NOTICE.sub("", found["said"]).strip()
    return "" if is_of_program(text) or _RESULT.match(text) else typed_words(text) or ""


def as_typed(text: str) -> str:
    """Return a text with the mentions that the program rewrote, as they were typed."""
    for sent, typed in _REWRITTEN:
        text = sent.sub(typed, text)
    return text


def command_of(text: str) -> str:
    """Return the command that the program took out of the text of a user message; empty if none."""
    command = _INSTRUCTIONS.match(text)
    named = re.findall(r'"([^"]*)"', command["named"]) if command and is_typed(text) else ()
    return named_command(":".join(named))


def named_command(name: str) -> str:
    """Return the program's own name of a command; that of ``smol`` is ``condense``."""
    return _NAMED.get(name) or _AROUND_NAME.sub("", name)


def is_typed(text: str) -> bool:
    """Tell whether a text is the words of a person, in an element, perhaps about a result.

    The element begins the text, or follows a line or a command of the program: a file that a tool
    has read may hold such an element too.
    """
    return _typed(text) is not None


def _typed(text: str) -> re.Match[str] | None:
    command = _INSTRUCTIONS.match(text)
    start = command.end() if command else 0
    result = _RESULT.match(text, start)
    return _TYPED.match(text, result.end() if result else start)


def is_of_program(text: str) -> bool:
    """Tell whether the program wrote a whole part of a user message."""
    return text.lstrip().startswith(_OWN) and not is_typed(text)


def result_of(text: str) -> str | None:
    """Return the name of the tool whose result a text begins; None if it is words of a person."""
    found = None if is_typed(text) else _RESULT.match(text)
    return found["tool"] if found else None
