"""The messages of Cursor's bubbles, and the order in which they were said.

A bubble is a message: ``type`` 1 or ``user``, 2 or ``ai``. A call of a tool stands with its result
in ``toolFormerData`` of a bubble and becomes a call and a message with the result. Most of the
fifty keys of a bubble are empty; those are left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_instant_text,
    as_object,
    as_objects,
    as_text,
    json_text,
    present,
    without,
)
from localsessions.transcripts.lines import json_of
from localsessions.transcripts.programs.blocks import thinking_part, with_thoughts
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["bubble_id", "bubble_messages", "in_time", "inline_bubbles"]

_ROLES: dict[JsonValue, str] = {1: "user", 2: "assistant", "user": "user", "ai": "assistant"}
_EPOCH_TIMES = ("clientRpcSendTime", "clientSettleTime", "clientEndTime")
_RICH = ("richText", "initText")
_PLAIN_NODES = frozenset({"root", "paragraph", "text", "linebreak", "tab"})
_EMPTY: tuple[JsonValue, ...] = (None, "", [], {})
_SILENT = frozenset(
    {
        *("type", "bubbleId", "id", "createdAt", "taken_back", "timingInfo", "tokenCount", "_v"),
        *("requestId", "usageUuid", "serverBubbleId", "checkpointId", "unifiedMode", "isAgentic"),
        *("capabilityType", "supportedTools", "isRefunded", "modelInfo"),
    }
)
_SHOWN = ("images", "selectedImages", "selections", "quotes", "terminalSelections", "externalLinks")


def bubble_messages(bubble: Object) -> Iterator[Message]:
    """Yield the message that a bubble is, and the result of its call; nothing if it is empty."""
    role = _ROLES.get(_kind(bubble), "unknown")
    call = as_object(bubble.get("toolFormerData"))
    is_call = as_text(call.get("name")) is not None
    text = as_text(bubble.get("text")) or as_text(bubble.get("rawText"))
    thought = as_text(as_object(bubble.get("thinking")).get("text"))
    says_more = _shows_more(bubble) if role == "user" else _says_more(bubble)
    if not (text or thought or is_call or says_more):
        return
    call_id = as_text(call.get("toolCallId")) or f"call_{bubble_id(bubble)}"
    rest = without(bubble, "type", "bubbleId", "id", "text")
    if is_call:
        rest["toolFormerData"] = without(call, "name", "toolCallId", "rawArgs", "result", "error")
    if thought:
        rest["thinking"] = without(as_object(bubble.get("thinking")), "text")
    if text and rest.get("rawText") == text:
        del rest["rawText"]
    rest = without(rest, *(key for key in _RICH if text and _is_copy(rest.get(key), text)))
    if (said_at := _said_at(bubble)) is not None:
        rest["createdAt"] = said_at
    made = message(
        role,
        {key: value for key, value in rest.items() if value not in _EMPTY},
        id=bubble_id(bubble),
        content=with_thoughts([thinking_part(thought)] if thought else [], text),
        time_key="createdAt",
        tool_calls=[tool_call(call_id, call["name"], _arguments(call))] if is_call else (),
    )
    yield made
    result = call.get("result") or call.get("error")
    if is_call and result:
        yield message(
            "tool",
            present(error=True if not call.get("result") else None),
            id=f"{bubble_id(bubble)}.result",
            content=result if isinstance(result, str) else json_text(result),
            tool_call_id=call_id,
        )


def _is_copy(rich: JsonValue, text: str) -> bool:
    """Tell whether a document of the editor (Lexical, as JSON) holds the text and no more."""
    try:
        root = json_of(rich.encode(errors="replace"))[0] if isinstance(rich, str) else rich
    except json.JSONDecodeError:
        return False
    nodes = [as_object(as_object(root).get("root"))]
    for node in nodes:
        if node.get("type") not in _PLAIN_NODES or str(node.get("text") or "") not in text:
            return False
        nodes.extend(as_objects(node.get("children")))
    return True


def _shows_more(bubble: Object) -> bool:
    """Tell whether a person's bubble without text shows something; the box to type in does not."""
    context = as_object(bubble.get("context"))
    return any(bubble.get(key) or context.get(key) for key in _SHOWN)


def _says_more(bubble: Object) -> bool:
    """Tell whether a bubble without text has a key that says something, such as an error."""
    return any(
        value not in _EMPTY and value is not False
        for key, value in bubble.items()
        if key not in _SILENT
    )


def _kind(bubble: Object) -> JsonValue:
    kind = bubble.get("type")
    return kind if isinstance(kind, str | int) and not isinstance(kind, bool) else None


def _arguments(call: Object) -> JsonValue:
    return as_text(call.get("rawArgs")) or call.get("rawArgs") or call.get("params")


def _said_at(bubble: Object) -> str | None:
    """Return when a bubble was said, if it does not say so itself but its timing does."""
    if as_instant(bubble.get("createdAt")) is not None:
        return None
    timing = as_object(bubble.get("timingInfo"))
    times = (timing.get(key) for key in _EPOCH_TIMES)
    # Where the clock is that of the process, a number is small.
    epoch = (time for time in times if isinstance(time, int | float) and time > 1e12)
    return next((text for time in epoch if (text := as_instant_text(time))), None)


def bubble_id(bubble: Object) -> str:
    """Return the id of a bubble; empty if it has none."""
    return as_text(bubble.get("bubbleId")) or as_text(bubble.get("id")) or ""


def inline_bubbles(composer: Object) -> list[Object]:
    """Return the bubbles that stand in a composer itself."""
    return as_objects(composer.get("conversation")) or as_objects(
        list(as_object(composer.get("conversationMap")).values())
    )


def in_time(bubbles: list[Object], others: list[Object]) -> list[Object]:
    """Return bubbles with others between them, where they were said; without a time at the end."""

    def said_at(bubble: Object) -> str:
        instant = as_instant(bubble.get("createdAt"))
        return instant.isoformat() if instant else "~"

    waiting = sorted(others, key=lambda bubble: (said_at(bubble), bubble_id(bubble)))
    ordered: list[Object] = []
    for bubble in bubbles:
        while waiting and said_at(waiting[0]) < said_at(bubble) != "~":
            ordered.append(waiting.pop(0))
        ordered.append(bubble)
    return ordered + waiting
