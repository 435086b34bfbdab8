"""Cursor, the editor: ``state.vscdb`` of a workspace and of all workspaces, SQLite.

Cursor publishes no description. What stands here was found by others and in a real database:
https://github.com/michaeldhood/chatrxiv/blob/main/docs/cursor/storage-reference.md,
https://github.com/specstoryai/getspecstory (pkg/providers/cursoride) and
https://github.com/kenn-io/agentsview (internal/parser/cursor_ide.go).

``workspaceStorage/<hash>/state.vscdb``, table ``ItemTable``::

    composer.composerData                          allComposers: each with its conversation, or,
                                                   since 2025, a head whose conversation stands in
                                                   the global database
    workbench.panel.aichat.view.aichat.chatdata    tabs of the older chat: each with its bubbles
    aiService.prompts                              what was typed in both

``globalStorage/state.vscdb``, table ``cursorDiskKV``::

    composerData:<composer>                        fullConversationHeadersOnly: the ids of the
                                                   bubbles in order; or the conversation itself
    bubbleId:<composer>:<bubble>                   a bubble

A bubble is a message: ``type`` 1 or ``user``, 2 or ``ai``. A call of a tool stands with its result
in ``toolFormerData`` of a bubble and becomes a call and a message with the result. Most of the
fifty keys of a bubble are empty; those are left out. A bubble that its composer does not name any
more was taken back, and is kept, marked. Prompts that stand in no conversation of the database
become a session, unless a conversation is in the global database, where they stand then.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_instant_text,
    as_list,
    as_object,
    as_objects,
    as_text,
    decoded_path,
    json_text,
    present,
    without,
)
from localsessions.transcripts.lines import BadLine, json_of
from localsessions.transcripts.programs.blocks import thinking_part, with_thoughts
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.databases import Cell, Database
    from localsessions.transcripts.source import Source

__all__ = ["CURSOR_VSCDB"]

_COMPOSERS = "composer.composerData"
_CHATS = "workbench.panel.aichat.view.aichat.chatdata"
_PROMPTS = "aiService.prompts"
_ITEMS = (_COMPOSERS, _CHATS, _PROMPTS)
_ROLES: dict[JsonValue, str] = {1: "user", 2: "assistant", "user": "user", "ai": "assistant"}
_EPOCH_TIMES = ("clientRpcSendTime", "clientSettleTime", "clientEndTime")
_TASK = "task-"
_MAY_START = re.compile(rb'"(?:toolCallId|subagentComposerIds|subComposerIds)"')


def _recognises(source: Source) -> bool:
    database = source.database
    if database is None:
        return False
    if {"key", "value"} <= database.tables.get("cursorDiskKV", frozenset()):
        return True
    return bool(_items(database))


def _items(database: Database) -> dict[str, dict[str, Cell]]:
    """Return the rows of a workspace's database that hold what was said, by key."""
    if not {"key", "value"} <= database.tables.get("ItemTable", frozenset()):
        return {}
    marks = ", ".join("?" * len(_ITEMS))
    rows = database.rows(
        f"SELECT rowid AS row, key, value FROM ItemTable WHERE key IN ({marks})",  # noqa: S608
        *_ITEMS,
    )
    return {str(row["key"]): row for row in rows}


def _read(source: Source) -> Reading:
    if source.database is None:
        return Reading([])
    found = _Found(source, source.database)
    return Reading(found.sessions(), found.bookkeeping, found.bad_rows)


