"""ShareGPT: conversations of ``{"from", "value"}`` turns, as a JSON list or as lines.

No standard defines it. The turns named here are those of FastChat and of LLaMA-Factory, whose
``function_call`` and ``observation`` turns become a call and its result. The source has no ids
for calls: an id is made, and the next observation answers the call.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.format import parse_json
from localsessions.transcripts.foreign import Object, as_list, as_objects, as_text, without
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["SHAREGPT"]

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
    conversations = _conversations(source)
    malformed = len(as_list(source.document)) - len(conversations)
    return Reading(
        [
            _transcript(conversation, position)
            for position, conversation in enumerate(conversations, start=1)
        ],
        +Counter({"(no object)": malformed}),
    )


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


def _calls(value: JsonValue, number: int) -> list[Object]:
    """Return the calls that a turn holds as JSON; empty if it is not JSON of calls."""
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
        for position, call in enumerate(calls, start=1)
    ]


SHAREGPT = Format("sharegpt", None, _recognises, _read)
