"""Data sets of conversations, as a JSON list or as lines: ShareGPT, and what came after it.

No standard defines ShareGPT's ``{"from", "value"}`` turns. Those named here are those of FastChat
and of LLaMA-Factory, whose ``function_call`` and ``observation`` turns become a call and its
result. The source has no ids for calls: an id is made, and the next observation answers the call.

Version 1 of LLaMA-Factory writes messages whose parts have a ``value``
(https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/v1/utils/types.py)::

    {"messages": [{"role", "content": [{"type", "value"}], "loss_weight"}], "tools", ...}
    {"chosen_messages": [...], "rejected_messages": [...], ...}

A pair of preferences becomes two sessions, with ``preference`` among their facts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.format import parse_json
from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
    without,
)
from localsessions.transcripts.programs.blocks import thinking_part
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["LLAMA_FACTORY", "SHAREGPT"]

_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
}
_LISTS = {"messages": None, "chosen_messages": "chosen", "rejected_messages": "rejected"}
"""Where LLaMA-Factory keeps messages, and what they are in a pair of preferences."""

_MEDIA = ("image_url", "video_url", "audio_url")


def _recognises(source: Source) -> bool:
    return any(
        "from" in turn and "value" in turn
        for conversation in _conversations(source)
        for turn in as_objects(conversation.get("conversations"))[:1]
    )


def _conversations(source: Source) -> list[Object]:
    if isinstance(source.document, list):
        return as_objects(source.document)
    return [record.value for record in source.records]


def _read(source: Source) -> Reading:
    bookkeeping: Counter[str] = Counter()
    return Reading(_transcripts(source, bookkeeping), bookkeeping)


def _transcripts(source: Source, bookkeeping: Counter[str]) -> Iterator[Transcript]:
    position = 0
    for element in source.elements():
        if isinstance(element, dict):
            position += 1
            yield _transcript(element, position)
        else:
            bookkeeping["(no object)"] += 1


def _transcript(conversation: Object, position: int) -> Transcript:
    return Transcript(
        messages=_messages(as_objects(conversation.get("conversations"))),
        session_id=as_text(conversation.get("id")),
        position=position,
        facts=without(conversation, "conversations", "id"),
    )


def _messages(turns: Iterable[Object]) -> list[Message]:
    messages: list[Message] = []
    call_id: str | None = None
    for number, turn in enumerate(turns, start=1):
        speaker = as_text(turn.get("from")) or "unknown"
        role = _ROLES.get(speaker, speaker)
        content = turn.get("value")
        calls: list[Object] = []
        if speaker == "function_call":
            calls = _calls(content, number)
            content = None if calls else content
            call_id = str(calls[0]["id"]) if len(calls) == 1 else None
        messages.append(
            message(
                role,
                without(turn, "value"),
                content=content,
                tool_calls=calls,
                tool_call_id=call_id if role == "tool" else None,
            )
        )
        call_id = None if role == "tool" else call_id
    return messages


def _calls(value: JsonValue, number: int, called: int = 0) -> list[Object]:
    """Return the calls that a turn holds as JSON; empty if it is not JSON of calls.

    Args:
        value: What the turn says.
        number: The number of the turn.
        called: How many calls the turn has already.
    """
    try:
        said = parse_json(value.encode(errors="replace")) if isinstance(value, str) else value
    except ValueError:
        return []
    listed = as_list(said) or [said]
    calls = [call for call in as_objects(listed) if as_text(call.get("name"))]
    if len(calls) != len(listed) or any(call.keys() - {"name", "arguments"} for call in calls):
        return []
    return [
        tool_call(f"call_{number:06d}_{position}", call["name"], call.get("arguments"))
        for position, call in enumerate(calls, start=called + 1)
    ]


def _recognises_parts(source: Source) -> bool:
    return any(
        "role" in spoken and any("type" in part and "value" in part for part in _parts(spoken))
        for conversation in _conversations(source)
        for key in _LISTS
        for spoken in as_objects(conversation.get(key))[:1]
    )


def _parts(spoken: Object) -> list[Object]:
    return as_objects(spoken.get("content"))


def _read_parts(source: Source) -> Reading:
    bookkeeping: Counter[str] = Counter()
    return Reading(_preferences(source, bookkeeping), bookkeeping)


def _preferences(source: Source, bookkeeping: Counter[str]) -> Iterator[Transcript]:
    position = 0
    for element in source.elements():
        conversation = as_object(element)
        if not conversation.keys() & _LISTS.keys():
            bookkeeping["(no messages)"] += 1
        for key, preference in _LISTS.items():
            if key in conversation:
                position += 1
                made = _preferred(conversation, key, preference)
                made.position = position
                yield made


def _preferred(conversation: Object, key: str, preference: str | None) -> Transcript:
    own_id = as_text(conversation.get("id"))
    return Transcript(
        messages=_valued(as_objects(conversation.get(key))),
        session_id=f"{own_id}-{preference}" if own_id and preference else own_id,
        facts=without(conversation, *_LISTS, "id") | present(preference=preference),
    )


def _valued(spoken: Iterable[Object]) -> list[Message]:
    messages: list[Message] = []
    waiting: list[str] = []
    for number, one in enumerate(spoken, start=1):
        role = as_text(one.get("role")) or "unknown"
        content = one.get("content")
        calls: list[Object] = []
        if isinstance(content, list):
            parts: list[JsonValue] = []
            for part in content:
                found = _called(part, number, len(calls))
                calls += found
                parts += [] if found else [_part(part)]
            content = parts or None
        answered = waiting.pop(0) if role == "tool" and waiting else None
        waiting = [str(call["id"]) for call in calls] or waiting
        messages.append(
            message(
                role,
                without(one, "role", "content"),
                content=content,
                tool_calls=calls,
                tool_call_id=answered,
            )
        )
    return messages


def _called(part: JsonValue, number: int, before: int) -> list[Object]:
    fields = as_object(part)
    is_call = fields.get("type") == "tool_call"
    return _calls(fields.get("value"), number, before) if is_call else []


def _part(part: JsonValue) -> JsonValue:
    """Return a part with the keys that other formats have."""
    fields = as_object(part)
    kind, value = as_text(fields.get("type")), fields.get("value")
    if kind is None or "value" not in fields:
        return part
    around = without(fields, "type", "value")
    if kind == "reasoning":
        return thinking_part(value, around)
    if kind in _MEDIA:
        return {"type": kind, kind: {"url": value}, **around}
    return {"type": kind, "text": value, **around}


LLAMA_FACTORY = Format("llama-factory", None, _recognises_parts, _read_parts, one_by_one=True)
SHAREGPT = Format("sharegpt", None, _recognises, _read, one_by_one=True)
