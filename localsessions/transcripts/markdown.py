"""A session as Markdown for a person: title, facts, and a heading for each message.

Texts are unchanged. Calls, results and everything that is not text are in fences that are longer
than any fence inside. Fields only for programs (usage, parent ids, ...) are left out: the JSON
export has them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from localsessions.models import Message, Session, format_instant, message_text
from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_object,
    as_objects,
    as_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

__all__ = ["markdown"]

_FENCES = re.compile(r"`{3,}|~{3,}")
_FENCE_LINE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_REASONING = ("reasoning", "reasoning_content", "summary", "thoughts")


def markdown(session: Session) -> str:
    """Return the session as Markdown."""
    title = " ".join((session.title or session.made_title or session.session_id).split())
    facts = "\n".join(f"- {name}: {value}" for name, value in _facts(session))
    blocks = [f"# {title.replace('<', chr(92) + '<')}", facts]
    for number, message in enumerate(session.messages, start=1):
        blocks += [_heading(number, message), *_blocks(message)]
    return "\n\n".join(blocks) + "\n"


def _facts(session: Session) -> Iterator[tuple[str, str]]:
    yield "session", f"`{session.session_id}`"
    for name, value in (("agent", session.agent_id), ("user", session.user_id)):
        if value:
            yield name, value
    yield "created", format_instant(session.created_at)
    yield "last activity", format_instant(session.last_activity)
    yield "messages", str(len(session.messages))
    for name, fact in session.source.items():
        if isinstance(fact, str | int | float) and "\n" not in str(fact):
            yield f"source {name.replace('_', ' ')}", f"`{fact}`"


def _heading(number: int, message: Message) -> str:
    role = "tool result" if message["role"] == "tool" else str(message["role"])
    said = as_instant(message.get("created_at"))
    words = [role.capitalize()]
    if name := as_text(message.get("name")):
        words.append(f"`{name}`")
    if said:
        words.append(f"— {format_instant(said)}")
    return " ".join([f"## {number}.", *words])


def _blocks(message: Message) -> Iterator[str]:
    for key in _REASONING:
        if text := _reasoning(message.get(key)):
            yield _quoted(text)
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    if message["role"] == "tool" and not any(map(_is_result, parts)):
        yield from _result(message.get("tool_call_id"), content)
    else:
        for part in parts:
            yield from _part(part)
    for call in as_objects(message.get("tool_calls")):
        function = as_object(call.get("function"))
        yield f"Calls `{function.get('name')}` (`{call.get('id')}`):"
        yield _fenced(_arguments(function.get("arguments")), "json")
    # gemini-cli keeps a result inside the message that called.
    for call in as_objects(message.get("toolCalls")):
        if "result" in call:
            yield from _result(call.get("id"), call["result"])


def _result(call_id: JsonValue, content: JsonValue) -> Iterator[str]:
    yield f"Result of `{call_id}`:" if call_id else "Result:"
    is_text = isinstance(content, str)
    text = content if isinstance(content, str) else message_text({"content": content})
    yield _fenced(text, "") if text or is_text else _fenced(_pretty(content), "json")


def _reasoning(value: JsonValue) -> str:
    thoughts = [
        f"{thought.get('subject')}: {thought.get('description')}"
        for thought in as_objects(value)
        if "description" in thought
    ]
    return "\n".join(thoughts) or message_text({"content": value})


def _part(part: JsonValue) -> Iterator[str]:
    fields: Object = {"text": part} if isinstance(part, str) else as_object(part)
    kind = fields.get("type")
    if _is_result(part):
        yield from _result(fields.get("tool_use_id"), fields.get("content"))
    elif kind == "thinking":
        if thought := as_text(fields.get("thinking")):
            yield _quoted(thought)
    elif isinstance(text := fields.get("text"), str):
        if text.strip():
            yield _closed(text)
    elif fields and kind != "tool_use":
        yield _fenced(_pretty(_shortened(fields)), "json")


def _is_result(part: JsonValue) -> bool:
    return as_object(part).get("type") == "tool_result"


def _shortened(value: JsonValue) -> JsonValue:
    """Cut what no person reads, for example an image in base64."""
    if isinstance(value, str):
        return value if len(value) <= 2000 else f"{value[:80]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value


def _arguments(arguments: JsonValue) -> str:
    try:
        return _pretty(json.loads(str(arguments)))
    except (ValueError, RecursionError):
        return str(arguments)


def _pretty(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in _FENCES.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _closed(text: str) -> str:
    """Return a text and close a fence that it leaves open, as a torn answer does."""
    text = text.strip("\n")
    opened = ""
    for line in text.split("\n"):
        if not (match := _FENCE_LINE.match(line)):
            continue
        fence, ending = match.groups()
        if not opened:
            opened = fence
        elif fence.startswith(opened) and not ending.strip():
            opened = ""
    return f"{text}\n{opened}" if opened else text
