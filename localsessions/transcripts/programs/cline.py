"""Cline and its descendants Roo Code and Kilo Code: the folder of a task, ``tasks/<task>/``.

::

    api_conversation_history.json   the messages that the model saw: ``cline_api``
    ui_messages.json                the rows that a person saw: ``cline_ui``
    task_metadata.json              the models that were used
    history_item.json               Roo: title, folder, parent; also in ``../_index.json``
    ../../state/taskHistory.json    Cline: first words, folder, model of each task

(``HistoryItem`` in https://github.com/cline/cline/blob/main/src/shared/HistoryItem.ts and
https://github.com/RooCodeInc/Roo-Code/blob/main/packages/types/src/history.ts.) The first is the
session. The rows beside it give what it lacks: times, reasoning, and what a person said that was
condensed away; alone, they are read themselves. The newer Cline SDK: ``cline_sdk``.

The id of a task is the name of its folder. The folder of an extension, or of a command line (Kilo:
https://github.com/Kilo-Org/kilocode/blob/3813c35c92/cli/src/utils/paths.ts), tells the program from
the first row on. Elsewhere Roo is told from Cline by what the model is told: its mode in a
``<slug>``. Kilo writes what Roo writes; what it alone writes, ``metadata.kiloCode``, comes at the
end of a task, when it would make another session of it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from localsessions.models import made_title_of
from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
)
from localsessions.transcripts.places import EXTENSIONS
from localsessions.transcripts.programs.cline_api import api_messages, is_api_history
from localsessions.transcripts.programs.cline_ui import are_rows, row_messages, row_text
from localsessions.transcripts.programs.cline_words import person_words
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CLINE_TASK", "CLINE_UI", "KILO_TASK", "KILO_UI", "ROO_TASK", "ROO_UI"]

_API, _UI = "api_conversation_history.json", "ui_messages.json"
_OF_ROO = "# Current Mode\n<slug>"
_PROGRAMS = {name: program for program, names in EXTENSIONS.items() for name in names} | {
    ".kilocode": "kilo",
    ".vscode-mock": "roo",
}
"""The programs by the names of their folders."""
_FOLDER = re.compile(r"^# Current (?:Working|Workspace) Directory \((.+?)\) Files", re.MULTILINE)
_MODEL = re.compile(r"<model>([^<\n]+)</model>")
_WORKSPACES = ("workspace", "cwdOnTaskInitialization", "shadowGitConfigWorkTree")
_FACTS = ("mode", "rootTaskId", "childIds", "totalCost", "tokensIn", "tokensOut", "status")


def _program(source: Source) -> str:
    named = next((_PROGRAMS[name] for name in source.folders if name in _PROGRAMS), None)
    if named:
        return named
    return "roo" if any(_OF_ROO in text for text in _told(source)) else "cline"


def _told(source: Source) -> Iterator[str]:
    """Yield the texts of the requests, in which the program tells the model where it is."""
    for one in as_objects(source.document):
        yield as_text(one.get("content")) or row_text(one)
        yield from (as_text(part.get("text")) or "" for part in as_objects(one.get("content")))


def _read_task(source: Source) -> Reading:
    listed = as_list(source.document)
    records = as_objects(source.document)
    rows = as_objects(source.beside(_UI)) if source.name == _API else []
    unread = Counter({"(no object)": len(listed) - len(records)})
    return Reading([_transcript(source, api_messages(records, rows))], +unread)


def _read_rows(source: Source) -> Reading:
    rows = as_objects(source.document)
    bookkeeping: Counter[str] = Counter()
    if source.name == _UI and is_api_history(source.beside(_API)):
        bookkeeping["(row)"] = len(rows)
        return Reading([], bookkeeping, refused=f"a side file of {_API}, which is read")
    messages = row_messages(rows, bookkeeping)
    return Reading([_transcript(source, messages)], +bookkeeping)


def _transcript(source: Source, messages: list[Message]) -> Transcript:
    item = _history_item(source)
    metadata = as_object(source.beside("task_metadata.json")) if _task_id(source) else {}
    used = [as_text(one.get("model_id")) for one in as_objects(metadata.get("model_usage"))]
    answered = [as_text(as_object(one.get("modelInfo")).get("modelId")) for one in messages]
    models = [*answered, *used, as_text(item.get("modelId")), _found(_MODEL, source)]
    workspaces = [as_text(item.get(key)) for key in _WORKSPACES]
    asked = made_title_of([{"role": "user", "content": as_text(item.get("task")) or ""}])
    return Transcript(
        messages=messages,
        session_id=_task_id(source),
        title=as_text(item.get("title")) or asked or first_words(messages, person_words),
        project=next(filter(None, workspaces), None) or _found(_FOLDER, source),
        model=next(filter(None, models), None),
        parent=as_text(item.get("parentTaskId")),
        facts=present(**{key: item.get(key) for key in _FACTS}),
    )


def _found(pattern: re.Pattern[str], source: Source) -> str | None:
    return next((found[1] for text in _told(source) if (found := pattern.search(text))), None)


def _task_id(source: Source) -> str | None:
    folder = next(reversed(source.folders), "")
    return folder or None if source.name in (_API, _UI) else None


def _history_item(source: Source) -> Object:
    """Return what the program lists about a task; empty if it lists it elsewhere."""
    own = _task_id(source)
    if own is None:
        return {}
    if item := as_object(source.beside("history_item.json")):
        return item
    index: list[JsonValue] = [as_object(source.beside("../_index.json")).get("entries")]
    index.append(source.beside("../../state/taskHistory.json"))
    listed = (item for items in index for item in as_objects(items))
    return next((item for item in listed if item.get("id") == own), {})


def _formats_of(program: str) -> tuple[Format, Format]:
    """Return the formats of the history and of the rows of a program."""

    def recognises(is_kind: Callable[[JsonValue], bool]) -> Callable[[Source], bool]:
        return lambda source: is_kind(source.document) and _program(source) == program

    return (
        Format(f"{program}-task", program, recognises(is_api_history), _read_task),
        Format(f"{program}-ui", program, recognises(are_rows), _read_rows),
    )


CLINE_TASK, CLINE_UI = _formats_of("cline")
ROO_TASK, ROO_UI = _formats_of("roo")
KILO_TASK, KILO_UI = _formats_of("kilo")
