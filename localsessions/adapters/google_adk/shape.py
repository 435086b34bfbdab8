"""Events of ADK as messages of a session, and back. Pure; imports neither ADK nor Gemini's SDK.

What an event is as a message, by the parts of its content::

    text, thought, inline_data, ...    the user's or the assistant's; one plain text is a text
    function_call at the end           the same, with the calls in ``tool_calls``
    one function_response              the tool's, with the response as its content
    several function_response          the user's, with Anthropic's blocks of results
    none                               an event: of states, artifacts, compactions

The ``id`` is the event's, ``run_id`` its ``invocation_id``, ``created_at`` its ``timestamp``, and
``name`` its ``author``.

https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import Shape, Speech, speech_of
from localsessions.adapters.document.messages import EVENT
from localsessions.format import parse_json
from localsessions.transcripts.foreign import (
    as_instant,
    as_instant_text,
    as_object,
    as_objects,
    as_text,
    json_text,
)
from localsessions.transcripts.pieces import shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["ANYBODY", "SHAPE"]

Object: TypeAlias = "dict[str, JsonValue]"

ANYBODY = "assistant"
"""The author of what the assistants of other programs said, unless a service says another."""

_ROLES = {"user": "user", "model": "assistant"}
_ALPHABETS = (str.maketrans("-_", "+/"), str.maketrans("+/", "-_"))
"""Gemini's SDK writes bytes in the alphabet of URLs; data URLs, and all others, have the other."""


# -- an event as a message -------------------------------------------------------------------------


def _project(event: Object) -> Message:
    stamps = _stamps(event)
    content = as_object(event.get("content"))
    parts = as_objects(content.get("parts"))
    author = as_text(event.get("author"))
    if not parts or parts != content["parts"]:
        return {**stamps, "role": EVENT}
    if results := _results(parts):
        return {**stamps, **results}
    role = _ROLES.get(
        str(content.get("role", "")), "user" if author in (None, "user") else "assistant"
    )
    named: Message = {} if author is None or author == role == "user" else {"name": author}
    said, calls = _said_and_called(parts) if role == "assistant" else (parts, [])
    message: Message = {**stamps, "role": role, **named}
    if said:
        message["content"] = _content(said)
    if calls:
        message["tool_calls"] = [*map(_tool_call, calls)]
    return message


def _stamps(event: Object) -> Message:
    stamps: Message = {"id": own} if (own := as_text(event.get("id"))) else {}
    said_at = event.get("timestamp")
    if isinstance(said_at, float | int) and (told := as_instant_text(said_at)):
        stamps["created_at"] = told
    if run_id := as_text(event.get("invocation_id")):
        stamps["run_id"] = run_id
    return stamps


def _content(parts: Sequence[Object]) -> JsonValue:
    if len(parts) == 1 and parts[0].keys() == {"text"} and isinstance(parts[0]["text"], str):
        return parts[0]["text"]
    return [_in_alphabet(0, part) for part in parts]


def _in_alphabet(which: int, part: Object) -> Object:
    """Return a part with its data in the alphabet of all, 0, or of Gemini's SDK, 1."""
    inline = as_object(part.get("inline_data"))
    if not isinstance(data := inline.get("data"), str):
        return part
    return {**part, "inline_data": {**inline, "data": data.translate(_ALPHABETS[which])}}


def _said_and_called(parts: Sequence[Object]) -> tuple[Sequence[Object], Sequence[Object]]:
    """Return the parts before the calls at the end, and the calls."""
    count = len(parts)
    while count and as_text(as_object(parts[count - 1].get("function_call")).get("name")):
        count -= 1
    return parts[:count], [as_object(part["function_call"]) for part in parts[count:]]


def _tool_call(call: Object) -> JsonValue:
    function: Object = {"name": call["name"], "arguments": json_text(call.get("args", {}))}
    return {"id": call.get("id", call["name"]), "type": "function", "function": function}


def _results(parts: Sequence[Object]) -> Message:
    """Return what parts that are all results say; empty if some are none."""
    given = [as_object(part.get("function_response")) for part in parts]
    if not all(as_text(one.get("name")) and "response" in one for one in given):
        return {}
    told = [(one.get("id", one["name"]), one["name"], _told(one["response"])) for one in given]
    if len(told) == 1:
        call_id, name, content = told[0]
        return {"role": "tool", "name": name, "tool_call_id": call_id, "content": content}
    blocks: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": call_id, "name": name, "content": content}
        for call_id, name, content in told
    ]
    return {"role": "user", "content": blocks}


