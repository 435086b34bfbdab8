"""What a person typed, and what programs put around it."""

from __future__ import annotations

import pytest

from localsessions.transcripts.typed import typed_words

INSTRUCTIONS = "# AGENTS.md instructions for /w/app\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>"
ENVIRONMENT = "<environment_context>\n  <cwd>/w/app</cwd>\n</environment_context>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        INSTRUCTIONS,
        ENVIRONMENT,
        f"{INSTRUCTIONS}\n{ENVIRONMENT}",
        "<user_instructions>Be brief.</user_instructions>",
        '<skill name="x">How to.</skill>',
        "<turn_aborted>\n  <reason>interrupted</reason>\n</turn_aborted>",
        "<session_context>\nThis is the Gemini CLI.\n</session_context>",
        "<hook_context>from a hook</hook_context>",
        "This is the Gemini CLI. We are setting up the context for our chat.\nToday is Monday.",
        "# AGENTS.md instructions for /w/app, without an element",
    ],
)
def test_text_of_a_program_was_typed_by_nobody(text: str) -> None:
    assert typed_words(text) is None


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Rename the module", "Rename the module"),
        (f"{INSTRUCTIONS}\n{ENVIRONMENT}\nRename it", "Rename it"),
        ("Rename it\n\n<hook_context>from a hook</hook_context>", "Rename it"),
        (
            "# Context from my IDE setup:\n- a.py\n\n## My request for Codex:\nFix a.py",
            "Fix a.py",
        ),
        ("<div>what is this?</div>", "<div>what is this?</div>"),
        ("<environment_context> is never closed, why?", None),
        ("Say </hook_context>", "Say </hook_context>"),
        ("# Heading\nof a person", "# Heading\nof a person"),
        ("/chat save plan", "/chat save plan"),
    ],
)
def test_words_of_a_person_are_found_between_the_blocks(text: str, typed: str | None) -> None:
    assert typed_words(text) == (typed or text)
