"""Messages of LangChain, as fields, as messages of a session and back. Pure; imports no LangChain.

What a message of LangChain is::

    human, system   the user's, the system's, with the same content
    ai              the assistant's, with its calls in ``tool_calls``
    tool            the tool's, with ``tool_call_id``
    anything else   an event
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from localsessions.adapters.document import Shape, Speech, speech_of
from localsessions.adapters.document.messages import EVENT
from localsessions.format import parse_json
from localsessions.transcripts.foreign import as_object, as_objects, as_text, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pydantic import JsonValue

    from localsessions import Message
    from localsessions.adapters.document import Typed

__all__ = ["KEY", "shape_of"]

Object: TypeAlias = "dict[str, JsonValue]"

KEY = "langgraph"
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_TYPES = {role: kind for kind, role in _ROLES.items()}


def shape_of(unpack: Callable[[Typed], Any]) -> Shape:
    """Return the shape of messages whose odd values a serializer can read again."""
    return Shape(KEY, _project, _build, unpack=unpack)


def _project(item: Object) -> Message:
    role = _ROLES.get(as_text(item.get("type")) or "")
    stamp: Message = {"id": item["id"]} if as_text(item.get("id")) else {}
    if role is None or "content" not in item:
        return {"role": EVENT, **stamp}
    message: Message = {**stamp, "role": role, "content": item["content"]}
    if as_text(item.get("name")):
        message["name"] = item["name"]
    if role == "tool" and as_text(item.get("tool_call_id")):
        message["tool_call_id"] = item["tool_call_id"]
    calls = as_objects(item.get("tool_calls"))
    if role == "assistant" and calls and not _has_calls(item["content"]):
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _has_calls(content: JsonValue) -> bool:
    """Tell whether a content says the calls itself, as Anthropic's do."""
    return any(part.get("type") == "tool_use" for part in as_objects(content))


def _call(call: Object) -> JsonValue:
    function: Object = {"name": call.get("name"), "arguments": json_text(call.get("args"))}
    return {"id": call.get("id"), "type": "function", "function": function}


def _build(message: Message, rest: Object | None) -> Sequence[Object]:
    if rest is None:
        return _spoken(speech_of(message))
    kind = _TYPES.get(as_text(message.get("role")) or "")
    # A message without an id has one in the session all the same.
    own: Object = {"id": message.get("id")} if rest.get("id", "own") else {}
    if kind is None:
        return [own]
    item: Object = {"type": kind, "content": message.get("content"), **own}
    for name in ("name", "tool_call_id"):
        if name in message:
            item[name] = message[name]
    may_call = "tool_calls" in message or isinstance(message.get("content"), list)
    if kind == "ai" and may_call and (calls := speech_of(message).calls):
        item["tool_calls"] = [_made_call(one.id, one.name, one.arguments) for one in calls]
    return [item]


def _made_call(call_id: str, name: str, arguments: str) -> JsonValue:
    try:
        parsed = parse_json(arguments.encode(errors="surrogatepass"))
    except ValueError:  # another program's, or a person's
        parsed = arguments
    given: Object = parsed if isinstance(parsed, dict) else {"input": parsed}
    return {"name": name, "args": given, "id": call_id, "type": "tool_call"}


def _spoken(said: Speech) -> list[Object]:
    """Return what a message of another program says; its prompts and reasoning are its own."""
    items: list[Object] = []
    for result in said.results:
        told: Object = {"type": "tool", "content": _content(result.parts)}
        named: Object = {"name": result.name} if result.name else {}
        items.append({**told, "tool_call_id": result.call_id, **named})
    if said.role == "user" and said.parts:
        items.append({"type": "human", "content": _content(said.parts)})
    if said.role == "assistant" and (said.parts or said.calls):
        spoken: Object = {"type": "ai", "content": _content(said.parts)}
        if said.calls:
            calls = [_made_call(one.id, one.name, one.arguments) for one in said.calls]
            spoken["tool_calls"] = calls
        items.append(spoken)
    return items


def _content(parts: list[Object]) -> JsonValue:
    if all(as_object(part).get("type") == "text" for part in parts):
        return "\n".join(str(part["text"]) for part in parts)
    return [*parts]
