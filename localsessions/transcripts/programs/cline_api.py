"""The messages of ``api_conversation_history.json`` of Cline and Roo.

Messages of the Anthropic API (``blocks``), with ``ts`` in newer versions. Calls are native, or XML
in the text of the model (``cline_calls``): then what follows the line of a result becomes a message
of the tool, up to what a person said. What the program tells of the editor
(``environment_details``) stays with the result.

The history has no ids; they are made of ``ts``, else of what is said: a position would change when
the program condenses the history. What a person said has the id of its row instead
(``cline_person``). Former versions of Roo gave a summary the ``ts`` of the message after it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_list,
    as_object,
    as_objects,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.programs.blocks import block_messages, thinking_part
from localsessions.transcripts.programs.cline_calls import (
    called_tools,
    parts_of,
    text_of,
    without_element,
)
from localsessions.transcripts.programs.cline_person import Dated, with_person
from localsessions.transcripts.programs.cline_words import is_of_program, is_typed, result_of
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["api_messages", "is_api_history"]

_BEGINNINGS = ("<task>", "<user_message>", "<feedback>")


def is_api_history(document: JsonValue) -> bool:
    """Tell whether a document is such a history: messages in parts, told where the editor is."""
    listed = as_list(document)
    return (
        bool(listed)
        and all(_is_spoken(one) for one in listed)
        and any(_is_told(as_object(one)) for one in listed[:4])
    )


def _is_spoken(one: JsonValue) -> bool:
    fields = as_object(one)
    return fields.get("role") in ("user", "assistant") and "content" in fields


def _is_told(spoken: Object) -> bool:
    texts = [text for part in parts_of(spoken) if (text := as_text(as_object(part).get("text")))]
    return spoken.get("role") == "user" and any(
        "<environment_details>" in text or text.startswith(_BEGINNINGS) for text in texts
    )


def api_messages(records: list[Object], rows: list[Object]) -> list[Message]:
    """Return the messages of a history.

    Args:
        records: The history.
        rows: The rows that a person saw; they give what the history lacks.
    """
    history: list[Dated] = []
    waiting: list[str] = []
    thoughts = _thoughts(rows)
    tools = called_tools(records)
    for at, (record, seen) in enumerate(zip(records, _times(rows, len(records)), strict=True)):
        time = record.get("ts") or seen
        dated = without(record, "id") | ({"ts": time} if time else {})
        if record.get("role") == "assistant":
            before = records[at - 1] if at else {}
            whole = _with_reasoning(dated, before, thoughts)
            messages = _said(whole, _id(record), tools[at])
            calls = [call for one in messages for call in as_objects(one.get("tool_calls"))]
            waiting = [str(call["id"]) for call in calls]
        else:
            messages = _asked(dated, _id(record), waiting)
        history += [Dated(as_instant(time), one) for one in messages]
    return with_person(history, rows)


def _id(record: Object) -> str:
    if own := as_text(record.get("id")):
        return own
    if as_instant(record.get("ts")):
        summary = "_summary" if record.get("isSummary") is True else ""
        return f"api_{json_text(record['ts'])}{summary}"
    said = json_text([record.get("role"), record.get("content")])
    return f"api_{blake2b(said.encode(errors='surrogatepass'), digest_size=6).hexdigest()}"


def _times(rows: list[Object], count: int) -> list[JsonValue]:
    """Return when each message was there: a row of Cline tells how many there were before it."""
    counted = [row for row in rows if "conversationHistoryIndex" in row]
    last = counted[-1].get("ts") if counted else None
    times: list[JsonValue] = []
    following = iter(counted)
    row = next(following, None)
    for at in range(count):
        while row is not None and _number(row.get("conversationHistoryIndex")) < at:
            row = next(following, None)
        times.append(row.get("ts") if row is not None else last)
    return times


def _number(value: JsonValue) -> float:
    return value if isinstance(value, int | float) else -1


def _thoughts(rows: list[Object]) -> list[tuple[datetime, str | None]]:
    """Return each reasoning with its time, and None with the time of each request."""
    found = [
        (time, as_text(row.get("text")) if row["say"] == "reasoning" else None)
        for row in rows
        if row.get("say") in ("reasoning", "api_req_started")
        if (time := as_instant(row.get("ts"))) is not None
    ]
    return sorted(found, key=itemgetter(0))


def _with_reasoning(
    record: Object, before: Object, thoughts: list[tuple[datetime, str | None]]
) -> Object:
    """Return a message of the model with the reasoning that only the rows have.

    It is that since the last request. Without requests, since the message before, which may be
    another one when the history is condensed.
    """
    parts = parts_of(record)
    begun, ended = as_instant(before.get("ts")), as_instant(record.get("ts"))
    if ended is None or any(_is_thinking(part) for part in parts):
        return record
    until = bisect_right(thoughts, ended, key=itemgetter(0))
    requests = (at for at in range(until - 1, -1, -1) if thoughts[at][1] is None)
    first = next(requests, None)
    if first is None:
        first = until if begun is None else bisect_left(thoughts, begun, key=itemgetter(0))
    thinking = [thinking_part(text) for _, text in thoughts[first:until] if text]
    return record | {"content": [*thinking, *parts]} if thinking else record


def _is_thinking(part: JsonValue) -> bool:
    return as_object(part).get("type") in ("thinking", "redacted_thinking", "reasoning")


# The model


def _said(record: Object, own_id: str, tools: list[str]) -> list[Message]:
    parts = parts_of(record)
    calls: list[Object] = []
    is_native = any(as_object(part).get("type") == "tool_use" for part in parts)
    if not is_native:
        for number, tool in enumerate(tools, start=1):
            parts, arguments = without_element(parts, tool, is_only=len(tools) == 1)
            calls.append(tool_call(f"{own_id}_call_{number}", tool, arguments))
    rest = without(record, "role", "content")
    content: JsonValue = record.get("content") if isinstance(record.get("content"), str) else parts
    if calls and isinstance(content, str):
        content = parts
    messages = block_messages("assistant", content, rest, id=own_id, time_key="ts")
    if calls:
        listed: list[JsonValue] = [*calls]
        messages[-1] = messages[-1] | {"tool_calls": listed}
    return messages


# What the model is told


def _asked(record: Object, own_id: str, waiting: list[str]) -> list[Message]:
    content = record.get("content")
    rest = without(record, "role", "content")
    if isinstance(content, str) and not result_of(content):
        return block_messages("user", content, rest, id=own_id, time_key="ts")
    made: list[Message] = []
    for group in _groups(parts_of(record)):
        group_id = f"{own_id}_{len(made) + 1}" if made else own_id
        around = {"ts": rest.get("ts")} if made else rest
        if result_of(text_of(group[0])):
            made.append(_result(group, around, group_id, waiting))
        else:
            made += block_messages("user", group, around, id=group_id, time_key="ts")
    is_native = any(as_object(part).get("type") == "tool_result" for part in parts_of(record))
    return _with_state(made) if is_native else made


def _result(parts: list[JsonValue], rest: Object, own_id: str, waiting: list[str]) -> Message:
    """Return a result, for the next call that waits; abridged if the call was condensed away."""
    answered = waiting.pop(0) if waiting else None
    gone: Object = {} if answered else {"abridged": True}
    return message(
        "tool", rest | gone, id=own_id, content=parts, time_key="ts", tool_call_id=answered
    )


def _groups(parts: list[JsonValue]) -> list[list[JsonValue]]:
    """Return the parts of a message: each result, and each text of a person, begins a group."""
    groups: list[list[JsonValue]] = []
    for part in parts:
        begun = groups and any(_is_begun_by(one) for one in groups[-1])
        if not groups or result_of(text_of(part)) or (begun and is_typed(text_of(part))):
            groups.append([])
        groups[-1].append(part)
    return groups


def _is_begun_by(part: JsonValue) -> bool:
    return result_of(text_of(part)) is not None or is_typed(text_of(part))


def _with_state(messages: list[Message]) -> list[Message]:
    """Return messages in which what the program wrote after the results is part of the last one."""
    *before, last = messages
    if not before or last["role"] != "user":
        return messages
    texts = [as_text(as_object(part).get("text")) for part in as_list(last.get("content"))]
    if not texts or not all(text and is_of_program(text) for text in texts):
        return messages
    content = before[-1].get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content)
    before[-1] = before[-1] | {"content": [*parts, *as_list(last["content"])]}
    return before
