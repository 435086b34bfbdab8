"""Items of the Responses API, as the SDK keeps them, as messages and back. Pure; imports no SDK.

What an item is as a message::

    {"role", "content"}     the same role and content
    function_call, *_call   the assistant's, with the call in ``tool_calls``
    *_call_output           the tool's, with the output as its content
    reasoning               the assistant's, with the summary as thinking
    anything else           an event

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import Shape, Speech, speech_of
from localsessions.adapters.document.messages import EVENT
from localsessions.format import parse_json
from localsessions.transcripts.foreign import as_object, as_objects, as_text, json_text
from localsessions.transcripts.pieces import shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SHAPE"]

Object: TypeAlias = "dict[str, JsonValue]"

_ROLES = ("user", "assistant", "system", "developer")
_ACTIONS = {"apply_patch_call": "operation"}
"""Where a call has what it does; all others have an ``action``."""


# -- an item as a message --------------------------------------------------------------------------


def _project(item: Object) -> Message:
    kind = item.get("type")
    if kind in (None, "message") and item.get("role") in _ROLES and "content" in item:
        return {"role": item["role"], "content": item["content"]}
    if kind == "reasoning" and (thoughts := _thoughts(item)):
        return {"role": "assistant", "content": thoughts}
    call_id = as_text(item.get("call_id"))
    if not isinstance(kind, str) or call_id is None:
        return {"role": EVENT}
    if kind.endswith("_call_output") and "output" in item:
        return {"role": "tool", "content": item["output"], "tool_call_id": call_id}
    arguments = _arguments(kind, item)
    if arguments is None:
        return {"role": EVENT}
    function: Object = {"name": _name(kind, item), "arguments": arguments}
    return {
        "role": "assistant",
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def _thoughts(item: Object) -> list[JsonValue]:
    return [
        {"type": "thinking", "thinking": text}
        for part in as_objects(item.get("summary"))
        if (text := as_text(part.get("text")))
    ]


def _name(kind: str, item: Object) -> JsonValue:
    return as_text(item.get("name")) or kind.removesuffix("_call")


def _arguments(kind: str, item: Object) -> str | None:
    """Return the arguments of a call as JSON; None if the item is no call."""
    if kind == "function_call":
        return as_text(item.get("arguments"))
    if kind == "custom_tool_call":
        given = item.get("input")
        return json_text({"input": given}) if isinstance(given, str) else None
    done = item.get(_ACTIONS.get(kind, "action")) if kind.endswith("_call") else None
    return None if done is None else json_text(done)


# -- a message as items ----------------------------------------------------------------------------


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        return _spoken(speech_of(message))
    kind, role = as_text(rest.get("type")) or "message", message["role"]
    if role == EVENT:
        return []
    if kind == "reasoning":
        return [{"summary": _summary(message.get("content"))}]
    if kind.endswith("_call_output"):
        return [{"call_id": message.get("tool_call_id"), "output": message.get("content")}]
    if kind.endswith("_call"):
        return _called(kind, message)
    return [{"role": role, "content": message.get("content")}]


def _summary(content: JsonValue) -> list[JsonValue]:
    return [{"type": "summary_text", "text": part.get("thinking")} for part in as_objects(content)]


def _called(kind: str, message: Message) -> list[Object]:
    """Return the call that an item was, after what a person wrote beside it."""
    said = speech_of(message)
    calls = as_objects(message.get("tool_calls"))
    if not calls:
        return []
    function = as_object(calls[-1].get("function"))
    arguments = function.get("arguments")
    own: Object = {"call_id": calls[-1].get("id")}
    if kind in ("function_call", "custom_tool_call"):
        own["name"] = function.get("name")
    if kind == "function_call":
        own["arguments"] = arguments
    elif kind == "custom_tool_call":
        own["input"] = as_object(_parsed(arguments)).get("input")
    else:
        own[_ACTIONS.get(kind, "action")] = _parsed(arguments)
    return [*_spoken(said)[: -len(said.calls)], own] if said.calls else [own]


def _parsed(arguments: JsonValue) -> JsonValue:
    try:
        return parse_json(str(arguments).encode(errors="surrogatepass"))
    except ValueError:  # a person's edit; the tool will say so
        return arguments


def _spoken(said: Speech) -> list[Object]:
    """Return the items of a message of another program; its reasoning and prompts are its own."""
    items: list[Object] = [
        {"type": "function_call_output", "call_id": one.call_id, "output": _given(one.parts)}
        for one in said.results
    ]
    if said.role == "assistant" and said.text:
        items.append({"role": "assistant", "content": said.text})
    elif said.role == "user" and said.parts:
        items.append({"role": "user", "content": _given(said.parts)})
    for call in said.calls:
        named: Object = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
        items.append({"type": "function_call", **named})
    return items


def _given(parts: list[Object]) -> JsonValue:
    """Return what a model is given: a text, or parts if there is more than text."""
    if all(part.get("type") == "text" for part in parts):
        return "\n".join(str(part["text"]) for part in parts)
    return [_input(part) for part in parts]


def _input(part: Object) -> JsonValue:
    kind = part.get("type")
    if kind == "text":
        return {"type": "input_text", "text": part["text"]}
    if kind == "image_url":
        url = as_object(part["image_url"])["url"]
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if kind == "file" and (file := as_object(part.get("file"))):
        return {"type": "input_file", **file}
    if kind in ("input_file", "input_audio"):
        return part
    return {"type": "input_text", "text": json_text(shortened(part))}


SHAPE = Shape("openai_agents", _project, _build)
"""Items of the SDK as messages; see the module."""
