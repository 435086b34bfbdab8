"""Messages of pydantic-ai as messages of a session, and back. Pure; imports no framework.

What a message is::

    request of one tool's return  the tool's, with ``tool_call_id``
    request of system prompts     the system's
    any other request             the user's: prompts, and returns as ``tool_result``
    response                      the assistant's: texts, thinking, pictures; ``tool_calls``
    what says nothing             an event

An item is what ``ModelMessagesTypeAdapter`` writes, with its parts as an object by their positions
(see ``items``). Each part of an item has a ``part_kind``, which no message says: so the remainder
tells which parts there are, and in which order.

https://ai.pydantic.dev/message-history/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from localsessions.adapters.document import Shape, Speech, speech_of
from localsessions.adapters.document.messages import EVENT
from localsessions.adapters.pydantic_ai.items import spoken_in
from localsessions.adapters.pydantic_ai.pieces import (
    blocks_of,
    by_position,
    in_order,
    media_of,
    pieces_of,
)
from localsessions.transcripts.foreign import (
    as_instant_text,
    as_list,
    as_object,
    as_objects,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.pieces import is_result, shortened

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["SHAPE"]

Object: TypeAlias = "dict[str, JsonValue]"

_EPOCH = "1970-01-01T00:00:00Z"


# -- an item as a message ------------------------------------------------------------------------


def _project(item: Object) -> Message:
    parts = [as_object(part) for _, part in in_order(item.get("parts"))]
    stamps: Message = {}
    if (run_id := as_text(item.get("run_id"))) is not None:
        stamps["run_id"] = run_id
    said_at = item.get("timestamp")
    if isinstance(said_at, str) and as_instant_text(said_at) == said_at:
        stamps["created_at"] = said_at
    said = _answered(parts) if item.get("kind") == "response" else _asked(parts)
    return {**stamps, **(said or {"role": EVENT})}


def _asked(parts: Sequence[Object]) -> Message | None:
    kinds = [part.get("part_kind") for part in parts]
    if "system-prompt" in kinds and not any(map(_blocks, parts)):
        prompts = [_text(spoken_in(part) or "") for part in parts if _prompts(part)]
        return {"role": "system", "content": _content(prompts)}
    blocks = [block for part in parts for block in _blocks(part)]
    if len(blocks) == 1 and is_result(blocks[0]):
        [result] = as_objects(blocks)
        name = next((part["tool_name"] for part in parts if "tool_name" in part), "")
        named: Message = {"role": "tool", "tool_call_id": result["tool_use_id"], "name": name}
        return {**named, "content": result["content"]}
    return {"role": "user", "content": _content(blocks)} if blocks else None


def _answered(parts: Sequence[Object]) -> Message | None:
    blocks = [block for part in parts for block in _blocks(part)]
    calls = [_call(part) for part in parts if part.get("part_kind") == "tool-call"]
    if not blocks and not calls:
        return None
    said: Message = {"role": "assistant", **({"content": _content(blocks)} if blocks else {})}
    return {**said, "tool_calls": calls} if calls else said


def _prompts(part: Object) -> bool:
    return part.get("part_kind") == "system-prompt"


def _blocks(part: Object) -> list[JsonValue]:
    """Return what a part says, as blocks; a system prompt beside others says nothing."""
    text = spoken_in(part)
    match part.get("part_kind"):
        case "user-prompt" | "retry-feedback" | "text" | "speech":
            return blocks_of(part.get("pieces")) if text is None else [_text(text)]
        case "thinking" if text is not None:
            return [{"type": "thinking", "thinking": text}]
        case "file":
            return blocks_of({"0": part.get("content")})
        case "tool-return":
            content = blocks_of(part.get("pieces")) if text is None else text
            call_id = part.get("tool_call_id")
            return [{"type": "tool_result", "tool_use_id": call_id, "content": content}]
    return []


def _text(text: str) -> JsonValue:
    return {"type": "text", "text": text}


def _content(blocks: list[JsonValue]) -> JsonValue:
    only = as_object(blocks[0]) if len(blocks) == 1 else {}
    return only["text"] if only.get("type") == "text" else blocks


def _call(part: Object) -> JsonValue:
    arguments = as_text(part.get("args"))
    function: Object = {"name": part.get("tool_name"), "arguments": arguments or ""}
    return {"id": part.get("tool_call_id"), "type": "function", "function": function}


# -- a message as an item ------------------------------------------------------------------------


class _Left(NamedTuple):
    """What of a message is not in a part yet."""

    blocks: list[JsonValue]
    results: list[Object]
    calls: list[Object]


def _build(message: Message, rest: Object | None) -> list[Object]:
    if rest is None:
        return _spoken(message, speech_of(message))
    if message["role"] == EVENT:
        return []
    left = _left(message)
    hints = in_order(rest.get("parts"))
    takers = [key for key, hint in hints if _takes(message, as_object(hint))]
    parts: Object = {}
    for key, hint in hints:
        is_last = bool(takers) and key == takers[-1]
        if made := _part(message, as_object(hint), left, is_last=is_last):
            parts[key] = made
    following = int(hints[-1][0]) + 1 if hints else 0
    is_response = rest.get("kind") == "response"
    added = _added(left, is_response=is_response)
    parts |= {str(following + number): part for number, part in enumerate(added)}
    return [{**_stamped(message, rest), "parts": parts}] if parts else []


def _left(message: Message) -> _Left:
    content = message.get("content")
    if message["role"] == "tool":
        named: Object = {"tool_use_id": message.get("tool_call_id"), "name": message.get("name")}
        return _Left([], [{**named, "content": content}], [])
    blocks = [_text(content)] if isinstance(content, str) else as_list(content)
    results = [block for block in as_objects(blocks) if is_result(block)]
    said = [block for block in blocks if not is_result(block)]
    return _Left(said, results, as_objects(message.get("tool_calls")))


def _stamped(message: Message, rest: Object) -> Object:
    stamps: Object = {}
    if "run_id" in message:
        stamps["run_id"] = message["run_id"]
    if rest.get("untimed") is not True:
        stamps["timestamp"] = message.get("created_at")
    return stamps


def _takes(message: Message, hint: Object) -> bool:
    """Tell whether a part of this kind takes blocks."""
    kind = hint.get("part_kind")
    if kind == "system-prompt":
        return message["role"] == "system"
    return kind in ("user-prompt", "retry-feedback", "speech") and hint.get("mute") is not True


def _part(message: Message, hint: Object, left: _Left, *, is_last: bool) -> Object | None:
    """Return what a message says of a part; it is taken out of what is left."""
    match hint.get("part_kind"):
        case "tool-return" if left.results:
            return _returned(left.results.pop(0), hint)
        case "tool-call" if left.calls:
            made = _called(left.calls.pop(0))
            # A call without arguments; the fields say so with an empty text.
            is_bare = hint.get("as") == "none" and made["args"] == ""
            return without(made, "args") if is_bare else made
        case "file" if left.blocks and (media := media_of(as_object(left.blocks[0]))):
            left.blocks.pop(0)
            return {"content": {name: media[name] for name in media if name != "kind"}}
        case "thinking" if left.blocks and "thinking" in as_object(left.blocks[0]):
            return {"content": as_object(left.blocks.pop(0))["thinking"]}
        case "text" if left.blocks and "text" in as_object(left.blocks[0]):
            return {"content": as_object(left.blocks.pop(0))["text"]}
        case _ if _takes(message, hint):
            taken = hint.get("takes", 1)
            count = len(left.blocks) if is_last or not isinstance(taken, int) else taken
            blocks = [left.blocks.pop(0) for _ in range(min(count, len(left.blocks)))]
            if (prompted := _prompted(blocks, hint)) is None:
                left.blocks[:0] = blocks
            return prompted
    return None


def _prompted(blocks: Sequence[JsonValue], hint: Object) -> Object | None:
    if "takes" not in hint and len(blocks) == 1:
        said = as_object(blocks[0]).get("text")
        if isinstance(said, str):
            return {"transcript" if hint.get("part_kind") == "speech" else "content": said}
    if hint.get("part_kind") != "user-prompt":
        texts = [text for block in blocks if (text := as_text(as_object(block).get("text")))]
        return _prompted([_text("\n".join(texts))], hint) if texts else None
    pieces = pieces_of(blocks, as_object(hint.get("pieces")))
    return {"pieces": pieces} if pieces else None


def _returned(result: Object, hint: Object) -> Object:
    content = result.get("content")
    made: Object = {"tool_call_id": result.get("tool_use_id")}
    if as_text(result.get("name")):
        made["tool_name"] = result["name"]
    if isinstance(content, list):
        return {**made, "pieces": pieces_of(content, as_object(hint.get("pieces")))}
    return {**made, "content": content}


def _called(call: Object) -> Object:
    function = as_object(call.get("function"))
    made: Object = {"tool_name": function.get("name"), "tool_call_id": call.get("id")}
    return {**made, "args": function.get("arguments")}


def _added(left: _Left, *, is_response: bool) -> list[Object]:
    """Return as parts what a person added, for which there was no part."""
    calls: list[Object] = [{"part_kind": "tool-call", **_called(call)} for call in left.calls]
    if is_response:
        texts = [as_text(as_object(block).get("text")) for block in left.blocks]
        said: list[Object] = [{"part_kind": "text", "content": text} for text in texts if text]
        return [*said, *calls]
    returns: list[Object] = [
        {"part_kind": "tool-return", "tool_name": "", **_returned(one, {})} for one in left.results
    ]
    pieces = pieces_of(left.blocks, {})
    prompt: Object = {"part_kind": "user-prompt", "pieces": pieces}
    return [*returns, prompt] if pieces else returns


# -- a message of another program as an item -----------------------------------------------------


def _spoken(message: Message, said: Speech) -> list[Object]:
    """Return the item of a message of another program; its reasoning and prompts are its own."""
    stamp = message.get("created_at")
    instant = stamp if as_instant_text(stamp) == stamp and stamp is not None else _EPOCH
    is_response = said.role == "assistant"  # only an assistant calls
    parts: list[JsonValue]
    if is_response:
        parts = [*_said_and_called(said), *_results(said, instant, "builtin-tool-return")]
    else:
        parts = _results(said, instant, "tool-return")
        if said.role == "user" and said.parts:
            parts.append({"part_kind": "user-prompt", "timestamp": instant, **_pieces(said.parts)})
    if not parts:
        return []
    kind = "response" if is_response else "request"
    run: Object = {"run_id": message["run_id"]} if as_text(message.get("run_id")) else {}
    return [{"kind": kind, "timestamp": instant, **run, "parts": by_position(parts)}]


def _said_and_called(said: Speech) -> Iterator[Object]:
    """Yield what an assistant says and calls; a call that has its result beside it was its own."""
    for piece in _readable(said.parts):
        kind = "text" if isinstance(piece, str) else "file"
        yield {"part_kind": kind, "content": piece}
    done = {one.call_id for one in said.results}
    for call in said.calls:
        kind = "builtin-tool-call" if call.id in done else "tool-call"
        named: Object = {"tool_name": call.name, "tool_call_id": call.id, "args": call.arguments}
        yield {"part_kind": kind, **named}


def _results(said: Speech, instant: str, kind: str) -> list[JsonValue]:
    return [
        {
            "part_kind": kind,
            "timestamp": instant,
            "tool_call_id": one.call_id,
            "tool_name": one.name,
            **_pieces(one.parts),
        }
        for one in said.results
    ]


def _pieces(parts: Sequence[Object]) -> Object:
    """Return what is said: a text, or pieces if there is more than text."""
    if all(part.get("type") == "text" for part in parts):
        return {"content": "\n".join(str(part["text"]) for part in parts)}
    return {"pieces": by_position([_foreign(part) for part in parts])}


def _foreign(part: Object) -> JsonValue:
    if part.get("type") == "text":
        return part["text"]
    return media_of(part) or json_text(shortened(part))


def _readable(parts: Sequence[Object]) -> list[JsonValue]:
    """Return what an assistant may say: texts, and files inside the message; else as a text."""
    given = [_foreign(part) for part in parts]
    return [
        one if isinstance(one, str) or as_object(one).get("kind") == "binary" else json_text(one)
        for one in given
    ]


SHAPE = Shape("pydantic_ai", _project, _build)
"""Items of pydantic-ai as messages; see the module."""
