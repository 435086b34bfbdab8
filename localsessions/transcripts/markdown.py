"""A session as Markdown for a person: title, facts, and a heading for each message.

Texts stay Markdown, but nothing in them reaches the next message, hides it or looks like a heading
of this page: see ``embedding.py``. Calls, results and everything that is not text are in fences.
Data that no person reads, for example a picture in base64, is cut; its type and length stay. Fields
only for programs (usage, parent ids, ...) are left out: the JSON export has them.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING

from localsessions.models import Message, Session, format_instant, message_text
from localsessions.transcripts.embedding import code, embedded, fenced, inline, quoted
from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_object,
    as_objects,
    as_text,
    json_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

__all__ = ["markdown"]

_LONGEST = 2000
"""How many characters of data are shown whole."""
# Of base64 and its kin: no word is that long. Its lines may have 60, 64 or 76 characters.
_DATA = re.compile(r"(?:data:[^,\s]{0,200},)?[A-Za-z0-9+/=_-]{60}")
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=_-]{2000,}")
_REASONING = ("reasoning", "reasoning_content", "summary", "thoughts")


def markdown(session: Session) -> str:
    """Return the session as Markdown."""
    title = session.title or session.made_title or session.session_id
    facts = "\n".join(f"- {name}: {value}" for name, value in _facts(session))
    blocks = [f"# {inline(title)}", facts]
    for number, message in enumerate(session.messages, start=1):
        blocks += [_heading(number, message), *_blocks(message)]
    return "\n\n".join(blocks) + "\n"


def _facts(session: Session) -> Iterator[tuple[str, str]]:
    yield "session", code(session.session_id)
    for name, value in (("agent", session.agent_id), ("user", session.user_id)):
        if value:
            yield name, inline(value)
    yield "created", format_instant(session.created_at)
    yield "last activity", format_instant(session.last_activity)
    yield "messages", str(len(session.messages))
    for name, fact in session.source.items():
        if isinstance(fact, str | int | float) and "\n" not in str(fact):
            yield f"source {inline(name.replace('_', ' '))}", code(str(fact))


def _heading(number: int, message: Message) -> str:
    role = "tool result" if message["role"] == "tool" else str(message["role"])
    said = as_instant(message.get("created_at"))
    words = [inline(role.capitalize())]
    if name := as_text(message.get("name")):
        words.append(code(name))
    if said:
        words.append(f"— {format_instant(said)}")
    return " ".join([f"## {number}.", *words])


def _blocks(message: Message) -> Iterator[str]:
    for key in _REASONING:
        text = _reasoning(message.get(key))
        # Some programs keep a thought here and in the content.
        if text and text not in message_text(message):
            yield quoted(text)
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    if message["role"] == "tool" and not any(map(_is_result, parts)):
        yield from _result(message.get("tool_call_id"), content)
    else:
        for part in parts:
            yield from _part(part)
    for call in as_objects(message.get("tool_calls")):
        function = as_object(call.get("function")) or call
        yield from _call(function.get("name"), call.get("id"), function.get("arguments"))
    # gemini-cli keeps a result inside the message that called.
    for call in as_objects(message.get("toolCalls")):
        if "result" in call:
            yield from _result(call.get("id"), call["result"])


def _call(name: JsonValue, call_id: JsonValue, arguments: JsonValue) -> Iterator[str]:
    yield f"Calls {code(str(name))}" + (f" ({code(str(call_id))}):" if call_id else ":")
    yield fenced(_without_data(_arguments(arguments)), "json")


def _result(call_id: JsonValue, content: JsonValue) -> Iterator[str]:
    yield f"Result of {code(str(call_id))}:" if call_id else "Result:"
    pieces = list(_pieces(content))
    for is_text, run in groupby(pieces, key=lambda piece: isinstance(piece, str)):
        if is_text:
            yield fenced(_without_data("\n".join(map(str, run))))
        else:
            yield from (fenced(_pretty(_shortened(piece)), "json") for piece in run)
    if not pieces:
        yield fenced("" if content is None else _pretty(content))


def _pieces(content: JsonValue) -> Iterator[JsonValue]:
    """Yield the texts of a result, and whatever is no text, in order."""
    fields = as_object(content)
    inside = fields.get("content", fields.get("output"))
    if isinstance(content, list):
        for part in content:
            yield from _pieces(part)
    elif isinstance(text := fields.get("text"), str):
        yield text
    elif isinstance(inside, str | list):
        yield from _pieces(inside)
    elif content is not None:
        yield content


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
            yield quoted(thought)
    elif isinstance(text := fields.get("text"), str):
        if text.strip():
            yield embedded(_without_data(text))
    elif kind == "tool_use":
        # The call itself is in ``tool_calls``, if this is only its place.
        if "input" in fields:
            yield from _call(fields.get("name"), fields.get("id"), fields["input"])
    elif fields:
        yield fenced(_pretty(_shortened(fields)), "json")


def _is_result(part: JsonValue) -> bool:
    return as_object(part).get("type") == "tool_result"


def _shortened(value: JsonValue) -> JsonValue:
    """Cut what no person reads, for example an image in base64."""
    if isinstance(value, str):
        is_data = len(value) > _LONGEST and _DATA.match(value)
        return _cut(value) if is_data else value
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value


def _without_data(text: str) -> str:
    """Cut the long data URLs in a text."""
    return _DATA_URL.sub(lambda found: _cut(found.group()), text)


def _cut(data: str) -> str:
    return f"{data[:80]}… ({len(data)} characters)"


def _arguments(arguments: JsonValue) -> str:
    if not isinstance(arguments, str):
        return _pretty(arguments)
    try:
        return _pretty(json.loads(arguments))
    except (ValueError, RecursionError):
        return arguments


def _pretty(value: JsonValue) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except ValueError:
        return json_text(value)  # an integer of more than 4,300 digits