class _Found:
    """What was found in a database so far."""

    def __init__(self, source: Source, database: Database) -> None:
        self.bookkeeping: Counter[str] = Counter()
        self.bad_rows: list[BadLine] = []
        self._source = source
        self._database = database
        self._project = _folder_of(as_object(source.beside("workspace.json")).get("folder"))

    def sessions(self) -> Iterator[Transcript]:
        """Yield the sessions of the workspace, then those of all workspaces."""
        is_global = "cursorDiskKV" in self._database.tables
        parents = self._parents() if is_global else {}
        for session in chain(self._workspace(), self._global() if is_global else ()):
            own = str(session.session_id)
            started_by = parents.get(own) or parents.get(own.removeprefix(_TASK))
            if started_by and started_by != own:
                session.parent = session.parent or started_by
            yield session

    def _value(self, row: dict[str, Cell]) -> JsonValue:
        """Return the JSON of a row; None if it is empty, or torn, which is told."""
        number, key, data = row["row"], str(row["key"]), _bytes_of(row["value"])
        if not data:
            return None
        line = number if isinstance(number, int) else 0
        try:
            value, faults = json_of(data)
        except json.JSONDecodeError as error:
            self.bad_rows.append(BadLine(line, f"{key}: {error.msg}"))
            return None
        self.bad_rows += [BadLine(line, f"{key}: {fault.reason}", True) for fault in faults]
        return value

    # -- a workspace -----------------------------------------------------------------------------

    def _workspace(self) -> Iterator[Transcript]:
        items = {key: self._value(row) for key, row in _items(self._database).items()}
        prompts = as_objects(items.get(_PROMPTS))
        alone = dict.fromkeys(_said(prompt.get("text")) for prompt in prompts)
        heads = 0
        for session_id, tab, bubbles in _conversations(items):
            if bubbles is None:
                heads += 1
                continue
            session = self._session(session_id, tab, bubbles)
            for spoken in session.messages:
                if spoken.get("role") == "user":
                    alone.pop(_said(spoken.get("content")), None)
            yield session
        self.bookkeeping["composer, its conversation is in the global database"] += heads
        self.bookkeeping["prompt"] += len(prompts)
        if not heads:
            yield from self._prompts(
                [
                    prompt
                    for prompt in prompts
                    if as_text(prompt.get("text")) and _said(prompt["text"]) in alone
                ]
            )

    def _prompts(self, alone: list[Object]) -> Iterator[Transcript]:
        self.bookkeeping["prompt"] -= len(alone)
        if alone:
            workspace = self._source.folders[-1:]
            yield Transcript(
                [
                    message("user", without(prompt, "text"), content=prompt["text"])
                    for prompt in alone
                ],
                session_id="-".join([*workspace, "prompts"]),
                project=self._project,
            )

    # -- the global database ---------------------------------------------------------------------

    def _global(self) -> Iterator[Transcript]:
        self._count_keys()
        for row in self._range("composerData:"):
            composer_id = _composer_of(row)
            composer = as_object(self._value(row))
            yield self._session(composer_id, composer, self._bubbles(composer_id, composer))

    def _parents(self) -> dict[str, str]:
        """Return which composer started which: it names it, or called the tool with its id.

        This is a pass of its own, so that no session waits for those after it. Few ids are kept,
        since most calls start nothing.
        """
        keys = self._database.rows("SELECT key FROM cursorDiskKV WHERE key LIKE 'composerData:%'")
        ids = {_composer_of(row) for row in keys}
        known = ids | {composer_id.removeprefix(_TASK) for composer_id in ids}
        parents: dict[str, str] = {}
        for composer_id, child in chain(self._named(), self._called()):
            if child in known and composer_id in ids:
                parents[child] = max(parents.get(child, ""), composer_id)
        return parents

    def _named(self) -> Iterator[tuple[str, str | None]]:
        """Yield each composer with a composer that it names, or a call in its own bubbles."""
        for row in self._range("composerData:"):
            composer = _may_start(row)
            children = (composer.get(key) for key in ("subagentComposerIds", "subComposerIds"))
            for child in (
                *chain.from_iterable(map(as_list, children)),
                *map(_call_id, _inline(composer)),
            ):
                yield _composer_of(row), as_text(child)

    def _called(self) -> Iterator[tuple[str, str | None]]:
        """Yield each composer with a call in a bubble."""
        for row in self._range("bubbleId:"):
            yield _composer_of(row).rpartition(":")[0], _call_id(_may_start(row))

    def _count_keys(self) -> None:
        rows = self._database.rows(
            "SELECT substr(key, 1, instr(key || ':', ':') - 1) AS kind, count(*) AS number"
            " FROM cursorDiskKV GROUP BY kind"
        )
        counts = {str(row["kind"]): row["number"] for row in rows}
        for kind, number in counts.items():
            if kind != "composerData" and isinstance(number, int):
                self.bookkeeping[kind] += number

    def _range(self, prefix: str) -> Iterator[dict[str, Cell]]:
        """Yield the rows whose key begins with a prefix that ends with a colon."""
        return self._database.rows(
            "SELECT rowid AS row, key, value FROM cursorDiskKV"
            " WHERE key >= ? AND key < ? ORDER BY key",
            prefix,
            prefix[:-1] + ";",
        )

    def _bubbles(self, composer_id: str, composer: Object) -> list[Object]:
        """Return the bubbles of a composer in order; those that were taken back, marked."""
        stored: dict[str, Object] = {}
        for row in self._range(f"bubbleId:{composer_id}:"):
            self.bookkeeping["bubbleId"] -= 1
            if value := as_object(self._value(row)):
                stored[str(row["key"]).rpartition(":")[2]] = value
            else:
                self.bookkeeping["bubble without content"] += 1
        inline = _inline(composer)
        known = {_bubble_id(bubble): bubble for bubble in inline} | stored
        heads = as_objects(composer.get("fullConversationHeadersOnly")) or inline
        named = [_bubble_id(head) for head in heads]
        self.bookkeeping["bubble that is gone"] += sum(key not in known for key in named)
        bubbles = [{"bubbleId": key, **known[key]} for key in named if key in known]
        others = [{"bubbleId": key, **known[key]} for key in known if key not in set(named)]
        if composer:
            others = [{**bubble, "taken_back": True} for bubble in others]
        return _in_time(bubbles, others)

    def _session(
        self, session_id: str | None, composer: Object, bubbles: list[Object]
    ) -> Transcript:
        messages: list[Message] = []
        for bubble in bubbles:
            made = list(_messages(bubble))
            self.bookkeeping["empty bubble"] += not made
            messages += made
        return _transcript(session_id, composer, messages, self._project)


