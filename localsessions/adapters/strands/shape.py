"""Messages of Strands Agents as messages, and back. Pure; imports nothing of Strands.

An item is a record of a message, after ``SessionMessage.to_dict``, so that bytes are
``{"__bytes_encoded__": true, "data": base64}``::

    message                  its ``role``, its ``content`` in blocks of Bedrock's, ``tracking_id``
    message_id               its number among the messages of its agent
    created_at, updated_at   instants; a message in a snapshot has none of these three
    redacted, original       whether it was redacted, and what it was before if that is still there

As a message, blocks are those of Anthropic's interface, which everybody reads: a single text is the
content, calls at the end are ``tool_calls``, a single result is the tool's message.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import Shape, Speech, speech_of
from localsessions.adapters.document.messages import EVENT
from localsessions.format import parse_json
from localsessions.transcripts.foreign import (
    as_instant_text,
    as_object,
    as_objects,
    as_text,
    json_text,
)
from localsessions.transcripts.pieces import is_result, shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SHAPE", "Object", "item_of", "record_of"]

Object: TypeAlias = "dict[str, JsonValue]"

_SPEAKERS = ("user", "assistant")
_PICTURE = "data:image/"


def item_of(record: Object) -> Object:
    """Return the item of a record, a ``SessionMessage`` as a dict in JSON's types."""
    item = {name: value for name, value in record.items() if name != "redact_message"}
    redacted = record.get("redact_message")
    if redacted is None:
        return item
    original = item["message"]
    kept: Object = {} if original == redacted else {"original": original}
    return {**item, "message": redacted, "redacted": True, **kept}


def record_of(item: Object) -> Object:
    """Return the record that ``item_of`` made an item of."""
    record = {name: one for name, one in item.items() if name not in ("redacted", "original")}
    if item.get("redacted") is not True:
        return {**record, "redact_message": None}
    spoken = item["message"]
    return {**record, "message": item.get("original", spoken), "redact_message": spoken}


# -- an item as a message --------------------------------------------------------------------------


def _project(item: Object) -> Message:
    stamps: Message = {}
    said_at = item.get("created_at")
    if isinstance(said_at, str) and as_instant_text(said_at) == said_at:
        stamps["created_at"] = said_at
    spoken = as_object(item.get("message"))
    role, content = spoken.get("role"), spoken.get("content")
    if role not in _SPEAKERS or not isinstance(content, list):
        return {**stamps, "role": EVENT}
    shown = [*map(_shown, content)]
    if role == "user" and len(shown) == 1 and (told := _told(as_object(shown[0]))):
        return {**stamps, "role": "tool", **told}
    calls = _calls_at_the_end(shown) if role == "assistant" else []
    if not calls:
        return {**stamps, "role": role, "content": _content(shown)}
    kept = shown[: -len(calls)]
    said: Message = {"content": _content(kept)} if kept else {}
    return {**stamps, "role": role, **said, "tool_calls": calls}


def _told(shown: Object) -> Message:
    """Return the result of a call as fields of the tool's message; empty for any other block."""
    if not is_result(shown) or not {"tool_use_id", "content"} <= shown.keys():
        return {}
    error: Message = {"is_error": True} if "is_error" in shown else {}
    return {"tool_call_id": shown["tool_use_id"], "content": shown["content"], **error}


def _content(shown: list[JsonValue]) -> JsonValue:
    """Return the content that blocks are: a single text is no list."""
    if len(shown) == 1 and (only := as_object(shown[0])).keys() == {"type", "text"}:
        return only["text"]
    return shown


def _calls_at_the_end(shown: Sequence[JsonValue]) -> list[JsonValue]:
    calls: list[JsonValue] = []
    for block in reversed(shown):
        fields = as_object(block)
        if fields.get("type") != "tool_use":
            break
        function: Object = {"name": fields.get("name"), "arguments": json_text(fields.get("input"))}
        calls.insert(0, {"id": fields.get("id"), "type": "function", "function": function})
    return calls


def _shown(block: JsonValue) -> JsonValue:
    """Return a block as Anthropic's interface has it; one that it has not, as it is."""
    fields = as_object(block)
    if isinstance(text := fields.get("text"), str):
        return {"type": "text", "text": text}
    if isinstance(called := fields.get("toolUse"), dict) and "input" in called:
        own: Object = {"id": called.get("toolUseId"), "name": called.get("name")}
        return {"type": "tool_use", **own, "input": called["input"]}
    result = as_object(fields.get("toolResult"))
    if (call_id := as_text(result.get("toolUseId"))) and isinstance(result.get("content"), list):
        error: Object = {"is_error": True} if result.get("status") == "error" else {}
        told = _content([*map(_shown, result["content"])])  # type: ignore[arg-type]  # a list
        return {"type": "tool_result", "tool_use_id": call_id, "content": told, **error}
    thought = as_object(as_object(fields.get("reasoningContent")).get("reasoningText"))
    if isinstance(text := thought.get("text"), str):
        return {"type": "thinking", "thinking": text}
    return _picture(as_object(fields.get("image"))) or block


