"""Tool calls and their results inside messages, in the shapes of four interfaces. Pure.

Where they stand::

    Chat completions   ``tool_calls``; a message "tool" with ``tool_call_id``
    Responses          an item "function_call" with ``call_id``; an item "function_call_output"
    Anthropic          a block "tool_use" with ``id``; a message "user" with blocks "tool_result"
    Gemini             a part ``functionCall``; a message "user" with parts ``functionResponse``

Parts in snake case count too, and blocks "tool_result" with an ``id``. What has no id is known by
the name of its tool. Calls and results are named by their places among those of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "INTERRUPTED_RESULT",
    "ITEM_ROLES",
    "brings_results",
    "calls_in",
    "is_item",
    "only_results",
    "results_for",
    "results_in",
    "says_nothing",
    "with_results",
    "without_calls",
    "without_results",
]

Message: TypeAlias = "dict[str, JsonValue]"
Part: TypeAlias = "Mapping[str, JsonValue]"

INTERRUPTED_RESULT: Final = "No result: the run was interrupted before this call returned."
"""What a call is answered with that did not return."""

_CALLS = (
    *("function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call"),
    "apply_patch_call",
)
_OUTPUTS = tuple(f"{kind}_output" for kind in _CALLS)

ITEM_ROLES: Final[Mapping[str, str]] = {
    "reasoning": "assistant",
    **dict.fromkeys(_CALLS, "assistant"),
    **dict.fromkeys(_OUTPUTS, "tool"),
}
"""The roles of those items of the Responses interface that have none, by ``type``."""


def is_item(message: Part) -> bool:
    """Tell whether a message is a call, a result or a thought of the Responses interface."""
    return message.get("type") in ITEM_ROLES


def calls_in(message: Part) -> list[str]:
    """Return the keys of the calls in a message: ids or, without one, names of tools."""
    if is_item(message):
        return [_key(message, "call_id", "name")] if message["type"] in _CALLS else []
    listed = map(_listed_key, _objects(message.get("tool_calls")))
    return [key for key in (*listed, *map(_call_key, _parts(message))) if key]


def results_in(message: Part) -> list[str]:
    """Return the keys of the calls whose results are in a message."""
    if is_item(message):
        return [_key(message, "call_id")] if message["type"] in _OUTPUTS else []
    inside = [key for part in _parts(message) if (key := _result_key(part))]
    if inside or message.get("role") not in ("tool", "function"):
        return inside
    key = _key(message, "tool_call_id", "tool_name", "name")
    return [key] if key else []


def brings_results(message: Part) -> bool:
    """Tell whether a message has results of calls, known or not."""
    return message.get("role") in ("tool", "function") or bool(results_in(message))


# -- messages made of others ---------------------------------------------------------------------


def results_for(message: Part, places: Collection[int]) -> list[Message]:
    """Return messages that answer some of a message's calls: they were interrupted."""
    if is_item(message):
        said: Message = {"type": f"{message['type']}_output", "call_id": message.get("call_id")}
        return [{**said, "role": "tool", "output": INTERRUPTED_RESULT}] if places else []
    listed = list(filter(_listed_key, _objects(message.get("tool_calls"))))
    made = [_tool_message(one) for place, one in enumerate(listed) if place in places]
    inside = _answers(message, places)
    return [*made, {"role": "user", _parts_key(message): inside}] if inside else made


def with_results(results: Message, message: Part, places: Collection[int]) -> Message | None:
    """Return a message of results that answers more of a message's calls, before the others.

    None where each result is a message of its own.
    """
    key, inside = _parts_key(message), _answers(message, places)
    former = results.get(key)
    if not inside or not isinstance(former, list):
        return None
    return {**results, key: [*inside, *former]}