_Conversation = tuple[str | None, Object, list[Object] | None]
"""An id, what it is of, and its bubbles; None if they are in the global database."""


def _conversations(items: Mapping[str, JsonValue]) -> Iterator[_Conversation]:
    """Yield the conversations of a workspace, of the composer and of the older chat."""
    for composer in as_objects(as_object(items.get(_COMPOSERS)).get("allComposers")):
        is_here = "conversation" in composer
        bubbles = as_objects(composer.get("conversation")) if is_here else None
        yield as_text(composer.get("composerId")), composer, bubbles
    for tab in as_objects(as_object(items.get(_CHATS)).get("tabs")):
        yield as_text(tab.get("tabId")), tab, as_objects(tab.get("bubbles"))


def _said(text: JsonValue) -> str:
    return str(text).strip()


def _bytes_of(cell: Cell) -> bytes:
    """Return the bytes of a cell that may hold JSON; empty if it is a number or nothing."""
    if isinstance(cell, str):
        return cell.encode()
    return cell if isinstance(cell, bytes) else b""


def _composer_of(row: Mapping[str, Cell]) -> str:
    """Return the key of a row without what kind of row it is; of a composer, its id."""
    return str(row["key"]).partition(":")[2]


def _may_start(row: Mapping[str, Cell]) -> Object:
    """Return a composer or a bubble that may say what it started; else an empty object."""
    data = _bytes_of(row["value"])
    if not _MAY_START.search(data):
        return {}
    try:
        return as_object(json_of(data)[0])
    except json.JSONDecodeError:
        return {}  # told when the session is read


def _call_id(bubble: Object) -> str | None:
    return as_text(as_object(bubble.get("toolFormerData")).get("toolCallId"))


def _inline(composer: Object) -> list[Object]:
    """Return the bubbles that stand in a composer itself."""
    return as_objects(composer.get("conversation")) or as_objects(
        list(as_object(composer.get("conversationMap")).values())
    )


def _bubble_id(bubble: Object) -> str:
    return as_text(bubble.get("bubbleId")) or as_text(bubble.get("id")) or ""


def _in_time(bubbles: list[Object], others: list[Object]) -> list[Object]:
    """Return bubbles with others between them, where they were said; without a time at the end."""

    def said_at(bubble: Object) -> str:
        instant = as_instant(bubble.get("createdAt"))
        return instant.isoformat() if instant else "~"

    waiting = sorted(others, key=lambda bubble: (said_at(bubble), _bubble_id(bubble)))
    ordered: list[Object] = []
    for bubble in bubbles:
        while waiting and said_at(waiting[0]) < said_at(bubble) != "~":
            ordered.append(waiting.pop(0))
        ordered.append(bubble)
    return ordered + waiting


def _transcript(
    session_id: str | None, composer: Object, messages: list[Message], project: str | None
) -> Transcript:
    workspace = as_object(as_object(composer.get("workspaceIdentifier")).get("uri"))
    models = [as_text(as_object(one.get("modelInfo")).get("modelName")) for one in messages]
    models += [as_text(one.get("modelType")) for one in messages]
    set_model = as_text(as_object(composer.get("modelConfig")).get("modelName"))
    return Transcript(
        messages,
        session_id=session_id,
        title=as_text(composer.get("name")) or as_text(composer.get("chatTitle")),
        project=as_text(workspace.get("fsPath")) or project,
        branch=as_text(composer.get("createdOnBranch")),
        model=next((model for model in models if model), set_model),
        parent=as_text(as_object(composer.get("subagentInfo")).get("parentComposerId")),
        created_at=composer.get("createdAt"),
        last_activity=composer.get("lastUpdatedAt") or composer.get("lastSendTime"),
        facts=present(
            subtitle=as_text(composer.get("subtitle")),
            status=as_text(composer.get("status")),
            mode=as_text(composer.get("unifiedMode")) or as_text(composer.get("forceMode")),
            archived=True if composer.get("isArchived") is True else None,
            draft=as_text(composer.get("text")),
        ),
    )


