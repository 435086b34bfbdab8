"""Every format that can be read; a new format adds one line here. And how a format is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import as_object, as_objects
from localsessions.transcripts.programs.atif import ATIF
from localsessions.transcripts.programs.chatgpt import CHATGPT_EXPORT
from localsessions.transcripts.programs.claude import CLAUDE_JSONL, CLAUDE_WEB_JSON
from localsessions.transcripts.programs.claude_ai import CLAUDE_AI_EXPORT
from localsessions.transcripts.programs.cline import (
    CLINE_TASK,
    CLINE_UI,
    KILO_TASK,
    KILO_UI,
    ROO_TASK,
    ROO_UI,
)
from localsessions.transcripts.programs.cline_sdk import CLINE_SDK
from localsessions.transcripts.programs.codex import CODEX_ROLLOUT, TRAE_ROLLOUT
from localsessions.transcripts.programs.copilot_cli import COPILOT_EVENTS
from localsessions.transcripts.programs.cursor import CURSOR_VSCDB
from localsessions.transcripts.programs.gemini import GEMINI_CHAT, GEMINI_JSONL
from localsessions.transcripts.programs.iflow import IFLOW_JSONL
from localsessions.transcripts.programs.mini_swe_agent import MINI_SWE_AGENT_TRAJ
from localsessions.transcripts.programs.openai import OPENAI_LINES, OPENAI_MESSAGES
from localsessions.transcripts.programs.opencode import OPENCODE_DB, OPENCODE_STORAGE
from localsessions.transcripts.programs.own import LOCALSESSIONS
from localsessions.transcripts.programs.sharegpt import LLAMA_FACTORY, SHAREGPT
from localsessions.transcripts.programs.swe_agent import SWE_AGENT_TRAJ
from localsessions.transcripts.programs.vscode_copilot import VSCODE_CHAT, VSCODE_CHAT_LOG

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.transcripts.source import Source
    from localsessions.transcripts.transcript import Format

__all__ = ["FORMATS", "recognise", "unknown"]

FORMATS: tuple[Format, ...] = (
    LOCALSESSIONS,
    IFLOW_JSONL,
    CLAUDE_JSONL,
    CLAUDE_WEB_JSON,
    TRAE_ROLLOUT,
    CODEX_ROLLOUT,
    CURSOR_VSCDB,
    GEMINI_CHAT,
    GEMINI_JSONL,
    OPENCODE_DB,
    OPENCODE_STORAGE,
    CLINE_TASK,
    CLINE_UI,
    CLINE_SDK,
    ROO_TASK,
    ROO_UI,
    KILO_TASK,
    KILO_UI,
    COPILOT_EVENTS,
    VSCODE_CHAT,
    VSCODE_CHAT_LOG,
    CHATGPT_EXPORT,
    CLAUDE_AI_EXPORT,
    SWE_AGENT_TRAJ,
    MINI_SWE_AGENT_TRAJ,
    ATIF,
    SHAREGPT,
    LLAMA_FACTORY,
    OPENAI_MESSAGES,
    OPENAI_LINES,
)
"""Every format that can be read. The first format that recognises a source reads it, so special
formats come before general formats.
"""


def recognise(source: Source) -> Format | None:
    """Return the format of a source, from its content alone; None if no format recognises it."""
    return next((form for form in FORMATS if form.recognises(source)), None)


def unknown(source: Source) -> str:
    """Return why no format recognised a source, with what it holds."""
    if source.database is not None:
        tables = ", ".join(sorted(source.database.tables)[:8]) or "none"
        return f"a SQLite database of no program that is known here (tables: {tables})"
    if (fault := source.fault()) is not None:
        return fault
    records: list[JsonValue] = [record.value for record in source.records[:1]]
    shape = _shape(source.document if source.document is not None else records or None)
    more = " and more" if source.is_long else ""
    return f"JSON, but in no transcript format that is known here: {shape}{more}"


def _shape(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"an object with {_keys(value)}"
    if isinstance(value, list):
        items = as_objects(value)
        if items and "role" in items[0]:
            return f"messages, but not of chat completions, with {_keys(items[0])}"
        return f"objects with {_keys(items[0])}" if items else f"a list of {len(value)} values"
    return f"a single {'text' if isinstance(value, str) else 'value'}"


def _keys(value: JsonValue) -> str:
    keys = [repr(key[:30]) for key in as_object(value)]
    if not keys:
        return "no keys"
    more = f" and {len(keys) - 6} more keys" if len(keys) > 6 else ""
    return ", ".join(keys[:6]) + more
