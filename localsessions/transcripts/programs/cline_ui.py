"""The rows of ``ui_messages.json`` of Cline and Roo: what a person saw.

A row is ``{ts, type: "say" | "ask", say | ask, text, images}``; the kinds are those of
https://github.com/RooCodeInc/Roo-Code/blob/main/packages/types/src/message.ts and of
``ExtensionMessage.ts`` of Cline::

    task, user_feedback, the first text   a person
    text, completion_result, followup     the model
    tool, command, use_mcp_server, ...    a call, as JSON or as a command
    command_output, ..._response          what it was answered
    api_req_..., checkpoint_...           for the program; other rows with a text are notices

The model was told more than the words of a person that a row has, so their message is
``abridged``: where it was imported from the history before, it stays as it is. After the row of a
request (``api_req_started``), the history takes up what was said; until then it is ``pending``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.format import parse_json
from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.programs.blocks import thinking_part
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["are_rows", "person_messages", "row_messages", "row_text"]

_OF_PERSON = frozenset({"task", "user_feedback"})
_OF_MODEL = frozenset(
    {"text", "completion_result", "followup", "plan_mode_respond", "act_mode_respond"}
)
_CALLS = frozenset({"tool", "command", "use_mcp_server", "browser_action", "browser_action_launch"})
_RESULTS = frozenset(
    {"command_output", "mcp_server_response", "browser_action_result", "codebase_search_result"}
    | {"subtask_result"}
)
_OF_PROGRAM = ("api_req_", "checkpoint_", "resume_", "mcp_server_request", "shell_integration")


def are_rows(document: JsonValue) -> bool:
    """Tell whether a document is such a list of rows."""
    listed = as_list(document)
    return bool(listed) and all(_is_row(as_object(row)) for row in listed)


def _is_row(row: Object) -> bool:
    kind = row.get("type")
    return kind in ("say", "ask") and str(kind) in row and isinstance(row.get("ts"), int | float)


def row_text(row: Object) -> str:
    """Return the text of a row; of a request, what the model was told."""
    text = as_text(row.get("text")) or ""
    return as_text(_json(text).get("request")) or text


def row_messages(rows: list[Object], bookkeeping: Counter[str]) -> list[Message]:
    """Return the messages of the rows, and count those that are none."""
    messages: list[Message] = []
    call_id: str | None = None
    persons = dict(_persons(rows))
    for at, row in enumerate(rows):
        kind = _kind(row)
        text = as_text(row.get("text"))
        if kind.startswith(_OF_PROGRAM) or (text is None and not row.get("images")):
            bookkeeping[kind] += 1
            continue
        own_id = _id(row)
        if kind in _CALLS:
            call_id = f"{own_id}_call"
            call = _call(call_id, kind, text or "")
            messages.append(_message("assistant", row, own_id, None, call=call))
        elif kind in _RESULTS:
            messages.append(_message("tool", row, own_id, text, call_id=call_id))
        elif at in persons:
            messages.append(persons[at])
        elif kind == "reasoning":
            messages.append(_message("assistant", row, own_id, [thinking_part(text)]))
        else:
            role = "assistant" if kind in _OF_MODEL else "system"
            messages.append(_message(role, row, own_id, _words(text) or _content(row)))
    return messages


def person_messages(rows: list[Object]) -> list[Message]:
    """Return what a person typed in the rows, in order."""
    return [one for at, one in _persons(rows) if as_text(rows[at].get("text"))]


def _persons(rows: list[Object]) -> Iterator[tuple[int, Message]]:
    """Yield the messages of a person, each with the position of its row."""
    requests = (at for at, row in enumerate(rows) if row.get("say") == "api_req_started")
    last_request = max(requests, default=-1)
    for at, row in enumerate(rows):
        if _is_of_person(row, at):
            marked = row | {"abridged": True, "pending": True if at > last_request else None}
            yield at, _message("user", marked, _id(row), _content(row))


def _kind(row: Object) -> str:
    return as_text(row.get(str(row.get("type")))) or "(no kind)"


def _id(row: Object) -> str:
    return f"ui_{json_text(row.get('ts'))}"


def _is_of_person(row: Object, at: int) -> bool:
    return _kind(row) in _OF_PERSON or (at == 0 and row.get("say") == "text")


def _content(row: Object) -> JsonValue:
    pictures: list[JsonValue] = [
        {"type": "image_url", "image_url": {"url": url}}
        for url in as_list(row.get("images"))
        if as_text(url)
    ]
    text = row.get("text")
    return [{"type": "text", "text": text or ""}, *pictures] if pictures else text


def _words(text: str | None) -> str | None:
    """Return the question or the answer that a row has as JSON."""
    told = _json(text)
    return as_text(told.get("question")) or as_text(told.get("response"))


def _json(text: str | None) -> Object:
    if text is None or not text.startswith("{"):
        return {}
    try:
        return as_object(parse_json(text.encode(errors="replace")))
    except ValueError:
        return {}


def _call(call_id: str, kind: str, text: str) -> Object:
    told = _json(text)
    name = as_text(told.get("tool")) or as_text(told.get("toolName")) or kind
    arguments: Object = without(told, "tool") if told else {"command": text}
    return tool_call(call_id, name, arguments)


def _message(
    role: str,
    row: Object,
    own_id: str,
    content: JsonValue,
    *,
    call: Object | None = None,
    call_id: str | None = None,
) -> Message:
    rest = without(row, "text", *(("images",) if content is not row.get("text") else ()))
    if _words(as_text(row.get("text"))) and isinstance(content, str):
        rest["text"] = row["text"]
    return message(
        role,
        {key: value for key, value in rest.items() if value is not None},
        id=own_id,
        content=content,
        time_key="ts",
        tool_calls=[call] if call else (),
        tool_call_id=call_id,
    )
