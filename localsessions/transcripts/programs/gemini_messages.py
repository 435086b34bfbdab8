"""What a message of gemini-cli becomes: itself, and a message for each result in it.

A message has a ``type`` instead of a role: ``user``, ``gemini`` (formerly ``model``), and notices
(``info``, ``warning``, ``error``) that are kept as ``system``. The fields are those of
https://github.com/google-gemini/gemini-cli/blob/main/packages/core/src/services/chatRecordingTypes.ts:

    content      a text, or parts of the Gemini API: text, thought, functionCall, functionResponse
    thoughts     reasoning; it becomes parts of the content, as in other formats
    toolCalls    calls with their results; a result becomes a message of the tool, right after the
                 message that called; what else the program says of a call stays under ``toolCalls``

Newer versions write a call, its result and a thought twice: there, and as parts of a content. Then
each is taken once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.programs.blocks import text_part, thinking_part
from localsessions.transcripts.transcript import message, told_text, tool_call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["TYPES", "said_messages"]

_ROLES = {"user": "user", "gemini": "assistant", "model": "assistant"}
TYPES = frozenset({*_ROLES, "info", "warning", "error"})
"""The types of messages that are known; others are notices too."""

_OF_RESULT = ("result", "resultDisplay", "status", "timestamp")
_FINISHED = ("success", "error", "cancelled")


def said_messages(
    said: Mapping[str, Object], taken_back: Collection[str]
) -> tuple[list[Message], int]:
    """Return the messages of a chat, and how many only repeat results that stand elsewhere.

    Args:
        said: The messages of the source in order, under their ids or ids that were made for them.
        taken_back: The ids of those that the program took back.
    """
    messages: list[Message] = []
    results: list[JsonValue] = []
    repeated = 0
    for key, spoken in said.items():
        parts = _parts(spoken)
        if any("functionResponse" in part for part in as_objects(parts)) and all(
            part in results for part in as_list(parts)
        ):
            repeated += 1
            continue
        made = _made(key, spoken, parts)
        for call in as_objects(spoken.get("toolCalls")):
            results += _listed(call.get("result"))
        if key in taken_back:
            made = [one | {"taken_back": True} for one in made]
        messages += made
    return messages, repeated


def _parts(spoken: Object) -> JsonValue:
    """Return the content of a message: a text, or parts."""
    content = spoken.get("content")
    content = spoken.get("parts") if content is None else content
    return [content] if isinstance(content, dict) else content


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _made(key: str, spoken: Object, parts: JsonValue) -> list[Message]:
    kind = as_text(spoken.get("type")) or "unknown"
    taken = ("id", "content", "toolCalls", *(("parts",) if spoken.get("content") is None else ()))
    rest = without(spoken, *taken, *(("type",) if kind in ("user", "gemini") else ()))
    own_id = as_text(spoken.get("id")) or key
    if any("functionResponse" in part for part in as_objects(parts)):
        return [_responses(own_id, _ROLES.get(kind, "system"), as_list(parts), rest)]
    calls = _calls(own_id, spoken, parts)
    content, rest = _with_thoughts(_without_calls(parts, calls), rest)
    beside = [_beside(call) for call in _listed(spoken.get("toolCalls"))]
    if any(beside):
        rest["toolCalls"] = [one for one in beside if one]
    made = message(
        _ROLES.get(kind, "system"),
        rest,
        id=own_id,
        content=content,
        tool_calls=[
            tool_call(call_id, call.get("name"), call.get("args"))
            for call_id, call in calls.items()
        ],
    )
    return [
        made,
        *(_result(call_id, call, calls) for call_id, call in calls.items() if _is_answered(call)),
    ]


def _calls(own_id: str, spoken: Object, parts: JsonValue) -> dict[str, Object]:
    """Return the calls of a message under their ids: those with results, then those in parts."""
    calls: dict[str, Object] = {}
    listed = as_objects(spoken.get("toolCalls"))
    for number, call in enumerate(listed, start=1):
        calls[_free(as_text(call.get("id")) or f"{own_id}_call_{number}", calls)] = call
    for number, part in enumerate(as_objects(parts), start=len(listed) + 1):
        call = as_object(part.get("functionCall"))
        if call and not _stands_in(call, calls):
            calls[_free(as_text(call.get("id")) or f"{own_id}_call_{number}", calls)] = call
    return calls


def _free(wanted: str, calls: Collection[str]) -> str:
    while wanted in calls:
        wanted += "~"
    return wanted


def _stands_in(call: Object, calls: Mapping[str, Object]) -> bool:
    if as_text(call.get("id")):
        return call["id"] in calls
    return any(
        (other.get("name"), other.get("args")) == (call.get("name"), call.get("args"))
        for other in calls.values()
    )


def _without_calls(parts: JsonValue, calls: Mapping[str, Object]) -> JsonValue:
    """Return a content without its calls, which stand in ``tool_calls``.

    What a part says beside a call, for example a signature, stays at its place.
    """
    if not isinstance(parts, list):
        return parts
    kept: list[JsonValue] = []
    for part in parts:
        call = as_object(as_object(part).get("functionCall"))
        if not call or not isinstance(part, dict):
            kept.append(part)
        elif around := without(part, "functionCall"):
            named = {"id": call["id"]} if as_text(call.get("id")) in calls else {}
            kept.append({"type": "tool_use", **named, **around})
    return kept


def _with_thoughts(parts: JsonValue, rest: Object) -> tuple[JsonValue, Object]:
    """Return a content that begins with the thoughts, and what stays beside it."""
    content = [_thought_part(part) for part in parts] if isinstance(parts, list) else parts
    thoughts = as_list(rest.get("thoughts"))
    said = told_text({"content": content}) if isinstance(content, list) else ""
    thinking: list[JsonValue] = []
    others: list[JsonValue] = []
    for thought in thoughts:
        fields = as_object(thought)
        subject, text = as_text(fields.get("subject")), as_text(fields.get("description"))
        if not subject and not text:
            others.append(thought)
        elif not text or text not in said:
            words = f"**{subject}** {text or ''}".rstrip() if subject else text
            around = without(fields, "subject", "description")
            thinking.append(thinking_part(words, around))
    if thoughts and not others:
        rest = without(rest, "thoughts")
    elif others:
        rest = rest | {"thoughts": others}
    if not thinking:
        return content, rest
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    return [*thinking, *_listed(content)], rest


def _thought_part(part: JsonValue) -> JsonValue:
    text = as_text(as_object(part).get("text"))
    if not isinstance(part, dict) or part.get("thought") is not True or text is None:
        return part
    return thinking_part(text, without(part, "text", "thought"))


def _is_answered(call: Object) -> bool:
    has_result = call.get("result") not in (None, [])
    is_finished = as_text(call.get("status")) in _FINISHED
    return has_result or (is_finished and as_text(call.get("resultDisplay")) is not None)


def _beside(call: JsonValue) -> JsonValue:
    """Return what neither a call nor its result says; empty if that is only the id."""
    if not isinstance(call, dict):
        return call
    of_result = _OF_RESULT if _is_answered(call) else ()
    beside = without(call, "name", "args", *of_result)
    return {} if beside.keys() <= {"id"} else beside


def _result(call_id: str, call: Object, calls: Mapping[str, Object]) -> Message:
    """Return the message of a result; its id is made from the id of the call."""
    rest: Object = {key: call[key] for key in _OF_RESULT[1:] if key in call}
    listed = _listed(call.get("result"))
    others = calls.keys() - {call_id}
    # A result may list the results of all calls that were made together.
    own = [part for part in listed if as_text(_response(part).get("id")) not in others] or listed
    content = _content([piece for part in own for piece in _pieces(part, call_id, call)])
    if content is None:
        content = rest.pop("resultDisplay", None)
    elif rest.get("resultDisplay") == content:
        del rest["resultDisplay"]
    return message("tool", rest, id=f"{call_id}_result", content=content, tool_call_id=call_id)


def _response(part: JsonValue) -> Object:
    return as_object(as_object(part).get("functionResponse"))


def _pieces(part: JsonValue, call_id: JsonValue, call: Object) -> list[JsonValue]:
    """Return the parts that a part of a result becomes: its text first, then pictures in it."""
    response = _response(part)
    if not response:
        return [part]
    said = response.get("response")
    fields = as_object(said)
    text = next(
        (fields[key] for key in ("output", "error") if fields.keys() == {key}),
        said,
    )
    text = text if isinstance(text, str) else json_text(text)
    around = without(as_object(part), "functionResponse") | without(response, "response", "parts")
    for key, value in (("id", call_id), ("name", call.get("name"))):
        if around.get(key) == value:
            around.pop(key, None)
    first: JsonValue = {"type": "text", "text": text, **around} if around else text
    return [first, *_listed(response.get("parts"))]


def _content(pieces: list[JsonValue]) -> JsonValue:
    if len(pieces) <= 1:
        return pieces[0] if pieces and isinstance(pieces[0], str) else pieces or None
    return [text_part(one) for one in pieces]


def _responses(own_id: str, role: str, parts: list[JsonValue], rest: Object) -> Message:
    """Return the message of results that stand in a message of their own."""
    if len(parts) == 1:
        response = _response(parts[0])
        call_id = response.get("id")
        content = _content(_pieces(parts[0], call_id, response))
        return message("tool", rest, id=own_id, content=content, tool_call_id=call_id)
    made: list[JsonValue] = [_result_part(part) for part in parts]
    is_sole = all(map(_response, parts))
    return message("tool" if is_sole else role, rest, id=own_id, content=made)


def _result_part(part: JsonValue) -> JsonValue:
    response = _response(part)
    if not response:
        return part
    call_id = response.get("id")
    content = _content(_pieces(part, call_id, response))
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}
