"""A session as one line of chat-completions JSONL, for fine-tuning and other programs.

Only the keys of the API are written: role, content, name, tool_calls, tool_call_id. From a content
in parts, text and images are written; reasoning is not. Each stored message becomes one message,
with three exceptions:

- A message with several tool results becomes a message for each result.
- Results follow directly after their call, as the API requires.
- A result whose call is not in the session is left out: the API refuses it.

Roles that the API does not have (``exit``, ``info``, ...) become ``system``. A call without a
result stays as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localsessions.models import Message, Session, message_text
from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

__all__ = ["chat_completions_line", "chat_messages"]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


def chat_completions_line(session: Session) -> bytes:
    """Return ``{"messages": [...]}`` on one line."""
    line = json.dumps({"messages": chat_messages(session)}, ensure_ascii=False)
    # The only thing that UTF-8 cannot carry is a lone surrogate; Python's escape is also JSON's.
    return line.encode("utf-8", errors="backslashreplace") + b"\n"


def chat_messages(session: Session) -> list[Object]:
    """Return the session's messages with only the API's keys, each result after its call."""
    answers = _answers(session)
    messages: list[Object] = []
    for stored in session.messages:
        if stored["role"] != "tool":
            spoken = _spoken(stored)
            calls = as_objects(spoken.get("tool_calls"))
            answered = [answers.pop(str(call.get("id")), None) for call in calls]
            messages += [spoken, *(answer for answer in answered if answer)]
    return messages


def _answers(session: Session) -> dict[str, Object]:
    """Return, by the id of each call, the first result that follows the call."""
    called: set[str] = set()
    answers: dict[str, Object] = {}
    for stored in session.messages:
        called.update(str(call.get("id")) for call in as_objects(stored.get("tool_calls")))
        for call_id, content in _results(stored):
            if call_id in called:
                answer: Object = {"role": "tool", "tool_call_id": call_id}
                answers.setdefault(call_id, answer | {"content": _plain(content)})
    return answers


def _results(stored: Message) -> Iterator[tuple[str, JsonValue]]:
    if call_id := as_text(stored.get("tool_call_id")):
        yield call_id, stored.get("content")
    for part in as_objects(stored.get("content")):
        if part.get("type") == "tool_result" and (call_id := as_text(part.get("tool_use_id"))):
            yield call_id, part.get("content")


def _spoken(stored: Message) -> Object:
    role = as_text(stored.get("role"))
    spoken: Object = {"role": role if role in _ROLES else "system"}
    spoken["content"] = _content(stored.get("content"))
    if name := as_text(stored.get("name")):
        spoken["name"] = name
    calls: list[JsonValue] = [_call(call) for call in as_objects(stored.get("tool_calls"))]
    if calls and role == "assistant":
        spoken["content"] = spoken["content"] or None
        spoken["tool_calls"] = calls
    return spoken


def _call(call: Object) -> Object:
    function = as_object(call.get("function"))
    return {
        "id": str(call.get("id")),
        "type": "function",
        "function": {
            "name": as_text(function.get("name")) or "",
            "arguments": as_text(function.get("arguments")) or "{}",
        },
    }


def _content(content: JsonValue) -> JsonValue:
    """Return a text, or the API's parts if the content is more than text."""
    parts = [made for part in as_list(content) if (made := _part(part))]
    if any(part["type"] != "text" for part in parts):
        listed: list[JsonValue] = [*parts]
        return listed
    if parts:
        return "\n".join(str(part["text"]) for part in parts)
    return content if isinstance(content, str) else ""


def _part(part: JsonValue) -> Object | None:
    if isinstance(part, str):
        return {"type": "text", "text": part} if part else None
    kind = as_object(part).get("type", "text")
    if kind in ("image_url", "input_audio", "file"):
        return without(as_object(part))
    if kind == "image":
        source = as_object(as_object(part).get("source"))
        if source.get("type") == "base64":
            url = f"data:{source.get('media_type')};base64,{source.get('data')}"
            return {"type": "image_url", "image_url": {"url": url}}
    if kind in ("thinking", "tool_use", "tool_result"):
        return None
    text = as_text(as_object(part).get("text"))
    return {"type": "text", "text": text} if text else None


def _plain(content: JsonValue) -> str:
    return content if isinstance(content, str) else message_text({"content": content})
