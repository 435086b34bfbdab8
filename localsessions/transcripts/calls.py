"""The calls and the results in stored messages, in the shapes that programs have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_object, as_objects, as_text, json_text
from localsessions.transcripts.pieces import is_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["call_of", "calls_of", "id_of", "results_of"]


def calls_of(stored: Message) -> list[Object]:
    """Return the calls of a message of the assistant; others cannot call."""
    if stored["role"] != "assistant":
        return []
    listed = as_objects(stored.get("tool_calls"))
    known = {id_of(call) for call in listed}
    # Some programs keep a call in the content only.
    inside = [
        part
        for part in as_objects(stored.get("content"))
        if part.get("type") == "tool_use" and "input" in part and id_of(part) not in known
    ]
    return listed + inside


def id_of(call: Object) -> str:
    """Return the id of a call as a text; calls without one have the same."""
    return str(call.get("id"))


def results_of(stored: Message) -> Iterator[tuple[str, JsonValue]]:
    """Yield each result in a message: the id of its call, and the content."""
    call_id = as_text(stored.get("tool_call_id"))
    inside = [part for part in as_objects(stored.get("content")) if is_result(part)]
    if stored["role"] == "tool" and (call_id or not inside):
        yield str(call_id), stored.get("content")
        return
    for part in inside:
        # agentscope's blocks have an "id" and an "output".
        yield str(part.get("tool_use_id", part.get("id"))), part.get("content", part.get("output"))


def call_of(call: Object) -> Object:
    """Return a call in the words of chat completions, whichever program wrote it."""
    function = as_object(call.get("function")) or as_object(call.get("custom")) or call
    given = (function.get(key) for key in ("arguments", "args", "input"))
    arguments = next((one for one in given if one is not None and one != ""), {})
    if "custom" in call:
        arguments = {"input": arguments}  # free text, for example a patch; JSON is expected
    if not isinstance(arguments, str):
        arguments = json_text(arguments)
    return {
        "id": id_of(call),
        "type": "function",
        "function": {"name": as_text(function.get("name")) or "", "arguments": arguments},
    }
