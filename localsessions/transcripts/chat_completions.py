"""A session as one line of chat-completions JSONL, for fine-tuning and other programs.

Only the keys of the API are written: role, content, name, tool_calls, tool_call_id
(https://platform.openai.com/docs/api-reference/chat). Each stored message becomes one message, with
three exceptions:

- A message with several tool results becomes a message for each result.
- Results follow directly after their call, as the API requires. Where ids of calls repeat, the n-th
  result belongs to the n-th call; if there are more of one than of the other, a result belongs to
  the last call before it.
- A result whose call is not in the session is left out: the API refuses it.

The API takes pictures and files from users only. In any other message, a picture leaves its type
and its size in the text. Roles that the API does not have (``exit``, ``info``, ...) become
``system``. A call without a result stays as it is. What is left out is counted, so that it can be
told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from localsessions.models import Message, Session
from localsessions.transcripts.calls import call_of, calls_of, id_of, results_of
from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.pieces import (
    is_result,
    picture_of,
    pieces_of,
    shortened,
    thoughts_beside,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["Chat", "chat_completions_line", "chat_of"]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
_OF_USERS = ("image_url", "input_audio", "file")

_Call: TypeAlias = tuple[int, int]
"""The position of a message, and that of a call in it."""


class Chat(NamedTuple):
    """A session in the words of the API.

    Attributes:
        messages: With the API's keys only, each result after its call.
        left_out: How many of which things have no place there.
    """

    messages: list[Object]
    left_out: Counter[str]


def chat_completions_line(session: Session) -> bytes:
    """Return ``{"messages": [...]}`` on one line."""
    messages: list[JsonValue] = [*chat_of(session).messages]
    line = json_text({"messages": messages})
    # The only thing that UTF-8 cannot carry is a lone surrogate; Python's escape is also JSON's.
    return line.encode("utf-8", errors="backslashreplace") + b"\n"


def chat_of(session: Session) -> Chat:
    """Return the session's messages for the API, and what of them is left out."""
    chat = Chat([], Counter())
    answers = _answers(session, chat.left_out)
    for position, stored in enumerate(session.messages):
        chat.left_out["reasoning"] += _has_thoughts(stored)
        if stored["role"] == "tool":
            chat.left_out["parts beside results"] += _count_beside(stored)
            continue
        spoken = _spoken(stored, chat.left_out)
        chat.messages.append(spoken)
        for place, call in enumerate(as_objects(spoken.get("tool_calls"))):
            if (position, place) in answers:
                content = _told(answers[position, place], chat.left_out)
                answer: Object = {"role": "tool", "tool_call_id": call["id"], "content": content}
                chat.messages.append(answer)
    return Chat(chat.messages, +chat.left_out)


# -- calls and results ---------------------------------------------------------------------------


def _answers(session: Session, left_out: Counter[str]) -> dict[_Call, JsonValue]:
    """Return the content of the result of each call that has one."""
    called = Counter(id_of(call) for stored in session.messages for call in calls_of(stored))
    answered = Counter(call_id for stored in session.messages for call_id, _ in results_of(stored))
    waiting: defaultdict[str, list[_Call]] = defaultdict(list)
    answers: dict[_Call, JsonValue] = {}
    for position, stored in enumerate(session.messages):
        for place, call in enumerate(calls_of(stored)):
            waiting[id_of(call)].append((position, place))
        for call_id, content in results_of(stored):
            calls = waiting[call_id]
            if not calls:
                left_out["results without a call"] += 1
                continue
            # A call that was broken off has no result; those after it keep theirs.
            is_even = called[call_id] == answered[call_id]
            first = calls[0] if is_even else next(one for one in calls if one[0] == calls[-1][0])
            calls.remove(first)
            answers[first] = content
    return answers


def _count_beside(stored: Message) -> int:
    """Return how many parts of a tool's message are in none of its results."""
    parts = as_list(stored.get("content"))
    results = sum(map(is_result, parts))
    return 0 if as_text(stored.get("tool_call_id")) or not results else len(parts) - results


# -- messages ------------------------------------------------------------------------------------


def _spoken(stored: Message, left_out: Counter[str]) -> Object:
    role = as_text(stored.get("role"))
    spoken: Object = {"role": role if role in _ROLES else "system"}
    spoken["content"] = _content(stored, left_out)
    if name := as_text(stored.get("name")):
        spoken["name"] = name
    calls: list[JsonValue] = [call_of(call) for call in calls_of(stored)]
    if calls:
        spoken["content"] = spoken["content"] or None
        spoken["tool_calls"] = calls
    elif listed := as_list(stored.get("tool_calls")):
        left_out["calls of others than the assistant"] += len(listed)
    left_out["calls of the old API"] += bool(stored.get("function_call"))
    return spoken


def _content(stored: Message, left_out: Counter[str]) -> JsonValue:
    """Return a text, or the API's parts if a user's content is more than text."""
    content = stored.get("content")
    if isinstance(content, str):
        return content
    said = [part for part in _parts_of(content) if not _is_elsewhere(part)]
    if stored["role"] != "user":
        return _told(said, left_out)
    parts = [_part(piece, left_out) for piece in pieces_of(said) if piece != ""]
    if any(part["type"] != "text" for part in parts):
        listed: list[JsonValue] = [*parts]
        return listed
    return "\n".join(str(part["text"]) for part in parts)


def _parts_of(content: JsonValue) -> list[JsonValue]:
    return content if isinstance(content, list) else [content]


def _is_elsewhere(part: JsonValue) -> bool:
    kind = as_object(part).get("type")
    return kind in ("tool_use", "tool_result") or _is_thought(part)


def _is_thought(part: JsonValue) -> bool:
    return as_object(part).get("type") in _THOUGHTS


def _has_thoughts(stored: Message) -> bool:
    inside = any(map(_is_thought, as_list(stored.get("content"))))
    return inside or any(thoughts_beside(stored))


def _part(piece: JsonValue, left_out: Counter[str]) -> Object:
    fields = as_object(piece)
    if fields.get("type") in _OF_USERS:
        return without(fields)
    if picture := picture_of(piece):
        return {"type": "image_url", "image_url": {"url": picture.url}}
    return {"type": "text", "text": _told(piece, left_out)}


def _told(content: JsonValue, left_out: Counter[str]) -> str:
    """Return a content as text; what cannot be text leaves a stand-in."""
    return "\n".join(text for piece in pieces_of(content) if (text := _text(piece, left_out)))


def _text(piece: JsonValue, left_out: Counter[str]) -> str:
    if isinstance(piece, str):
        return piece
    if picture := picture_of(piece):
        left_out["pictures"] += 1
        return f"[picture left out: {picture.said}]"
    short = shortened(piece)
    left_out["data"] += short != piece
    return json_text(short)
