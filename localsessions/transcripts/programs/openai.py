"""OpenAI chat completions: a list of messages, ``{"messages": [...]}``, or such objects as lines.

Many programs write lists of messages, so this format recognises only the exact shape of the API,
https://platform.openai.com/docs/api-reference/chat: its roles, its keys, its parts. It is the last
in the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text, present
from localsessions.transcripts.lines import BadLine
from localsessions.transcripts.transcript import Format, Reading, Transcript, chat_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.transcripts.source import Source

__all__ = ["OPENAI_LINES", "OPENAI_MESSAGES"]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_KEYS = frozenset(
    {
        *("id", "role", "content", "name", "tool_calls", "tool_call_id", "function_call"),
        *("refusal", "audio", "annotations", "weight", "reasoning", "reasoning_content"),
        *("created_at", "timestamp"),
    }
)
_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal"})
_OTHERS = frozenset({"session_id", "sessionId", "trajectory_format", "info", "format"})
"""Keys beside ``messages`` that show that the object is a session of another program."""


def _recognises(source: Source) -> bool:
    if isinstance(source.document, list):
        return _are_messages(source.document)
    return source.document is not None and _is_conversation(source.root)


def _recognises_lines(source: Source) -> bool:
    return any(_is_conversation(record.value) for record in source.records)


def _is_conversation(value: Object) -> bool:
    return not _OTHERS & value.keys() and _are_messages(value.get("messages"))


def _are_messages(value: JsonValue) -> bool:
    items = as_list(value)
    return bool(items) and all(isinstance(item, dict) and _is_message(item) for item in items)


def _is_message(item: Object) -> bool:
    content = item.get("content")
    if isinstance(content, list):
        of_api = all(as_text(as_object(part).get("type")) in _PARTS for part in content)
    else:
        of_api = content is None or isinstance(content, str)
    return of_api and as_text(item.get("role")) in _ROLES and item.keys() <= _KEYS and len(item) > 1


def _read(source: Source) -> Reading:
    if isinstance(source.document, list):
        return Reading([_transcript({"messages": source.document}, None)])
    return Reading([_transcript(source.root, None)])


def _read_lines(source: Source) -> Reading:
    bad_lines: list[BadLine] = []
    return Reading(_transcripts(source, bad_lines), bad_lines=bad_lines)


def _transcripts(source: Source, bad_lines: list[BadLine]) -> Iterator[Transcript]:
    for record in source.lines():
        if _is_conversation(record.value):
            yield _transcript(record.value, record.position)
        else:
            bad_lines.append(BadLine(record.line, "not a chat-completions conversation"))


def _transcript(value: Object, position: int | None) -> Transcript:
    return Transcript(
        messages=[
            chat_message(item, time_key="timestamp" if "timestamp" in item else "created_at")
            for item in as_list(value.get("messages"))
            if isinstance(item, dict)
        ],
        position=position,
        model=as_text(value.get("model")),
        facts=present(tools=value.get("tools")),
    )


OPENAI_MESSAGES = Format("openai-messages", None, _recognises, _read)
OPENAI_LINES = Format("openai-messages", None, _recognises_lines, _read_lines, one_by_one=True)
