"""A session as Markdown for a person: title, facts, and a heading for each message.

Texts stay Markdown, but nothing in them reaches the next message, hides it or looks like a heading
of this page: see ``embedding.py``. Calls, results and everything that is not text are in fences.
Data that no person reads, for example a picture in base64, is cut; its type and length stay. Fields
only for programs (usage, parent ids, ...) are left out: the JSON export has them.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from localsessions.models import Message, Session, format_instant
from localsessions.transcripts.embedding import code, embedded, fenced, inline, quoted
from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_object,
    as_objects,
    as_text,
    json_text,
)
from localsessions.transcripts.pieces import (
    is_result,
    pieces_of,
    shortened,
    thoughts_beside,
    without_data_urls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

__all__ = ["markdown"]


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
    yield from map(quoted, thoughts_beside(message))
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    if message["role"] == "tool" and not any(map(is_result, parts)):
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
    yield fenced(without_data_urls(_arguments(arguments)), "json")


def _result(call_id: JsonValue, content: JsonValue) -> Iterator[str]:
    yield f"Result of {code(str(call_id))}:" if call_id else "Result:"
    pieces = list(pieces_of(content))
    for is_text, run in groupby(pieces, key=lambda piece: isinstance(piece, str)):
        if is_text:
            yield fenced(without_data_urls("\n".join(map(str, run))))
        else:
            yield from (fenced(_pretty(shortened(piece)), "json") for piece in run)
    if not pieces:
        yield fenced("" if content is None else _pretty(content))


def _part(part: JsonValue) -> Iterator[str]:
    fields: Object = {"text": part} if isinstance(part, str) else as_object(part)
    kind = fields.get("type")
    if is_result(part):
        yield from _result(fields.get("tool_use_id"), fields.get("content"))
    elif kind == "thinking":
        if thought := as_text(fields.get("thinking")):
            yield quoted(thought)
    elif isinstance(text := fields.get("text"), str):
        if text.strip():
            yield embedded(without_data_urls(text))
    elif kind == "tool_use":
        # The call itself is in ``tool_calls``, if this is only its place.
        if "input" in fields:
            yield from _call(fields.get("name"), fields.get("id"), fields["input"])
    elif fields:
        yield fenced(_pretty(shortened(fields)), "json")


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