def without_calls(message: Message, places: Collection[int]) -> Message | None:
    """Return a message without some of its calls; None if it says nothing without them."""
    if is_item(message):
        return None if places else message
    calls = iter(range(len(calls_in(message))))
    listed = list(_objects(message.get("tool_calls")))
    kept: list[JsonValue] = [
        one for one in listed if not (_listed_key(one) and next(calls) in places)
    ]
    left: Message = {**message, "tool_calls": kept} if len(kept) < len(listed) else message
    if not left.get("tool_calls"):
        left = {key: value for key, value in left.items() if key != "tool_calls"}
    return _with_parts(left, lambda part: bool(_call_key(part)) and next(calls) in places)


def without_results(message: Message, places: Collection[int]) -> Message | None:
    """Return a message without some of its results; None if it says nothing without them."""
    results = iter(range(len(results_in(message))))
    if not any(map(_result_key, _parts(message))):
        return None if places else message
    return _with_parts(message, lambda part: bool(_result_key(part)) and next(results) in places)


def only_results(message: Message, places: Collection[int]) -> Message:
    """Return a message with some of its results, and nothing else."""
    results = list(filter(_result_key, _parts(message)))
    if not results:
        return message
    kept: list[JsonValue] = [part for place, part in enumerate(results) if place in places]
    return {**message, _parts_key(message): kept}


def says_nothing(message: Part) -> bool:
    """Tell whether a message has neither content nor calls nor results."""
    is_empty = not any(map(message.get, ("content", "parts", "refusal", "audio")))
    return is_empty and not is_item(message) and not calls_in(message) and not results_in(message)


def _with_parts(message: Message, is_gone: Callable[[Part], bool]) -> Message | None:
    """Return a message without some parts; None if it says nothing without them."""
    key = _parts_key(message)
    former = message.get(key)
    if isinstance(former, list):
        kept = [part for part in former if not (isinstance(part, dict) and is_gone(part))]
        message = {**message, key: kept} if len(kept) < len(former) else message
    return None if says_nothing(message) else message


# -- the shapes ----------------------------------------------------------------------------------


def _parts_key(message: Part) -> str:
    return "parts" if isinstance(message.get("parts"), list) else "content"


def _parts(message: Part) -> Iterator[Message]:
    return _objects(message.get(_parts_key(message)))


def _objects(value: JsonValue) -> Iterator[Message]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _object(part: Part, *names: str) -> Part:
    return next((found for name in names if isinstance(found := part.get(name), dict)), {})


def _key(part: Part, *names: str) -> str:
    return next((found for name in names if isinstance(found := part.get(name), str)), "")


def _listed_key(call: Part) -> str:
    return _key(call, "id") or _key(_object(call, "function", "custom"), "name")


def _call_key(part: Part) -> str:
    if part.get("type") == "tool_use":
        return _key(part, "id", "name")
    return _key(_object(part, "functionCall", "function_call"), "id", "name")


def _result_key(part: Part) -> str:
    if part.get("type") == "tool_result":
        return _key(part, "tool_use_id", "id", "name")
    return _key(_object(part, "functionResponse", "function_response"), "id", "name")


def _tool_message(call: Part) -> Message:
    name = _key(_object(call, "function", "custom"), "name")
    known = {"tool_call_id": call["id"]} if call.get("id") else {"tool_name": name}
    return {"role": "tool", **known, "content": INTERRUPTED_RESULT}


def _answers(message: Part, places: Collection[int]) -> list[JsonValue]:
    """Return parts that answer those of some places that are parts themselves."""
    first = sum(1 for one in _objects(message.get("tool_calls")) if _listed_key(one))
    parts = list(filter(_call_key, _parts(message)))
    return [_answer(part) for place, part in enumerate(parts, first) if place in places]


def _answer(part: Part) -> Message:
    if part.get("type") == "tool_use":
        result: Message = {"type": "tool_result", "tool_use_id": _key(part, "id")}
        return {**result, "content": INTERRUPTED_RESULT, "is_error": True}
    is_camel = "functionCall" in part
    call = _object(part, "functionCall", "function_call")
    named = {key: call[key] for key in ("id", "name") if key in call}
    response: Message = {**named, "response": {"error": INTERRUPTED_RESULT}}
    return {"functionResponse" if is_camel else "function_response": response}
