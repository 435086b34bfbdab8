"""The parts of a message that a person looks at, whatever API or program it came from.

Calls and their results have many shapes: OpenAI's ``tool_calls`` and role ``tool``, Anthropic's
parts ``tool_use`` and ``tool_result``, Gemini's ``functionCall`` and ``functionResponse``. Here
they are one. Nothing here raises on any JSON, and no text is made safe yet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from localsessions.cli.screen.attachments import Attachment, attachment_of
from localsessions.models import message_text, reasoning_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["Call", "Other", "Part", "Result", "Said", "Thought", "calls_of", "json_of", "parts_of"]


class Said(NamedTuple):
    """A text that was said."""

    text: str


class Thought(NamedTuple):
    """What was thought before it was said."""

    text: str


class Other(NamedTuple):
    """A part that is neither text nor data nor a call."""

    kind: str
    value: JsonValue


class Call(NamedTuple):
    """A call of a tool, with its arguments as they are stored."""

    name: str
    arguments: JsonValue
    call_id: str | None

    def decoded(self) -> JsonValue:
        """Return the arguments; an object also if a text of JSON holds it."""
        if not isinstance(self.arguments, str):
            return self.arguments
        try:
            decoded = json.loads(self.arguments)
        except (ValueError, RecursionError):
            return self.arguments
        return decoded if isinstance(decoded, dict) else self.arguments


class Result(NamedTuple):
    """What a tool answered; ``call_id`` or ``name`` says to which call, or nothing does."""

    content: tuple[Said | Attachment, ...]
    call_id: str | None
    name: str
    is_error: bool = False


Part: TypeAlias = Said | Thought | Other | Call | Result | Attachment


def parts_of(message: Message) -> list[Part]:
    """Return what was thought, then what was said and called, in order."""
    thought = reasoning_text(message)
    inside = list(_inside(message))
    parts: list[Part] = [Thought(thought), *inside] if thought else inside
    parts += _others(_calls_beside(message), inside)
    for call in _objects(message.get("toolCalls")):  # gemini-cli keeps the result in the call
        if "result" in call:
            parts.append(_result(call, call["result"]))
    return parts


def calls_of(message: Message) -> list[Call]:
    """Return the calls of a message: those beside its content, then those in it."""
    beside = list(_calls_beside(message))
    inside = (part for part in _inside(message) if isinstance(part, Call))
    return [*beside, *_others(inside, beside)]


def _others(calls: Iterable[Call], known: Sequence[Part]) -> list[Call]:
    """Return the calls that are not known yet: some programs keep a call in both places."""
    ids = {part.call_id for part in known if isinstance(part, Call)} - {None}
    return [call for call in calls if call.call_id not in ids]


def _inside(message: Message) -> Iterator[Part]:
    content = message.get("content")
    if _is_answer(message):
        yield _result(message, content)
        return
    for part in content if isinstance(content, list) else [content]:
        yield from _part(part)


def _is_answer(message: Message) -> bool:
    """Tell whether a whole message is the result of a tool."""
    if message.get("role") not in ("tool", "function") and "tool_call_id" not in message:
        return False
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return not any(isinstance(part, dict) and _response(part) is not None for part in parts)


def _part(part: JsonValue) -> Iterator[Part]:
    if isinstance(part, str):
        if part.strip():
            yield Said(part)
    elif isinstance(part, dict):
        yield from _of_object(part)
    elif isinstance(part, list):
        for one in part:
            yield from _part(one) if not isinstance(one, list) else [Other("list", one)]


def _of_object(part: dict[str, JsonValue]) -> Iterator[Part]:
    kind = part.get("type")
    called = part.get("functionCall", part.get("function_call"))
    if isinstance(called, dict):
        yield _call(called)
    elif kind in _CALLS:
        if _ARGUMENTS & part.keys():  # else the call stands in ``tool_calls``
            yield _call(part)
    elif (answer := _response(part)) is not None:
        yield answer
    elif (attachment := attachment_of(part)) is not None:
        yield attachment
    elif text := message_text({"content": [part]}):
        if text.strip():
            yield Said(text)
    elif not (_is_thought(part) or isinstance(part.get("text"), str)):
        yield Other(str(kind or "object"), part)


def _is_thought(part: dict[str, JsonValue]) -> bool:
    return part.get("type") in _THOUGHTS or bool(reasoning_text({"content": [part]}))


_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use", "tool_call", "function_call")
_ARGUMENTS = {"input", "arguments", "args"}
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")


def _response(part: dict[str, JsonValue]) -> Result | None:
    """Return the result that a part of a content is."""
    answered = part.get("functionResponse", part.get("function_response"))
    if isinstance(answered, dict):
        return _result(answered, answered.get("response"))
    kind = part.get("type")
    if isinstance(kind, str) and kind.endswith(("tool_result", "function_call_output")):
        return _result(part, part.get("content", part.get("output")))
    return None


def _result(fields: dict[str, JsonValue], content: JsonValue) -> Result:
    is_message = "role" in fields  # whose id is its own
    names = ("tool_call_id", "tool_use_id", "call_id", *(() if is_message else ("id",)))
    call_id = next((one for name in names if (one := _text(fields.get(name)))), None)
    is_error = fields.get("is_error") is True or fields.get("isError") is True
    name = _text(fields.get("name")) or ""
    return Result(tuple(_answers(content)), call_id, name, is_error=is_error)


def _answers(content: JsonValue) -> Iterator[Said | Attachment]:
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, dict):
            if (attachment := attachment_of(part)) is not None:
                yield attachment
            elif "functionResponse" in part and (answer := _response(part)) is not None:
                yield from answer.content
            else:
                yield Said(message_text({"content": [part]}) or json_of(part))
        elif part is not None and part != "":
            yield Said(part if isinstance(part, str) else json_of(part))


def _calls_beside(message: Message) -> Iterator[Call]:
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict):
            yield _call({"id": call.get("id"), **function})
        elif "name" in call:
            yield _call(call)
    if isinstance(called := message.get("function_call"), dict):
        yield _call(called)


def _call(call: dict[str, JsonValue]) -> Call:
    given = (call.get(key) for key in ("arguments", "args", "input"))
    arguments = next((one for one in given if one is not None), None)
    return Call(
        _text(call.get("name")) or "",
        arguments,
        _text(call.get("call_id")) or _text(call.get("id")),
    )


def json_of(value: JsonValue, *, indent: int | None = None) -> str:
    """Return a value as JSON; what no JSON can say whole is said short."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent)
    except ValueError:
        return "(a number of more digits than can be shown)"
    except RecursionError:
        return "(nested too deep to be shown)"


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
