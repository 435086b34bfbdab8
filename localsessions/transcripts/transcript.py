"""What a format file returns, and the only way from there to a stored ``Session``.

Nothing here knows a format, a disk or a store. The shape of the data::

    Format        name, agent_id, how to recognise it, how to read it
    Reading       the result of reading a source
      sessions    Transcript: messages, and the source's own id, title and facts
      bookkeeping the number of records of each type that are not messages
      bad_lines   lines that are JSON but not a record of the format
      refused     why the source as a whole was not read, if it was not
      empty       the number of sessions without a message

A source with many sessions is read session by session: ``sessions`` makes each when it is asked
for, and what the reading counts is complete when they have ended.

``message`` makes a message from parts; ``chat_message`` makes it from a message that already has
the chat-completions shape. Both keep everything without a field of its own, under its name in the
source.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.format import MAX_DEPTH
from localsessions.models import Message, Session, format_instant, message_text, reasoning_text
from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_instant_text,
    as_object,
    as_objects,
    as_text,
    is_deeper,
    json_text,
    present,
    shallow,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from localsessions.transcripts.lines import BadLine
    from localsessions.transcripts.source import Source

__all__ = [
    "Format",
    "Reading",
    "Transcript",
    "chat_message",
    "cleaned_id",
    "message",
    "sessions_of",
    "told_text",
    "tool_call",
]

MAX_ID_BYTES = 200
_MOST_LEVELS = MAX_DEPTH - 10
"""A message stands in a list of the session."""
_FIELDS = frozenset({"id", "role", "content", "created_at", "name", "tool_calls", "tool_call_id"})
_ENCODED = re.compile(r'[<>:"|?*%]')
_NO_ID_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f/\\\\\ud800-\udfff]")


@dataclass(slots=True)
class Transcript:
    """A session of a source, before it is a ``Session``.

    Attributes:
        messages: Made by ``message`` or ``chat_message``, in the order of the source.
        session_id: The source's own id; without it, the id is made from the file's name and, if the
            file holds several sessions, of what the session begins with.
        position: The position of this session in the file, from 1, if the format holds several.
        title: The source's own title: of a person before a made one.
        project: The folder in which the program worked.
        branch: The branch of the project.
        model: The model that answered, the first if there were several.
        parent: The source's own id of the session that started this one, a sub-agent.
        forked_from: The source's own id of the session that this one continues, under
            ``session_id``, and of the last message of both, under ``message_id``; empty if none.
        created_at: When it began, as the source says it; used if no message has a time.
        last_activity: When something was last said, likewise.
        facts: Other small facts about the session, kept in ``source`` too.
    """

    messages: list[Message]
    session_id: str | None = None
    position: int | None = None
    title: str | None = None
    project: str | None = None
    branch: str | None = None
    model: str | None = None
    parent: str | None = None
    forked_from: Object = field(default_factory=dict)
    created_at: JsonValue = None
    last_activity: JsonValue = None
    facts: Object = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """The result of reading a source; it accounts for everything in the source.

    Attributes:
        sessions: Can be gone through once. Raises ``OSError`` where the source cannot be read on.
        bookkeeping: Complete, as the others, when ``sessions`` has ended.
    """

    sessions: Iterable[Transcript | Session]
    bookkeeping: Counter[str] = field(default_factory=Counter)
    bad_lines: Sequence[BadLine] = ()
    refused: str | None = None
    empty: int = 0


@dataclass(frozen=True, slots=True)
class Format:
    """A transcript format: a line of the registry.

    Attributes:
        name: The name of the format in reports and in ``source``.
        agent_id: The program that writes it; None if many programs do.
        recognises: Tells from the content whether a source has this format, never from the file's
            name; the folder may tell programs apart that write the same.
        read: Returns the content of a source that was recognised.
        one_by_one: Whether it recognises a list or JSON Lines by their beginning, and reads them
            one by one (``source.elements``, ``source.lines``). Other formats get the whole.
    """

    name: str
    agent_id: str | None
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Reading]
    one_by_one: bool = False


def message(
    role: str,
    rest: Mapping[str, JsonValue],
    *,
    id: JsonValue = None,  # noqa: A002  (the field's own name)
    content: JsonValue = None,
    time_key: str = "timestamp",
    name: JsonValue = None,
    tool_calls: Sequence[Object] = (),
    tool_call_id: JsonValue = None,
) -> Message:
    """Return a message, from its fields and everything else that the source says about it.

    ``rest`` holds what the other arguments did not take. Its time becomes ``created_at``; if it
    does not name an instant, it stays in ``rest``. A key that is also a field of a message is kept
    as ``source_<key>``.
    """
    made: Message = {}
    if own := as_text(id):
        made["id"] = own
    made["role"] = role
    if content is not None:
        made["content"] = content
    created_at = as_instant_text(rest.get(time_key))
    if created_at:
        made["created_at"] = created_at
    if speaker := as_text(name):
        made["name"] = speaker
    if tool_calls:
        made["tool_calls"] = list(tool_calls)
    if answered := as_text(tool_call_id):
        made["tool_call_id"] = answered
    kept = without(rest, time_key) if created_at else rest
    if not _FIELDS.isdisjoint(kept):
        kept = {f"source_{key}" if key in _FIELDS else key: kept[key] for key in kept}
    made.update(kept)
    return made


def chat_message(
    source: Object, *, time: JsonValue = None, time_key: str = "created_at"
) -> Message:
    """Return a message, with the right types, from a chat-completions message.

    Args:
        source: The message; it has a ``role``.
        time: When it was said, if ``source`` has no ``time_key``.
        time_key: The key of ``source`` that says when it was said.
    """
    calls = as_objects(source.get("tool_calls"))
    made = message(
        as_text(source.get("role")) or "unknown",
        without(source, "id", "role", "content", "name", "tool_calls", "tool_call_id"),
        id=source.get("id"),
        content=source.get("content"),
        time_key=time_key,
        name=source.get("name"),
        tool_calls=[_normal_call(call) for call in calls],
        tool_call_id=source.get("tool_call_id"),
    )
    if "created_at" not in made and (said := as_instant_text(time)):
        made["created_at"] = said
    for key in ("id", "name", "tool_call_id", "tool_calls"):
        if key not in made and source.get(key):
            made[f"source_{key}"] = source[key]
    return made


def tool_call(call_id: JsonValue, name: JsonValue, arguments: JsonValue) -> Object:
    """Return a call in the chat-completions shape; a call without an id gets it in the session."""
    text = arguments if isinstance(arguments, str) else json_text(arguments or {})
    function: Object = {"name": as_text(name) or "", "arguments": text}
    call: Object = {"type": "function", "function": function}
    return {"id": call_id, **call} if as_text(call_id) else call


def _normal_call(call: Object) -> Object:
    function = as_object(call.get("function"))
    if not function:
        return call
    normal = tool_call(call.get("id"), function.get("name"), function.get("arguments", ""))
    normal["function"] = function | as_object(normal["function"])
    return call | normal


def sessions_of(form: Format, source: Source, reading: Reading) -> Iterator[Session]:
    """Yield the sessions of a reading that have messages; count the others in it."""
    alike: Counter[str] = Counter()
    for found in reading.sessions:
        if isinstance(found, Session):
            yield found
        elif found.messages:
            begins = _beginning(found.messages)
            alike[begins or ""] += 1
            yield _session(form, source, found, begins, alike[begins or ""])
        else:
            reading.empty += 1


def _beginning(messages: Sequence[Message]) -> str | None:
    """Return a hash of what is said up to the first message of a person; None before there is one.

    By it a session without an id of its own is known again in a file that got other content, or in
    a list with new elements before it.
    """
    said: list[JsonValue] = []
    for spoken in messages:
        said += [spoken["role"], spoken.get("content")]
        if spoken["role"] == "user":
            return hashlib.sha256(json_text(said).encode(errors="surrogatepass")).hexdigest()[:16]
    return None


def _session(
    form: Format, source: Source, found: Transcript, begins: str | None, nth: int
) -> Session:
    """Make the session of a transcript, the ``nth`` of its source that begins so."""
    messages = _with_ids(found.messages)
    if is_deeper([*messages], _MOST_LEVELS):
        messages = [{**as_object(shallow({**spoken}, _MOST_LEVELS))} for spoken in messages]
    own, element = found.session_id, None
    if not own and found.position is not None:
        element = f"{begins or 'none'}-{nth}"
    said = sorted(
        instant
        for spoken in messages
        if (instant := as_instant(spoken.get("created_at"))) is not None
    )
    stated = (as_instant(time) for time in (found.created_at, found.last_activity))
    said = said or sorted(instant for instant in stated if instant is not None)
    times = said or [source.modified_at]
    made_id = source.stem
    if element is not None:
        made_id += f"-{element[:8]}" + (f"-{nth}" if nth > 1 else "")
    origin = present(
        program=form.agent_id or form.name,
        format=form.name,
        session_id=own,
        file=source.path,
        element=element,
        begins=None if own else begins,
        project=found.project,
        branch=found.branch,
        model=found.model,
        parent={"session_id": cleaned_id(found.parent)} if found.parent else None,
        undated=None if said else format_instant(source.modified_at),
        title=found.title,
        facts=found.facts or None,
    )
    return Session(
        session_id=cleaned_id(own or made_id),
        title=found.title,
        agent_id=form.agent_id,
        forked_from=_link(found.forked_from),
        source=origin,
        created_at=times[0],
        last_activity=times[-1],
        updated_at=times[-1],
        messages=messages,
    )


def _link(forked_from: Object) -> Object:
    """Return a link whose session id is the id that the session has in the store."""
    elder = as_text(forked_from.get("session_id"))
    return forked_from | {"session_id": cleaned_id(elder)} if elder else {}


def _with_ids(messages: Iterable[Message]) -> list[Message]:
    """Give each message an id that is unique in the session, and each call an id.

    A made id depends only on earlier messages, so it stays the same when the source grows.
    """
    seen: Counter[str] = Counter()
    numbered: list[Message] = []
    for number, spoken in enumerate(messages, start=1):
        wanted = as_text(spoken.get("id")) or f"msg_{number:06d}"
        own = wanted
        while seen[own]:
            seen[wanted] += 1
            own = f"{wanted}~{seen[wanted]}"
        seen[own] += 1
        calls = _calls_with_ids(spoken, number)
        has_its_id_first = next(iter(spoken.items()), None) == ("id", own)
        is_as_it_should_be = has_its_id_first and not calls
        numbered.append(
            spoken if is_as_it_should_be else {"id": own, **without(spoken, "id"), **calls}
        )
    return numbered


def _calls_with_ids(spoken: Message, number: int) -> Object:
    calls = as_objects(spoken.get("tool_calls"))
    if all("id" in call for call in calls):
        return {}
    made: list[JsonValue] = [
        {"id": f"call_{number:06d}_{position}", **call}
        for position, call in enumerate(calls, start=1)
    ]
    return {"tool_calls": made}


def cleaned_id(text: str, *, room_bytes: int = 0) -> str:
    """Return a session id as similar to ``text`` as the rules for ids allow.

    Args:
        text: An id of another program, or a file's name.
        room_bytes: How many bytes to leave free for an ending.
    """
    clean = _NO_ID_CHARACTER.sub("_", text)
    if clean in ("", ".", ".."):
        clean = f"_{clean}"
    limit = MAX_ID_BYTES - room_bytes
    if _name_bytes(clean) <= limit:
        return clean
    ending = hashlib.sha256(clean.encode()).hexdigest()[:8]
    short = clean.encode()[: limit - 9].decode(errors="ignore")
    while _name_bytes(short) > limit - 9:
        short = short[:-1]
    return f"{short}-{ending}"


def _name_bytes(session_id: str) -> int:
    """Return the length of an id as a file name, in which some characters take three bytes."""
    size = len(session_id.encode())
    if not unicodedata.is_normalized("NFC", session_id):
        return 3 * size
    return size + 2 * len(_ENCODED.findall(session_id))


def told_text(message: Mapping[str, JsonValue]) -> str:
    """Return what a message says, after what was thought: to compare what was written twice."""
    return "\n".join(filter(None, (reasoning_text(message), message_text(message))))
