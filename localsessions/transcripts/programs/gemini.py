"""gemini-cli: ``~/.gemini/tmp/<project>/chats/session-*.json`` and, since 0.40, ``.jsonl``.

A message has a ``type`` instead of a role: ``user``, ``gemini`` (formerly ``model``), and notices
(``info``, ``warning``, ``error``) that are kept as ``system``. A ``gemini`` message contains its
``toolCalls`` with their results. The call becomes ``tool_calls``; the rest of each stays under
``toolCalls``, so that the message is not split.

In JSON Lines, a message that changed is written again with its id: the last version counts, at the
place of the first. ``$rewindTo`` takes messages back; they were said, so they are kept.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_objects, as_text, present, without
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["GEMINI_CHAT", "GEMINI_JSONL"]

_ROLES = {"user": "user", "gemini": "assistant", "model": "assistant"}
_TYPES = frozenset({*_ROLES, "info", "warning", "error"})


def _is_head(value: Object) -> bool:
    return "sessionId" in value and "projectHash" in value and "role" not in value


def _recognises_chat(source: Source) -> bool:
    return _is_head(source.root) and isinstance(source.root.get("messages"), list)


def _recognises_jsonl(source: Source) -> bool:
    return any(
        _is_head(record.value) and "type" not in record.value for record in source.records
    ) and any(_is_message(record.value) for record in source.records)


def _is_message(value: Object) -> bool:
    return as_text(value.get("type")) in _TYPES and "id" in value


def _read_chat(source: Source) -> Reading:
    listed = source.root.get("messages")
    messages = as_objects(listed)
    malformed = (len(listed) if isinstance(listed, list) else 0) - len(messages)
    bookkeeping = Counter({"(no object)": malformed}) if malformed else Counter[str]()
    return Reading([_transcript(source.root, messages)], bookkeeping)


def _read_jsonl(source: Source) -> Reading:
    head: Object = {}
    by_id: dict[str, Object] = {}
    bookkeeping: Counter[str] = Counter()
    for record in source.records:
        if _is_message(record.value):
            by_id[str(record.value["id"])] = record.value
        elif _is_head(record.value):
            head = head or record.value
            bookkeeping["(head)"] += 1
        else:
            bookkeeping[next(iter(record.value), "(empty)")] += 1
    return Reading([_transcript(head, list(by_id.values()))], bookkeeping)


def _transcript(head: Object, messages: list[Object]) -> Transcript:
    models = [as_text(spoken.get("model")) for spoken in messages]
    return Transcript(
        messages=[_message(spoken) for spoken in messages],
        session_id=as_text(head.get("sessionId")),
        title=as_text(head.get("summary")),
        model=next((model for model in models if model), None),
        facts=present(
            project_hash=as_text(head.get("projectHash")),
            kind=as_text(head.get("kind")),
        ),
    )


def _message(source: Object) -> Message:
    kind = as_text(source.get("type")) or "unknown"
    calls = as_objects(source.get("toolCalls"))
    rest = without(source, "id", "content", "toolCalls")
    if kind in ("user", "gemini"):
        del rest["type"]
    content = source.get("content")
    if content is None:
        content = rest.pop("parts", None)
    elif isinstance(content, dict):
        content = [content]
    if calls:
        beside: list[JsonValue] = [without(call, "name", "args") for call in calls]
        rest["toolCalls"] = beside
    return message(
        _ROLES.get(kind, "system"),
        rest,
        id=source.get("id"),
        content=content,
        tool_calls=[
            tool_call(call.get("id"), call.get("name"), call.get("args")) for call in calls
        ],
    )


GEMINI_CHAT = Format("gemini-chat", "gemini-cli", _recognises_chat, _read_chat)
GEMINI_JSONL = Format("gemini-jsonl", "gemini-cli", _recognises_jsonl, _read_jsonl)