def _messages(bubble: Object) -> Iterator[Message]:
    """Yield the message that a bubble is, and the result of its call; nothing if it is empty."""
    role = _ROLES.get(_kind(bubble), "unknown")
    call = as_object(bubble.get("toolFormerData"))
    is_call = as_text(call.get("name")) is not None
    text = as_text(bubble.get("text")) or as_text(bubble.get("rawText"))
    thought = as_text(as_object(bubble.get("thinking")).get("text"))
    says_more = _shows_more(bubble) if role == "user" else _says_more(bubble)
    if not (text or thought or is_call or says_more):
        return
    call_id = as_text(call.get("toolCallId")) or f"call_{_bubble_id(bubble)}"
    rest = without(bubble, "type", "bubbleId", "id", "text")
    if is_call:
        rest["toolFormerData"] = without(call, "name", "toolCallId", "rawArgs", "result", "error")
    if thought:
        rest["thinking"] = without(as_object(bubble.get("thinking")), "text")
    if text and rest.get("rawText") == text:
        del rest["rawText"]
    rest = without(rest, *(key for key in _RICH if text and _is_copy(rest.get(key), text)))
    if (said_at := _said_at(bubble)) is not None:
        rest["createdAt"] = said_at
    made = message(
        role,
        {key: value for key, value in rest.items() if value not in _EMPTY},
        id=_bubble_id(bubble),
        content=with_thoughts([thinking_part(thought)] if thought else [], text),
        time_key="createdAt",
        tool_calls=[tool_call(call_id, call["name"], _arguments(call))] if is_call else (),
    )
    yield made
    result = call.get("result") or call.get("error")
    if is_call and result:
        yield message(
            "tool",
            present(error=True if not call.get("result") else None),
            id=f"{_bubble_id(bubble)}.result",
            content=result if isinstance(result, str) else json_text(result),
            tool_call_id=call_id,
        )


_RICH = ("richText", "initText")
_PLAIN_NODES = frozenset({"root", "paragraph", "text", "linebreak", "tab"})


def _is_copy(rich: JsonValue, text: str) -> bool:
    """Tell whether a document of the editor (Lexical, as JSON) holds the text and no more."""
    try:
        root = json_of(rich.encode(errors="replace"))[0] if isinstance(rich, str) else rich
    except json.JSONDecodeError:
        return False
    nodes = [as_object(as_object(root).get("root"))]
    for node in nodes:
        if node.get("type") not in _PLAIN_NODES or str(node.get("text") or "") not in text:
            return False
        nodes.extend(as_objects(node.get("children")))
    return True


_EMPTY: tuple[JsonValue, ...] = (None, "", [], {})
_SILENT = frozenset(
    {
        *("type", "bubbleId", "id", "createdAt", "taken_back", "timingInfo", "tokenCount", "_v"),
        *("requestId", "usageUuid", "serverBubbleId", "checkpointId", "unifiedMode", "isAgentic"),
        *("capabilityType", "supportedTools", "isRefunded", "modelInfo"),
    }
)


_SHOWN = ("images", "selectedImages", "selections", "quotes", "terminalSelections", "externalLinks")


def _shows_more(bubble: Object) -> bool:
    """Tell whether a person's bubble without text shows something; the box to type in does not."""
    context = as_object(bubble.get("context"))
    return any(bubble.get(key) or context.get(key) for key in _SHOWN)


def _says_more(bubble: Object) -> bool:
    """Tell whether a bubble without text has a key that says something, such as an error."""
    return any(
        value not in _EMPTY and value is not False
        for key, value in bubble.items()
        if key not in _SILENT
    )


def _kind(bubble: Object) -> JsonValue:
    kind = bubble.get("type")
    return kind if isinstance(kind, str | int) and not isinstance(kind, bool) else None


def _arguments(call: Object) -> JsonValue:
    return as_text(call.get("rawArgs")) or call.get("rawArgs") or call.get("params")


def _said_at(bubble: Object) -> str | None:
    """Return when a bubble was said, if it does not say so itself but its timing does."""
    if as_instant(bubble.get("createdAt")) is not None:
        return None
    timing = as_object(bubble.get("timingInfo"))
    times = (timing.get(key) for key in _EPOCH_TIMES)
    # Where the clock is that of the process, a number is small.
    epoch = (time for time in times if isinstance(time, int | float) and time > 1e12)
    return next((text for time in epoch if (text := as_instant_text(time))), None)


def _folder_of(uri: JsonValue) -> str | None:
    """Return the path that a ``file:`` URI names."""
    text = as_text(uri)
    if text is None or not text.startswith("file:"):
        return None
    try:
        return decoded_path(urlsplit(text).path)
    except ValueError:
        return None


CURSOR_VSCDB = Format("cursor-vscdb", "cursor", _recognises, _read)
