"""The texts of a session that a search looks at: the session's own, and one of each message.

The body of a message's text has sections, of which only what was said has no mark::

    what was said, with the results of tools
    REASONING what the model thought
    ARGUMENT  name of the tool  BEGIN  what it is called with

So all words of a query may stand anywhere in one message, and a snippet can say where it is from.
The marks are control characters, which no search finds; in a message they become spaces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic import JsonValue

from localsessions._rules.finder import Finder
from localsessions.models import Neighbour, Session, message_text
from localsessions.models.spoken import KEPT_THOUGHTS, reasoning_texts

__all__ = [
    "SESSION_ITSELF",
    "Snippet",
    "Text",
    "beginning_of",
    "columns_of",
    "has_marks",
    "neighbours_of",
    "snippet_of",
    "texts_in",
    "texts_of",
]

SESSION_ITSELF = -1
"""The position of the session's own text; the texts of messages have the messages' positions."""

Snippet: TypeAlias = tuple[str, tuple[tuple[int, int], ...]]
"""A text on a single line, and where the hits are in it."""

_ARGUMENT, _REASONING, _BEGIN = "\x1e", "\x1d", "\x1f"
_MARK = re.compile(f"[{_ARGUMENT}{_REASONING}{_BEGIN}]")
_SECTION = re.compile(f"[{_ARGUMENT}{_REASONING}][^{_ARGUMENT}{_REASONING}]*")
_MORE = frozenset({*KEPT_THOUGHTS, "tool_calls", "function_call"})
"""The keys under which a message has more than its content."""
# The name of a parameter belongs to the tool and is no content. Other keys are content: the path
# of a file, a question that is answered.
_PARAMETER = re.compile(r"[\w-]*", re.ASCII)


class Text(NamedTuple):
    """What is searched at one position; ``role`` is None for the session's own text."""

    role: str | None
    body: str


def texts_of(session: Session) -> dict[int, Text]:
    """Return the texts of a session by position; an empty text is left out."""
    return _texts(session.title, session.tags, session.metadata, session.messages)


def texts_in(document: Mapping[str, Any]) -> dict[int, Text]:
    """Return what ``texts_of`` returns, of a file whose fields all have plain types."""
    get = document.get
    return _texts(get("title"), get("tags", ()), get("metadata", {}), get("messages", ()))


def _texts(
    title: str | None,
    tags: Sequence[str],
    metadata: Mapping[str, JsonValue],
    messages: Sequence[Mapping[str, JsonValue]],
) -> dict[int, Text]:
    told = _joined((title, *tags, *_strings(metadata)))
    texts = {SESSION_ITSELF: Text(None, told)} if told else {}
    for position, message in enumerate(messages):
        if body := _body(message):
            texts[position] = Text(str(message["role"]), body)
    return texts


def _joined(parts: Iterable[str | None]) -> str:
    return _unmarked("\n".join(part for part in parts if part))


def columns_of(text: Text) -> tuple[str, str, str, str]:
    """Return what of a text is the session's own, what was said, what tools got, and thoughts."""
    if text.role is None:
        return text.body, "", "", ""
    if not has_marks(text.body):
        return "", text.body, "", ""
    rest, argument, argued = text.body.partition(_ARGUMENT)
    said, reasoning, thought = rest.partition(_REASONING)
    return "", said, argument + argued, reasoning + thought


def snippet_of(text: Text, finder: Finder) -> Snippet:
    """Return the text around the best hit; "argument of ..." or "reasoning" says where it is.

    Where most words of the query stand is best; what was said goes before the rest.
    """
    label, body = _best([*_places(text.body)], finder)
    line, spans = finder.snippet(body)
    return label + line, tuple((start + len(label), stop + len(label)) for start, stop in spans)


def _best(places: list[tuple[str, str]], finder: Finder) -> tuple[str, str]:
    if len(places) == 1:  # most texts: to count in a long one takes time
        return places[0]
    return max(places, key=lambda place: finder.count_in(place[1]))


def neighbours_of(texts: Mapping[int, Text], position: int | None) -> tuple[Neighbour, ...]:
    """Return the messages of a session beside one of them, from their texts by position."""
    others = sorted(texts.keys() - {position, SESSION_ITSELF})
    return tuple(Neighbour(one, texts[one].role or "", beginning_of(texts[one])) for one in others)


def beginning_of(text: Text) -> str:
    """Return the beginning of a text on a single line; what was said goes before the rest."""
    places = (place for place in _places(text.body) if place[1].strip())
    label, body = next(places, ("", ""))
    line = label + " ".join(body[: 2 * _LONGEST_BEGINNING].split())
    return line if len(line) <= _LONGEST_BEGINNING else line[: _LONGEST_BEGINNING - 1] + "…"


_LONGEST_BEGINNING = 200


def _places(body: str) -> Iterator[tuple[str, str]]:
    """Yield each section of a body, with the words that say what it is."""
    if not has_marks(body):  # to look for a mark is quicker than a pattern, and texts may be long
        yield "", body
        return
    yield "", _SECTION.split(body, maxsplit=1)[0]
    for section in _SECTION.findall(body):
        if section.startswith(_REASONING):
            yield "reasoning: ", section[1:]
        else:
            name, _, arguments = section[1:].partition(_BEGIN)
            yield f"argument of {' '.join(name.split())}: ", arguments
            yield "call of ", name


def _body(message: Mapping[str, JsonValue]) -> str:
    content = message.get("content")
    if isinstance(content, str) and _MORE.isdisjoint(message):  # so most messages are
        return _unmarked(content)
    body = _unmarked(message_text(message))
    for thought in reasoning_texts(message):
        body += _REASONING + _unmarked(thought)
    for name, arguments in _calls(message):
        body += _ARGUMENT + _unmarked(name) + _BEGIN + _unmarked("\n".join(_words(arguments)))
    return body


def _calls(message: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    """Yield name and arguments of each call, in any of the shapes that the APIs have."""
    content, listed = message.get("content"), message.get("tool_calls")
    for call in listed if isinstance(listed, list) else []:
        if isinstance(call, dict):
            yield from _call(call.get("function") or call)
    if "function_call" in message:
        yield from _call(message["function_call"])
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict):
            if part.get("type") in ("tool_use", "tool_call"):
                yield from _call(part)
            yield from _call(part.get("functionCall"))


def _call(call: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(call, dict):
        name, given = call.get("name"), [call.get(key) for key in ("arguments", "args", "input")]
        arguments = next((one for one in given if one), None)
        if name or arguments:
            yield (name if isinstance(name, str) else ""), _decoded(arguments)


def _decoded(arguments: JsonValue) -> JsonValue:
    """Return arguments as JSON, so that no escape sequence hides a word; else as they are."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return arguments


def _words(arguments: JsonValue) -> Iterator[str]:
    """Yield the texts and numbers of arguments, and the keys that are no parameter's name."""
    left = [arguments]  # no recursion: a text of JSON may be nested as deep as it likes
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, item in reversed(value.items()):
                left += [item] if _PARAMETER.fullmatch(key) else [item, key]
        elif isinstance(value, list):
            left += reversed(value)
        elif isinstance(value, str | float) or _is_number(value):
            yield str(value)


def _is_number(value: JsonValue) -> bool:
    """Tell whether a value is an integer short enough to be written as text and searched."""
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 1000


def _unmarked(text: str) -> str:
    return _MARK.sub(" ", text) if has_marks(text) else text


def has_marks(text: str) -> bool:
    """Tell whether a text has what parts sections."""
    return _ARGUMENT in text or _REASONING in text or _BEGIN in text


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