def _told(response: JsonValue) -> str:
    """Return a response as a text; ADK puts what is no object under ``result``."""
    if isinstance(response, dict) and response.keys() == {"result"}:
        text = response["result"]
        if isinstance(text, str) and not isinstance(_parsed(text), dict):
            return text
    return json_text(response)


# -- a message as events ---------------------------------------------------------------------------


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        return _spoken(message, speech_of(message))
    event = _stamped(message)
    if message["role"] == EVENT:
        return [event]
    role = "model" if message["role"] == "assistant" else "user"
    parts = _parts(message)
    if message["role"] not in ("tool", "user") or not _is_result(message):
        event["author"] = message.get("name", "user" if role == "user" else "")
    return [{**event, "content": {"parts": parts, "role": role}}] if parts else []


def _stamped(message: Message) -> Object:
    """Return what each event has: its names, and the actions of one that does nothing."""
    deltas = ("state_delta", "artifact_delta", "requested_auth_configs")
    actions: Object = {name: {} for name in (*deltas, "requested_tool_confirmations")}
    named: Object = {"id": message.get("id"), "invocation_id": message.get("run_id", "")}
    return {**named, "actions": actions, "node_info": {"path": ""}}


def _is_result(message: Message) -> bool:
    return message["role"] == "tool" or any(
        one.get("type") == "tool_result" for one in as_objects(message.get("content"))
    )


def _parts(message: Message) -> list[JsonValue]:
    content = message.get("content")
    if message["role"] == "tool":
        return [_response(message.get("tool_call_id"), message.get("name"), content)]
    if _is_result(message):
        return [
            _response(one.get("tool_use_id"), one.get("name"), one.get("content"))
            for one in as_objects(content)
        ]
    said: list[JsonValue] = [_in_alphabet(1, part) for part in as_objects(content)]
    if isinstance(content, str):
        said = [{"text": content}]
    return [*said, *map(_function_call, as_objects(message.get("tool_calls")))]


def _function_call(call: Object) -> JsonValue:
    function = as_object(call.get("function"))
    return _called(call.get("id"), function.get("name"), function.get("arguments"))


def _called(call_id: JsonValue, name: JsonValue, arguments: JsonValue) -> JsonValue:
    given = _parsed(arguments)
    args = given if isinstance(given, dict) else {"input": arguments}  # a person's edit
    return {"function_call": {"id": call_id, "args": args, "name": name}}


def _response(call_id: JsonValue, name: JsonValue, content: JsonValue) -> JsonValue:
    given = _parsed(content) if isinstance(content, str) else content
    response = given if isinstance(given, dict) else {"result": content}
    return {"function_response": {"id": call_id, "name": name, "response": response}}


def _parsed(text: JsonValue) -> JsonValue:
    try:
        return parse_json(str(text).encode(errors="surrogatepass"))
    except ValueError:
        return text


# -- a message of another program ------------------------------------------------------------------


def _spoken(message: Message, said: Speech) -> list[Object]:
    """Return the event of a message; its reasoning and its prompts are the program's own."""
    parts: list[JsonValue] = [
        _response(one.call_id, one.name or as_text(message.get("name")) or "tool", one.text)
        for one in said.results
    ]
    if said.role in ("user", "assistant"):
        parts += map(_part, said.parts)
    parts += [_called(one.id, one.name, one.arguments) for one in said.calls]
    if not parts:
        return []
    is_user = said.role == "user" and not said.results
    event = _stamped(message)
    if said_at := as_instant(message.get("created_at")):
        event["timestamp"] = said_at.timestamp()
    content: Object = {"parts": parts, "role": "model" if said.role == "assistant" else "user"}
    return [{**event, "author": "user" if is_user else ANYBODY, "content": content}]


def _part(part: Object) -> JsonValue:
    kind = part.get("type")
    if kind == "text":
        return {"text": part["text"]}
    if kind == "image_url":
        return _picture(str(as_object(part["image_url"])["url"]))
    return {"text": json_text(shortened(part))}


def _picture(url: str) -> JsonValue:
    if not url.startswith("data:"):
        return {"file_data": {"file_uri": url, "mime_type": "image/*"}}
    head, _, data = url.removeprefix("data:").partition(",")
    media_type = head.partition(";")[0] or "image/png"
    return {"inline_data": {"data": data.translate(_ALPHABETS[1]), "mime_type": media_type}}


SHAPE = Shape("google_adk", _project, _build)
"""Events of ADK as messages; see the module."""