def _picture(image: Object) -> Object | None:
    data = as_object(as_object(image.get("source")).get("bytes"))
    kind = as_text(image.get("format"))
    if kind is None or data.get("__bytes_encoded__") is not True:
        return None
    source: Object = {"type": "base64", "media_type": f"image/{kind}", "data": data.get("data")}
    return {"type": "image", "source": source}


# -- a message as items ----------------------------------------------------------------------------


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        spoken = _spoken(speech_of(message))
        return [] if spoken is None else [{"message": spoken}]
    if message["role"] == EVENT:
        return []
    # A message in a snapshot is no record: it has neither a number nor instants.
    stamps: Object = {"created_at": message.get("created_at")} if "message_id" in rest else {}
    return [{"message": _inner(message), **stamps}]


def _inner(message: Message) -> Object:
    role, content = message["role"], message.get("content")
    if role == "tool":
        return {"role": "user", "content": [_result(message, message.get("tool_call_id"))]}
    calls = [_called(call) for call in as_objects(message.get("tool_calls"))]
    return {"role": role, "content": [*_blocks(content), *calls]}


def _result(told: Object, call_id: JsonValue) -> Object:
    status = "error" if told.get("is_error") is True else "success"
    content = _blocks(told.get("content"))
    return {"toolResult": {"toolUseId": call_id, "status": status, "content": content}}


def _called(call: Object) -> Object:
    function = as_object(call.get("function"))
    return _call(call.get("id"), function.get("name"), _parsed(function.get("arguments")))


def _call(call_id: JsonValue, name: JsonValue, given: JsonValue) -> Object:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": given}}


def _parsed(arguments: JsonValue) -> JsonValue:
    try:
        return parse_json(str(arguments).encode(errors="surrogatepass"))
    except ValueError:  # a person's edit
        return {"input": arguments}


def _blocks(content: JsonValue) -> list[JsonValue]:
    if isinstance(content, str):
        return [{"text": content}]
    return [*map(_block, content)] if isinstance(content, list) else []


def _block(shown: JsonValue) -> JsonValue:
    """Return a block of Strands: what ``_shown`` made of it, or any other program."""
    fields = as_object(shown)
    match fields.get("type"):
        case "text":
            return {"text": fields.get("text")}
        case "tool_use":
            given: Object = {"toolUseId": fields.get("id"), "name": fields.get("name")}
            return {"toolUse": {**given, "input": fields.get("input")}}
        case "tool_result":
            return _result(fields, fields.get("tool_use_id"))
        case "thinking":
            return {"reasoningContent": {"reasoningText": {"text": fields.get("thinking")}}}
        case "image":
            source = as_object(fields.get("source"))
            return _image(str(source.get("media_type")), source.get("data"))
    return shown


def _image(media_type: str, data: JsonValue) -> Object:
    encoded: Object = {"__bytes_encoded__": True, "data": data}
    return {"image": {"format": media_type.removeprefix("image/"), "source": {"bytes": encoded}}}


def _spoken(said: Speech) -> Object | None:
    """Return what another program's message says; its reasoning and prompts are its own."""
    blocks: list[JsonValue] = [
        {
            "toolResult": {
                "toolUseId": one.call_id,
                "status": "success",
                "content": [*map(_given, one.parts)],
            }
        }
        for one in said.results
    ]
    if said.role in _SPEAKERS:
        blocks += map(_given, said.parts)
    blocks += [_call(call.id, call.name, _as_input(call.arguments)) for call in said.calls]
    if not blocks:
        return None
    return {"role": "assistant" if said.role == "assistant" else "user", "content": blocks}


def _as_input(arguments: str) -> Object:
    """Return the arguments of a call as an object: models take no other input."""
    parsed = _parsed(arguments)
    return parsed if isinstance(parsed, dict) else {"input": parsed}


def _given(part: Object) -> JsonValue:
    if part.get("type") == "text":
        return {"text": part["text"]}
    url = str(as_object(part.get("image_url")).get("url"))
    head, comma, data = url.partition(",")
    if comma and head.startswith(_PICTURE) and head.endswith(";base64"):
        return _image(head.removeprefix("data:").removesuffix(";base64"), data)
    return {"text": json_text(shortened(part))}


SHAPE = Shape("strands", _project, _build)
"""Records of messages as messages; see the module."""
