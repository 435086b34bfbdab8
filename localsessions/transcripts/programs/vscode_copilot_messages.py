"""What a request of VS Code Copilot Chat becomes: the question, and the messages of its response.

The program keeps a response twice: as parts that it shows (``response``), and, since 2025, as the
rounds that the model saw (``result.metadata.toolCallRounds``, ``toolCallResults``). The rounds have
the calls with their arguments and results, so messages are made of them. What only the parts say
follows; without rounds, messages are made of the parts. The kinds of parts are those of
https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/chatService/chatService.ts.

While a response is written, its rounds are not there yet: then its messages are ``pending``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    filled,
    json_text,
    present,
    without,
)
from localsessions.transcripts.programs.blocks import (
    arguments_text,
    picture_part,
    thinking_part,
    with_thoughts,
)
from localsessions.transcripts.programs.vscode_copilot_results import result_content
from localsessions.transcripts.transcript import message, told_text, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["question", "request_messages"]

_OF_QUESTION = ("variableData", "confirmation", "slashCommand")
_TAKEN = (
    *("requestId", "message", "timestamp", "response", "responseId", "result", "agent", "modelId"),
    *("isHidden", "shouldBeRemovedOnSend", *_OF_QUESTION),
)
_OF_AGENT = ("id", "name", "extensionVersion")
_ROUNDS = ("toolCallRounds", "toolCallResults")
_WRITING = (0, 4)
"""States of a response that is not complete: it is written, or it waits for a person."""


def request_messages(request: Object, key: str) -> list[Message]:
    """Return the messages of a request, the question first.

    Args:
        request: The request.
        key: The id of the question, if the request has none.
    """
    asked = question(request, key)
    metadata = as_object(as_object(request.get("result")).get("metadata"))
    rounds = as_objects(metadata.get("toolCallRounds"))
    parts = as_list(request.get("response"))
    own_id = as_text(request.get("responseId")) or f"{key}_response"
    if rounds:
        made = _of_rounds(rounds, as_object(metadata.get("toolCallResults")))
        parts, unsaid = _unsaid(parts, made)
        made += _of_parts(unsaid, own_id)[0]
    else:
        made, parts = _of_parts(parts, own_id)
    made += _failure(request, own_id)
    last = next((one for one in reversed(made) if one["role"] == "assistant"), asked)
    for name, value in _beside(request, parts).items():
        last.setdefault(name, value)
    for one in made:
        if one["role"] == "assistant" and (model := as_text(request.get("modelId"))):
            one.setdefault("model", model)
    if _is_written(request):
        made = [one | {"pending": True} for one in made]
    return [asked, *made, *_answers(as_objects(request.get("response")), own_id)]


def question(request: Object, key: str) -> Message:
    """Return what a person asked."""
    said = request.get("message")
    fields = as_object(said)
    parts = as_objects(fields.get("parts"))
    words = "".join(text for part in parts if (text := as_text(part.get("text"))))
    text = as_text(said) or as_text(fields.get("text")) or words
    pictures: list[JsonValue] = []
    variables: list[JsonValue] = []
    for variable in as_list(as_object(request.get("variableData")).get("variables")):
        picture = _picture(as_object(variable))
        if picture is None:
            variables.append(variable)
        else:
            pictures.append(picture)
    rest: Object = {name: request.get(name) for name in ("timestamp", *_OF_QUESTION)}
    rest["variableData"] = {"variables": variables} if variables else None
    rest["parts"] = [part for part in parts if part.get("kind") != "text"]
    content: JsonValue = [{"type": "text", "text": text}, *pictures] if pictures else text
    return message("user", filled(rest), id=key, content=content)


def _picture(variable: Object) -> JsonValue:
    data = as_text(as_object(variable.get("value")).get("$base64"))
    if variable.get("kind") != "image" or data is None:
        return None
    media_type = as_text(variable.get("mimeType"))
    return picture_part(data, media_type, without(variable, "value", "mimeType", "type"))


def _of_rounds(rounds: list[Object], results: Object) -> list[Message]:
    made: list[Message] = []
    for one in rounds:
        calls = as_objects(one.get("toolCalls"))
        thought = as_object(one.get("thinking"))
        text = one.get("response") or None
        thinking = _thinking(thought.get("text"), without(thought, "text"))
        rest = without(one, "id", "response", "toolCalls", "thinking")
        made.append(
            message(
                "assistant",
                filled(rest),
                id=one.get("id"),
                content=with_thoughts(thinking, text),
                tool_calls=[_call(call) for call in calls],
            )
        )
        for call in calls:
            call_id = as_text(call.get("id"))
            if call_id in results:
                made.append(_result(call_id, results[call_id]))
    return made


def _thinking(text: JsonValue, around: Object) -> list[JsonValue]:
    words = "".join(map(str, text)) if isinstance(text, list) else as_text(text)
    return [thinking_part(words, without(around, "type", "thinking"))] if words else []


def _call(call: Object) -> Object:
    around = without(call, "id", "name", "arguments", "type", "function")
    return (
        tool_call(call.get("id"), call.get("name"), arguments_text(call.get("arguments"))) | around
    )


def _result(call_id: str | None, result: JsonValue) -> Message:
    rest = without(as_object(result), "content", "$mid")
    content = result_content(result)
    return message("tool", rest, id=f"{call_id}_result", content=content, tool_call_id=call_id)


def _unsaid(
    parts: list[JsonValue], made: Iterable[Message]
) -> tuple[list[JsonValue], list[JsonValue]]:
    """Return the parts that are no text, and the texts that the rounds do not say."""
    said = _words("\n".join(map(told_text, made)))
    others: list[JsonValue] = []
    unsaid: list[JsonValue] = []
    for part in parts:
        text = _text(part)
        kind = as_object(part).get("kind")
        if kind == "thinking":
            text = _joined(as_object(part).get("value"))
        if text is None:
            others.append(part)
        elif _words(text) not in said:
            unsaid.append(part)
    return others, unsaid


def _words(text: str) -> str:
    return " ".join(text.split())


def _joined(value: JsonValue) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else as_text(value) or ""


def _text(part: JsonValue) -> str | None:
    """Return the text of a part that the model wrote; None if it is no text."""
    fields = as_object(part)
    kind = fields.get("kind")
    if isinstance(part, str):
        return part
    if kind in (None, "markdownVuln", "markdownContent"):
        content = fields.get("content")
        value = fields.get("value", as_object(content).get("value", content))
        return value if isinstance(value, str) else None
    return None


@dataclass(slots=True)
class _Response:
    """The messages of the parts of a response.

    Text after a call begins a message, so that each result follows its call.
    """

    own_id: str
    messages: list[Message] = field(default_factory=list)
    spoken: int = 0
    content: list[JsonValue] = field(default_factory=list)
    text: str = ""
    calls: list[Object] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)

    def say(self, text: str) -> None:
        if self.calls:
            self.finish()
        self.text += text

    def think(self, thinking: list[JsonValue]) -> None:
        if self.calls:
            self.finish()
        self._end_text()
        self.content += thinking

    def call(self, part: Object) -> None:
        call_id = as_text(part.get("toolCallId")) or f"{self.own_id}_call_{len(self.messages) + 1}"
        call_id += "~" * sum(call["id"] == call_id for call in self.calls)
        self.calls.append(tool_call(call_id, part.get("toolId"), _arguments(part)))
        content = _shown_result(part)
        if content:
            result = message("tool", {}, id=f"{call_id}_result", content=content)
            self.results.append(result | {"tool_call_id": call_id})

    def finish(self) -> None:
        self._end_text()
        if not self.content and not self.calls:
            return
        self.spoken += 1
        own_id = self.own_id if self.spoken == 1 else f"{self.own_id}_{self.spoken}"
        only = as_object(self.content[0]) if len(self.content) == 1 else {}
        content: JsonValue = only.get("text") if only.get("type") == "text" else self.content
        made = message("assistant", {}, id=own_id, content=content or None, tool_calls=self.calls)
        self.messages += [made, *self.results]
        self.content, self.calls, self.results = [], [], []

    def _end_text(self) -> None:
        if self.text.strip():
            self.content.append({"type": "text", "text": self.text})
        self.text = ""


def _of_parts(parts: list[JsonValue], own_id: str) -> tuple[list[Message], list[JsonValue]]:
    """Return the messages that parts make, and the parts that are not in them whole."""
    response = _Response(own_id)
    beside: list[JsonValue] = []
    for part in parts:
        fields = as_object(part)
        kind = fields.get("kind")
        if (text := _text(part)) is not None:
            response.say(text)
        elif kind == "thinking":
            response.think(_thinking(fields.get("value"), without(fields, "kind", "value")))
        else:
            beside.append(part)
            if kind == "toolInvocationSerialized":
                response.call(fields)
            elif kind == "inlineReference" and (name := _referred(fields)):
                response.say(f"`{name}`")
    response.finish()
    return response.messages, beside


def _referred(part: Object) -> str | None:
    """Return the name that a reference in the text shows."""
    reference = as_object(part.get("inlineReference"))
    uri = as_object(reference.get("uri")) or reference
    path = as_text(uri.get("path")) or ""
    return as_text(part.get("name")) or as_text(reference.get("name")) or posixpath.basename(path)


def _arguments(part: Object) -> JsonValue:
    """Return the arguments of a call, as far as the part that shows it tells them."""
    shown = as_text(as_object(part.get("resultDetails")).get("input"))
    if shown:
        return arguments_text(shown)
    specific = as_object(part.get("toolSpecificData"))
    if "rawInput" in specific:
        return specific["rawInput"] if isinstance(specific["rawInput"], dict) else {}
    command = as_object(specific.get("commandLine")).get("original") or specific.get("command")
    return present(command=as_text(command))


def _shown_result(part: Object) -> JsonValue:
    """Return the result of a call, as far as the part that shows it tells it."""
    output = as_object(part.get("resultDetails")).get("output")
    texts = [text for one in as_objects(output) if (text := as_text(one.get("value")))]
    if texts:
        return "\n".join(texts)
    message_of = part.get("pastTenseMessage")
    return as_text(output) or as_text(as_object(message_of).get("value")) or as_text(message_of)


def _failure(request: Object, own_id: str) -> list[Message]:
    """Return what the program showed of an error."""
    error = as_object(as_object(request.get("result")).get("errorDetails"))
    if not as_text(error.get("message")):
        return []
    rest = {"type": "error"} | without(error, "message")
    return [message("system", rest, id=f"{own_id}_error", content=error["message"])]


def _beside(request: Object, parts: list[JsonValue]) -> Object:
    """Return what a request says that no message has."""
    result = as_object(request.get("result"))
    metadata = without(as_object(result.get("metadata")), *_ROUNDS)
    result = filled(result | {"metadata": metadata})
    if as_text(as_object(result.get("errorDetails")).get("message")):
        result = without(result, "errorDetails")
    agent = as_object(request.get("agent"))
    kept = {"agent": {key: agent[key] for key in _OF_AGENT if key in agent}, "result": result}
    return filled(without(request, *_TAKEN) | kept | {"response": parts})


def _is_written(request: Object) -> bool:
    """Tell whether the response is not complete, so that its rounds may come."""
    state = as_object(request.get("modelState")).get("value")
    is_over = request.get("isCanceled") is True or bool(as_object(request.get("result")))
    return not is_over and (state is None or state in _WRITING)


def _answers(parts: list[Object], own_id: str) -> list[Message]:
    """Return what a person answered to questions of the model."""
    asked = [part for part in parts if part.get("kind") == "questionCarousel"]
    return [
        message(
            "user", {"type": "answers"}, id=f"{own_id}_answers_{number}", content=json_text(said)
        )
        for number, part in enumerate(asked, start=1)
        if (said := part.get("data"))
    ]
