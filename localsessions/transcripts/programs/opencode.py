"""opencode: ``~/.local/share/opencode/opencode.db``, and before 1.2 the tree ``storage/``.

The schema is that of the program, https://github.com/anomalyco/opencode: the tables in
``packages/core/src/session/sql.ts``, the parts of messages in ``message-v2.ts`` of
``packages/opencode/src/session``, and how the tree became the tables in ``json-migration.ts`` of
``packages/opencode/src/storage``::

    storage/session/<project>/<session>.json    table session
    storage/message/<session>/<message>.json    table message: the rest of the file in data
    storage/part/<message>/<part>.json          table part: the same
                                                table session_message: the newer shape, by seq

Both give the same messages. Texts, reasoning and other parts are the content of a message, a sole
text as a text; a part ``tool`` becomes a call and, once it has an output or an error, a message
with the result, whose id is that of the part. Where a session has messages in both tables, the
newer shape counts from the last of the older on. From ``revert.messageID`` of a session on its
messages were taken back.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_object,
    as_objects,
    as_text,
    json_text,
    present,
    without,
)
from localsessions.transcripts.lines import BadLine, json_of
from localsessions.transcripts.source import Source
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.databases import Cell, Database

__all__ = ["OPENCODE_DB", "OPENCODE_STORAGE"]

_MADE_TITLE = re.compile(r"(New|Child) session - \d{4}-\d\d-\d\dT[\d:.]+Z")
_STEPS = ("step-start", "step-finish", "snapshot")
_SWITCHES = ("agent-switched", "model-switched")


# -- the database --------------------------------------------------------------------------------

_COLUMNS = {
    "session": {"id", "title", "time_created"},
    "message": {"id", "session_id", "time_created", "data"},
    "part": {"id", "message_id", "session_id", "data"},
}


def _recognises_db(source: Source) -> bool:
    tables = source.database.tables if source.database else {}
    return all(columns <= tables.get(table, frozenset()) for table, columns in _COLUMNS.items())


def _read_db(source: Source) -> Reading:
    if source.database is None:
        return Reading([])
    found = _Found(source.database)
    rows = found.rows("SELECT * FROM session ORDER BY id")
    return Reading(map(found.session, rows), found.bookkeeping, found.bad_rows)


class _Found:
    """What was found in a database so far."""

    def __init__(self, database: Database) -> None:
        self.bookkeeping: Counter[str] = Counter()
        self.bad_rows: list[BadLine] = []
        self.rows = database.rows
        newer = database.tables.get("session_message", frozenset())
        self._has_newer = {"id", "session_id", "type", "time_created", "data"} <= newer
        self._newer_order = "seq" if "seq" in newer else "time_created, id"
        for table in sorted(database.tables.keys() - _COLUMNS.keys() - {"session_message"}):
            quoted = table.replace('"', '""')
            for row in database.rows(f'SELECT count(*) AS number FROM "{quoted}"'):  # noqa: S608
                number = row["number"]
                self.bookkeeping[table] += number if isinstance(number, int) else 0

    def session(self, row: dict[str, Cell]) -> Transcript:
        facts = {key: _json_cell(cell) for key, cell in row.items()}
        session_id = as_text(facts.get("id")) or ""
        parts: dict[str, list[Object]] = {}
        for part in self._values("part", "message_id", session_id, "id"):
            parts.setdefault(str(part.pop("message_id")), []).append(part)
        infos = list(self._values("message", "id", session_id, "time_created, id"))
        found = [(info, parts.pop(str(info["id"]), [])) for info in infos]
        self.bookkeeping["part without a message"] += sum(map(len, parts.values()))
        spoken = [(info, list(_messages(info, own, self.bookkeeping))) for info, own in found]
        if self._has_newer:
            spoken += self._newer(session_id, infos)
        return _transcript(_as_file(facts), _marked(spoken, as_object(facts.get("revert"))))

    def _newer(
        self, session_id: str, infos: list[Object]
    ) -> Iterator[tuple[Object, list[Message]]]:
        known = {info["id"] for info in infos if isinstance(info["id"], str)}
        last = max((_created(info) for info in infos), default=-1.0)
        for value in self._values("session_message", "type", session_id, self._newer_order):
            if value["id"] in known or _created(value) <= last:
                self.bookkeeping["session_message, also in message"] += 1
                continue
            yield value, list(_newer_messages(value, self.bookkeeping))

    def _values(self, table: str, column: str, session_id: str, order: str) -> Iterator[Object]:
        """Yield the JSON of the rows of a session, with their id and a column."""
        query = (
            f"SELECT rowid AS row, id, {column} AS other, data FROM {table}"  # noqa: S608
            f" WHERE session_id = ? ORDER BY {order}"
        )
        for row in self.rows(query, session_id):
            cell, number, name = row["data"], row["row"], f"{table} {row['id']!s}"
            data = cell.encode() if isinstance(cell, str) else cell
            line = number if isinstance(number, int) else 0
            try:
                value, faults = json_of(data if isinstance(data, bytes) else b"")
            except json.JSONDecodeError as error:
                self.bad_rows.append(BadLine(line, f"{name}: {error.msg}"))
                continue
            self.bad_rows += [
                BadLine(line, f"{name}: {fault.reason}", fault.taken) for fault in faults
            ]
            yield as_object(value) | {column: str(row["other"]), "id": str(row["id"])}


def _json_cell(cell: Cell) -> JsonValue:
    """Return a cell of the table of sessions, of which some hold JSON."""
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        try:
            return json_of(cell.encode())[0]
        except json.JSONDecodeError:
            return cell
    return cell


def _as_file(row: Object) -> Object:
    """Return the row of a session as the file that it was in the tree."""
    return {
        **row,
        "parentID": row.get("parent_id"),
        "time": {
            "created": row.get("time_created"),
            "updated": row.get("time_updated"),
            "archived": row.get("time_archived"),
        },
        "share": {"url": row.get("share_url")},
    }


# -- the tree ------------------------------------------------------------------------------------


def _recognises_storage(source: Source) -> bool:
    return source.database is None and (_is_session(source.root) or _piece(source.root) is not None)


def _is_session(root: Object) -> bool:
    return (
        all(as_text(root.get(key)) for key in ("id", "version"))
        and isinstance(root.get("title"), str)
        and "created" in as_object(root.get("time"))
        and ("projectID" in root or "directory" in root)
    )


def _piece(root: Object) -> str | None:
    """Return what a file is that holds a piece of a session; None if it is none."""
    if not (as_text(root.get("id")) and as_text(root.get("sessionID"))):
        return None
    if as_text(root.get("messageID")) and as_text(root.get("type")):
        return "a part of a message"
    is_message = root.get("role") in ("user", "assistant")
    return "a message" if is_message and "created" in as_object(root.get("time")) else None


def _read_storage(source: Source) -> Reading:
    if piece := _piece(source.root):
        reason = f"{piece} of opencode, which comes in with its session (storage/session)"
        return Reading([], refused=reason)
    bookkeeping: Counter[str] = Counter()
    torn: list[BadLine] = []
    session_id = as_text(source.root.get("id")) or source.stem
    infos = [info for info in _objects(source, "../../message", session_id, torn) if info]
    infos.sort(key=lambda info: (_created(info), str(info.get("id"))))
    spoken = []
    for info in infos:
        parts = list(_objects(source, "../../part", str(info.get("id")), torn))
        spoken.append((info, list(_messages(info, parts, bookkeeping))))
    marked = _marked(spoken, as_object(source.root.get("revert")))
    return Reading([_transcript(source.root, marked)], bookkeeping, torn)


def _objects(source: Source, above: str, name: str, torn: list[BadLine]) -> Iterator[Object]:
    for found in source.folder_beside(above, name):
        if isinstance(found, Source):
            torn.extend(found.bad_lines)
            yield found.root
        else:
            torn.append(BadLine(1, f"{found.path}: {found.reason}"))


# -- both ----------------------------------------------------------------------------------------


def _created(info: Object) -> float:
    time = as_object(info.get("time")).get("created")
    return float(time) if isinstance(time, int | float) and abs(time) < 1e18 else 0.0


def _transcript(session: Object, messages: list[Message]) -> Transcript:
    title = as_text(session.get("title"))
    time = as_object(session.get("time"))
    models = [as_text(spoken.get("modelID")) for spoken in messages]
    models += [as_text(as_object(spoken.get("model")).get("modelID")) for spoken in messages]
    own_model = as_object(session.get("model"))
    fork = as_text(session.get("fork_session_id"))
    return Transcript(
        messages,
        session_id=as_text(session.get("id")),
        title=None if title and _MADE_TITLE.fullmatch(title) else title,
        project=as_text(session.get("directory")),
        model=next((model for model in models if model), as_text(own_model.get("id"))),
        parent=as_text(session.get("parentID")),
        forked_from=present(
            session_id=fork, message_id=as_text(session.get("fork_message_id")) if fork else None
        ),
        created_at=time.get("created"),
        last_activity=time.get("updated"),
        facts=present(
            cli_version=as_text(session.get("version")),
            agent=as_text(session.get("agent")),
            share_url=as_text(as_object(session.get("share")).get("url")),
            archived=True if time.get("archived") else None,
        ),
    )


def _marked(spoken: list[tuple[Object, list[Message]]], revert: Object) -> list[Message]:
    """Return all messages; those that were taken back, marked.

    With ``partID`` a part of the message itself was taken back; the message stays unmarked.
    """
    first = as_text(revert.get("messageID"))
    ids = [as_text(info.get("id")) for info, _ in spoken]
    begin = ids.index(first) if first in ids else len(ids)
    begin += 1 if as_text(revert.get("partID")) else 0
    return [
        {**made, "taken_back": True} if at >= begin else made
        for at, (_, messages) in enumerate(spoken)
        for made in messages
    ]


def _messages(info: Object, parts: list[Object], bookkeeping: Counter[str]) -> Iterator[Message]:
    """Yield a message, and the results of its calls."""
    bookkeeping.update(f"part {part.get('type')}" for part in parts if _is_step(part))
    tools = [part for part in parts if part.get("type") == "tool"]
    said = [part for part in parts if part not in tools and not _is_step(part)]
    yield message(
        as_text(info.get("role")) or "unknown",
        _with_time(without(info, "id", "sessionID", "role")),
        id=info.get("id"),
        content=_content([_part(part) for part in said]),
        tool_calls=[_call(part, "tool", "callID") for part in tools],
    )
    yield from (made for part in tools if (made := _result(part, "callID")))


def _is_step(part: Object) -> bool:
    return part.get("type") in _STEPS


def _with_time(info: Object) -> Object:
    """Return an object whose time of creation is its ``timestamp``."""
    time = as_object(info.get("time"))
    if set(time) <= {"created"}:
        info = without(info, "time")
    return info | present(timestamp=time.get("created"))


def _part(part: Object) -> Object:
    kept = without(part, "sessionID", "messageID")
    if kept.get("type") == "reasoning":
        return {"type": "thinking", "thinking": kept.get("text")} | without(kept, "type", "text")
    return kept


def _content(parts: list[Object]) -> JsonValue:
    """Return the only text as a text, else the parts."""
    if len(parts) == 1 and parts[0].keys() <= {"type", "id", "text", "time"}:
        text = as_text(parts[0].get("text"))
        if parts[0].get("type") == "text" and text:
            return text
    listed: list[JsonValue] = [*parts]
    return listed or None


def _call(part: Object, name: str, call_id: str) -> Object:
    state = as_object(part.get("state"))
    call = tool_call(
        as_text(part.get(call_id)) or part.get("id"), part.get(name), state.get("input")
    )
    # Without a result nothing else tells how far it came.
    return call if _output(state) is not None else call | present(state=without(state, "input"))


def _output(state: Object) -> JsonValue:
    if isinstance(state.get("output"), str):
        return state["output"]
    listed = state.get("content")
    if state.get("status") in ("completed", "error") and listed:
        return listed
    error = state.get("error")
    return error if error is None or isinstance(error, str) else json_text(error)


def _result(part: Object, call_id: str) -> Message | None:
    state = as_object(part.get("state"))
    output = _output(state)
    if output is None:
        return None
    time = as_object(state.get("time")) or as_object(part.get("time"))
    own = without(part, "id", "type", "state", "callID", "tool", "name", "sessionID", "messageID")
    rest = without(state, "input", "output") | {
        f"part_{key}" if key in state else key: value for key, value in own.items()
    }
    if output is state.get("content"):
        del rest["content"]
    if output == state.get("error"):
        del rest["error"]
    return message(
        "tool",
        rest | present(timestamp=time.get("end") or time.get("completed")),
        id=part.get("id"),
        content=output,
        tool_call_id=as_text(part.get(call_id)) or part.get("id"),
    )


# -- the newer shape -----------------------------------------------------------------------------


def _newer_messages(value: Object, bookkeeping: Counter[str]) -> Iterator[Message]:
    kind = as_text(value.get("type")) or "unknown"
    if kind in _SWITCHES:
        bookkeeping[kind] += 1
        return
    rest = _with_time(without(value, "id", "sessionID", "type", "text", "content"))
    parts = as_objects(value.get("content"))
    tools = [part for part in parts if part.get("type") == "tool"]
    said = [_part(part) for part in parts if part not in tools]
    texts = [value.get(key) for key in ("text", "command", "output", "summary", "recent")]
    said += [{"type": "text", "text": text} for text in texts if as_text(text)]
    yield message(
        kind if kind in ("user", "assistant") else "user" if kind == "shell" else "system",
        without(rest, "command", "output", "summary", "recent")
        | ({} if kind in ("user", "assistant") else {"kind": kind}),
        id=value.get("id"),
        content=_content(said),
        tool_calls=[_call(part, "name", "id") for part in tools],
    )
    yield from (made for part in tools if (made := _result(part, "id")))


OPENCODE_DB = Format("opencode-db", "opencode", _recognises_db, _read_db)
OPENCODE_STORAGE = Format("opencode-storage", "opencode", _recognises_storage, _read_storage)
