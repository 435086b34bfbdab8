"""Codex CLI: ``~/.codex/sessions/<date>/rollout-*.jsonl``.

A line is ``{timestamp, type, payload}``. A ``response_item`` of the types below is a message (an
item, in the words of the Responses API). ``event_msg`` lines repeat the items for the screen. The
rest is bookkeeping. A call, its result and the reasoning before it are three items, and so three
messages.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_object,
    as_text,
    present,
    without,
)
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CODEX_ROLLOUT"]

_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_ITEMS = ("message", "reasoning", *_CALLS, *_RESULTS)


def _recognises(source: Source) -> bool:
    return any(
        record.value.get("type") in ("session_meta", "response_item")
        and isinstance(record.value.get("payload"), dict)
        for record in source.records
    )


def _read(source: Source) -> Reading:
    found = Transcript([])
    bookkeeping: Counter[str] = Counter()
    for record in source.records:
        kind = as_text(record.value.get("type")) or "(no type)"
        payload = as_object(record.value.get("payload"))
        item = as_text(payload.get("type"))
        if kind == "response_item" and item in _ITEMS:
            found.messages.append(_message(item, record.value, payload))
            continue
        bookkeeping[f"{kind}/{item}" if item else kind] += 1
        if kind == "session_meta" and not found.session_id:
            found.session_id = as_text(payload.get("id"))
            found.project = as_text(payload.get("cwd"))
            found.branch = as_text(as_object(payload.get("git")).get("branch"))
            found.facts = _facts(payload)
        elif kind == "turn_context":
            found.model = found.model or as_text(payload.get("model"))
        elif item == "thread_name_updated":
            found.title = as_text(payload.get("thread_name"))
    return Reading([found], bookkeeping)


def _facts(meta: Object) -> Object:
    return present(
        cli_version=as_text(meta.get("cli_version")),
        model_provider=as_text(meta.get("model_provider")),
    )


def _message(item: str, record: Object, payload: Object) -> Message:
    rest = without(record, "type", "payload") | without(payload, "id")
    if item in _CALLS:
        call = _call(item, payload)
        rest = without(rest, "call_id", "name", "arguments", "input", "action")
        return message("assistant", rest, id=payload.get("id"), tool_calls=[call])
    if item in _RESULTS:
        output = payload.get("output")
        return message(
            "tool",
            without(rest, "call_id", "output"),
            id=payload.get("id"),
            content=[output] if isinstance(output, dict) else output,
            tool_call_id=payload.get("call_id"),
        )
    return message(
        as_text(payload.get("role")) or "assistant",
        without(rest, "role", "content", *(("type",) if item == "message" else ())),
        id=payload.get("id"),
        content=payload.get("content"),
    )


def _call(item: str, payload: Object) -> Object:
    call_id = payload.get("call_id")
    if item == "local_shell_call":
        return tool_call(call_id, "local_shell", payload.get("action"))
    if item == "custom_tool_call":
        # Its input is free text, for example a patch; arguments must be JSON.
        return tool_call(call_id, payload.get("name"), {"input": payload.get("input")})
    return tool_call(call_id, payload.get("name"), payload.get("arguments"))


CODEX_ROLLOUT = Format("codex-rollout", "codex", _recognises, _read)
