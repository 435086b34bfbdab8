"""What a stored message says, whichever program wrote it: its texts, pictures, calls, results.

Messages come in the shapes of OpenAI (chat completions and Responses), Anthropic and Gemini. An
adapter that reads a message of another program builds its own types from the one shape here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from localsessions.models import message_text, reasoning_text
from localsessions.models.calls import is_item
from localsessions.transcripts.calls import call_of, calls_of, results_of
from localsessions.transcripts.foreign import as_object, as_text, json_text, without
from localsessions.transcripts.pieces import picture_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["Call", "Result", "Speech", "source_of", "speech_of"]

Object: TypeAlias = "dict[str, JsonValue]"

_TEXTS = ("text", "input_text", "output_text", "refusal")
_ELSEWHERE = ("tool_use", "tool_result", "thinking", "redacted_thinking", "reasoning")
_GEMINI = ("functionCall", "function_call", "functionResponse", "function_response")
_CHAT = ("system", "developer", "user", "assistant", "tool")


class Call(NamedTuple):
    """A call of a tool.

    Attributes:
        id: The id to which its result refers.
        name: The tool.
        arguments: JSON, as a text.
    """

    id: str
    name: str
    arguments: str


class Result(NamedTuple):
    """The result of a call.

    Attributes:
        call_id: The call.
        name: The tool; empty if the program does not say it.
        parts: As in ``Speech``.
    """

    call_id: str
    name: str
    parts: list[Object]

    @property
    def text(self) -> str:
        """The texts of the result, line by line."""
        return _text_of(self.parts)


class Speech(NamedTuple):
    """What a message says.

    Attributes:
        role: "system", "user", "assistant" or "tool"; empty for what is no chat.
        parts: What is said, in order, in the words of chat completions: ``{"type": "text",
            "text"}``, ``{"type": "image_url", "image_url": {"url"}}``; other kinds as they came.
        thoughts: The reasoning before it; only a person may read it, no other model.
        calls: The calls of the assistant.
        results: The results that the message brings; its parts are not among ``parts``.
    """

    role: str
    parts: list[Object]
    thoughts: str
    calls: list[Call]
    results: list[Result]

    @property
    def text(self) -> str:
        """The texts that are said, line by line."""
        return _text_of(self.parts)


def speech_of(message: Message) -> Speech:
    """Return what a message says; takes any message, changes and shares nothing of it."""
    if message.get("role") == "model" or "parts" in message or _calls_in_parts(message):
        message = _of_gemini(message)
    elif is_item(message) and "call_id" in message:
        message = _of_responses(message)
    role = as_text(message.get("role")) or ""
    if role not in _CHAT:
        return Speech("", [], "", [], [])
    results = [
        Result(call_id, as_text(message.get("name")) or "", _parts(content))
        for call_id, content in results_of(message)
    ]
    is_result = role == "tool" and bool(results)
    return Speech(
        "system" if role == "developer" else role,
        [] if is_result else _parts(message.get("content")),
        reasoning_text(message),
        [_call(call) for call in calls_of(message)],
        results,
    )


def _of_responses(item: Message) -> Message:
    """Return a call or an output of the Responses interface as a chat message."""
    kind, call_id = str(item["type"]), item["call_id"]
    if kind.endswith("_output"):
        return {"role": "tool", "tool_call_id": call_id, "content": item.get("output")}
    given = next((item[key] for key in ("arguments", "action", "operation") if key in item), None)
    arguments = {"input": item.get("input")} if given is None else given
    function: Object = {"name": item.get("name") or kind.removesuffix("_call")}
    call: Object = {"id": call_id, "function": {**function, "arguments": arguments}}
    return {"role": "assistant", "content": item.get("content"), "tool_calls": [call]}


def _calls_in_parts(message: Message) -> bool:
    """Tell whether calls or results stand among the parts of a content, as Gemini has them."""
    parts = message.get("content")
    return isinstance(parts, list) and any(
        key in part for part in parts if isinstance(part, dict) for key in _GEMINI
    )


def _of_gemini(message: Message) -> Message:
    """Return a message of Gemini's with the blocks that Anthropic's have."""
    content = message.get("content", message.get("parts"))
    parts = [_block(part) for part in content] if isinstance(content, list) else content
    role = "assistant" if message.get("role") == "model" else message.get("role")
    return {**message, "role": role, "content": parts}


def _block(part: JsonValue) -> JsonValue:
    fields = as_object(part)
    if call := as_object(fields.get("functionCall", fields.get("function_call"))):
        called: Object = {"id": call.get("id", call.get("name")), "name": call.get("name")}
        return {"type": "tool_use", **called, "input": call.get("args") or {}}
    if result := as_object(fields.get("functionResponse", fields.get("function_response"))):
        told = json_text(result.get("response"))
        call_id = result.get("id", result.get("name"))
        return {"type": "tool_result", "tool_use_id": call_id, "content": told}
    return part


def _call(given: Object) -> Call:
    call = call_of(given)
    function = as_object(call["function"])
    return Call(str(call["id"]), str(function["name"]), str(function["arguments"]))


def _parts(content: JsonValue) -> list[Object]:
    listed = content if isinstance(content, list) else [content]
    return [part for piece in listed if (part := _part(piece)) is not None]


def _part(piece: JsonValue) -> Object | None:
    """Return a piece of a content as a part; None for what stands elsewhere, or says nothing."""
    if isinstance(piece, str):
        return {"type": "text", "text": piece} if piece else None
    fields = as_object(piece)
    kind = as_text(fields.get("type")) or ""
    if kind in _ELSEWHERE or fields.get("thought") is True:
        return None
    if picture := picture_of(fields):
        return {"type": "image_url", "image_url": {"url": picture.url}}
    if kind in _TEXTS or not kind:
        text = message_text({"content": fields})
        return {"type": "text", "text": text} if text else None
    return without(fields)


def _text_of(parts: list[Object]) -> str:
    return "\n".join(text for part in parts if (text := message_text({"content": [part]})))


def source_of(url: str) -> Object:
    """Return what Anthropic's blocks have as ``source``, of the URL of a picture or a file."""
    if url.startswith("data:"):
        head, _, data = url.removeprefix("data:").partition(",")
        return {"type": "base64", "media_type": head.partition(";")[0], "data": data}
    return {"type": "url", "url": url}
