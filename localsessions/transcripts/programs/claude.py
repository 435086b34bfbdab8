"""Claude Code: ``~/.claude/projects/<project>/<session>.jsonl`` and the web's ``{loglines}``.

A record of type ``user`` or ``assistant`` is a message: its own facts (``uuid``, ``parentUuid``,
``cwd``, ``toolUseResult``, ...) around an Anthropic ``message`` (``content`` blocks, ``model``,
``usage``, ...). Both levels become keys of one stored message. The inner ``id`` becomes
``message_id``, because other records refer to the ``uuid``.

Everything else in a file is bookkeeping. A resumed file begins with the summaries of *other*
sessions, so a summary is the title only of the session that has its ``leafUuid``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
    without,
)
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CLAUDE_JSONL", "CLAUDE_WEB_JSON"]

_SPEAKERS = ("user", "assistant")
_TITLE_KEYS = {"custom-title": "customTitle", "ai-title": "aiTitle"}
_RESULT_TEXTS = ("content", "stderr", "stdout")


def _recognises_jsonl(source: Source) -> bool:
    return any(_is_claude_record(record.value) for record in source.records)


def _is_claude_record(record: Object) -> bool:
    kind = record.get("type")
    if kind in _SPEAKERS:
        # Qwen Code writes the same records, with Gemini's ``parts`` inside.
        spoken = as_object(record.get("message"))
        return "sessionId" in record and "uuid" in record and "content" in spoken
    return (kind == "summary" and "leafUuid" in record) or kind == "file-history-snapshot"


def _recognises_web(source: Source) -> bool:
    lines = as_objects(source.root.get("loglines"))
    return any(line.get("type") in _SPEAKERS and "message" in line for line in lines)


def _read_jsonl(source: Source) -> Reading:
    return _read([record.value for record in source.records])


def _read_web(source: Source) -> Reading:
    return _read(as_objects(source.root.get("loglines")))


def _read(records: list[Object]) -> Reading:
    """Return a session for each ``sessionId``, and a session for the messages without it."""
    by_session: dict[str | None, list[Object]] = {}
    bookkeeping: Counter[str] = Counter()
    for record in records:
        kind = record.get("type")
        session_id = as_text(record.get("sessionId"))
        if kind not in _SPEAKERS:
            bookkeeping[as_text(kind) or "(no type)"] += 1
        if kind in _SPEAKERS or session_id:
            by_session.setdefault(session_id, []).append(record)
    summaries = {
        as_text(record.get("leafUuid")): as_text(record.get("summary"))
        for record in records
        if record.get("type") == "summary"
    }
    sessions = [_transcript(key, own, summaries) for key, own in by_session.items()]
    return Reading(sessions or [Transcript([])], bookkeeping)


def _transcript(
    session_id: str | None, records: list[Object], summaries: dict[str | None, str | None]
) -> Transcript:
    spoken = [record for record in records if record.get("type") in _SPEAKERS]
    return Transcript(
        messages=[_message(record) for record in spoken],
        session_id=session_id,
        title=_title(records, summaries),
        project=_first(spoken, "cwd"),
        branch=_first(spoken, "gitBranch"),
        model=_first((as_object(record.get("message")) for record in spoken), "model"),
        facts=present(cli_version=_first(spoken, "version")),
    )


def _title(records: list[Object], summaries: dict[str | None, str | None]) -> str | None:
    """Return the last title from the person, else from the program, else a summary."""
    for kind, key in _TITLE_KEYS.items():
        given = [as_text(record.get(key)) for record in records if record.get("type") == kind]
        if given and given[-1]:
            return given[-1]
    matching = [summaries.get(as_text(record.get("uuid"))) for record in records]
    return next((summary for summary in reversed(matching) if summary), None)


def _first(objects: Iterable[Object], key: str) -> str | None:
    return next((text for item in objects if (text := as_text(item.get(key)))), None)


def _message(record: Object) -> Message:
    kind = as_text(record.get("type")) or "user"
    spoken = record.get("message")
    inner = as_object(spoken)
    role = as_text(inner.get("role")) or kind
    # The message's place in the session already says its type and its session.
    rest = without(record, "type", "uuid", "message", "sessionId")
    if isinstance(spoken, dict):
        rest |= without(inner, "content", "id", "role") | present(message_id=inner.get("id"))
        if rest.get("type") == "message":
            del rest["type"]
    elif not isinstance(spoken, str):
        rest["message"] = spoken
    content = inner.get("content") if isinstance(spoken, dict) else as_text(spoken)
    results = _sole_results(content)
    if len(results) == 1:
        return _result(record, results[0], rest)
    return message(
        "tool" if results else role,
        rest,
        id=record.get("uuid"),
        content=_without_calls(content),
        tool_calls=[
            tool_call(part.get("id"), part.get("name"), part.get("input"))
            for part in as_objects(content)
            if part.get("type") == "tool_use"
        ],
    )


def _sole_results(content: JsonValue) -> list[Object]:
    """Return the tool results if a content consists only of tool results."""
    results = [part for part in as_objects(content) if part.get("type") == "tool_result"]
    return results if len(results) == len(as_list(content)) else []


def _result(record: Object, part: Object, rest: Object) -> Message:
    content = part.get("content")
    return message(
        "tool",
        _without_copy(rest, content) | without(part, "type", "tool_use_id", "content"),
        id=record.get("uuid"),
        content=content,
        tool_call_id=part.get("tool_use_id"),
    )


def _without_copy(rest: Object, content: JsonValue) -> Object:
    """Leave out of ``toolUseResult`` what repeats the content exactly."""
    result = rest.get("toolUseResult")
    if not content or result is None:
        return rest
    if result == content or (isinstance(content, str) and result == f"Error: {content}"):
        return without(rest, "toolUseResult")
    texts = {key: as_object(result).get(key) for key in _RESULT_TEXTS}
    copies = [key for key, text in texts.items() if text and _repeats(text, content)]
    return rest | {"toolUseResult": without(as_object(result), *copies)} if copies else rest


def _repeats(text: JsonValue, content: JsonValue) -> bool:
    return text == content or (
        isinstance(text, list) and all(part in as_list(content) for part in text)
    )


def _without_calls(content: JsonValue) -> JsonValue:
    """Keep of each ``tool_use`` only what ``tool_calls`` lacks: its place, other keys."""
    if not isinstance(content, list):
        return content
    parts: list[JsonValue] = [
        without(part, "name", "input")
        if isinstance(part, dict) and part.get("type") == "tool_use"
        else part
        for part in content
    ]
    # The usual place is at the end, so a bare call there needs no entry.
    while parts and _is_bare_call(parts[-1]):
        del parts[-1]
    return parts or None


def _is_bare_call(part: JsonValue) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_use" and set(part) <= {"type", "id"}


CLAUDE_JSONL = Format("claude-jsonl", "claude-code", _recognises_jsonl, _read_jsonl)
CLAUDE_WEB_JSON = Format("claude-web-json", "claude-code", _recognises_web, _read_web)
