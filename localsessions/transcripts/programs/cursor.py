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

How a row is read: ``cursor_rows``; what a bubble becomes: ``cursor_messages``. A bubble that its
composer does not name any more was taken back, and is kept, marked. Prompts that stand in no
conversation of the database become a session, unless a conversation is in the global database,
where they stand then.
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
    as_list,
    as_object,
    as_objects,
    as_text,
    decoded_path,
    present,
    without,
)
from localsessions.transcripts.lines import json_of
from localsessions.transcripts.programs.cursor_messages import (
    bubble_id,
    bubble_messages,
    in_time,
    inline_bubbles,
)
from localsessions.transcripts.programs.cursor_rows import (
    Rows,
    bytes_of,
    is_of_all,
    items_of,
    name_of,
)
from localsessions.transcripts.transcript import Format, Reading, Transcript, message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.databases import Database
    from localsessions.transcripts.programs.cursor_rows import Row
    from localsessions.transcripts.source import Source

__all__ = ["CURSOR_VSCDB"]

_COMPOSERS = "composer.composerData"
_CHATS = "workbench.panel.aichat.view.aichat.chatdata"
_PROMPTS = "aiService.prompts"
_ITEMS = (_COMPOSERS, _CHATS, _PROMPTS)
_COMPOSER = "composerData"
_TASK = "task-"
_MAY_START = re.compile(rb'"(?:toolCallId|subagentComposerIds|subComposerIds)"')


def _recognises(source: Source) -> bool:
    database = source.database
    return database is not None and (is_of_all(database) or bool(items_of(database, _ITEMS)))


def _read(source: Source) -> Reading:
    if source.database is None:
        return Reading([])
    found = _Found(source, source.database)
    return Reading(found.sessions(), found.bookkeeping, found.rows.bad)


class _Found:
    """What was found in a database so far."""

    def __init__(self, source: Source, database: Database) -> None:
        self.bookkeeping: Counter[str] = Counter()
        self.rows = Rows(database)
        self._source = source
        self._project = _folder_of(as_object(source.beside("workspace.json")).get("folder"))

    def sessions(self) -> Iterator[Transcript]:
        """Yield the sessions of the workspace, then those of all workspaces."""
        parents = self._parents() if self.rows.are_of_all else {}
        for session in chain(self._workspace(), self._global() if self.rows.are_of_all else ()):
            own = str(session.session_id)
            started_by = parents.get(own) or parents.get(own.removeprefix(_TASK))
            if started_by and started_by != own:
                session.parent = session.parent or started_by
            yield session

    # -- a workspace -----------------------------------------------------------------------------

    def _workspace(self) -> Iterator[Transcript]:
        items = self.rows.items(_ITEMS)
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
        self.bookkeeping.update(self.rows.counts())
        del self.bookkeeping[_COMPOSER]
        for row in self.rows.below(f"{_COMPOSER}:"):
            composer_id = name_of(row)
            composer = as_object(self.rows.value(row))
            yield self._session(composer_id, composer, self._bubbles(composer_id, composer))

    def _parents(self) -> dict[str, str]:
        """Return which composer started which: it names it, or called the tool with its id.

        This is a pass of its own, so that no session waits for those after it. Few ids are kept,
        since most calls start nothing.
        """
        ids = self.rows.names(_COMPOSER)
        known = ids | {composer_id.removeprefix(_TASK) for composer_id in ids}
        parents: dict[str, str] = {}
        for composer_id, child in chain(self._named(), self._called()):
            if child in known and composer_id in ids:
                parents[child] = max(parents.get(child, ""), composer_id)
        return parents

    def _named(self) -> Iterator[tuple[str, str | None]]:
        """Yield each composer with a composer that it names, or a call in its own bubbles."""
        for row in self.rows.below(f"{_COMPOSER}:"):
            composer = _may_start(row)
            children = (composer.get(key) for key in ("subagentComposerIds", "subComposerIds"))
            for child in (
                *chain.from_iterable(map(as_list, children)),
                *map(_call_id, inline_bubbles(composer)),
            ):
                yield name_of(row), as_text(child)

    def _called(self) -> Iterator[tuple[str, str | None]]:
        """Yield each composer with a call in a bubble."""
        for row in self.rows.below("bubbleId:"):
            yield name_of(row).rpartition(":")[0], _call_id(_may_start(row))

    def _bubbles(self, composer_id: str, composer: Object) -> list[Object]:
        """Return the bubbles of a composer in order; those that were taken back, marked."""
        stored: dict[str, Object] = {}
        for row in self.rows.below(f"bubbleId:{composer_id}:"):
            self.bookkeeping["bubbleId"] -= 1
            if value := as_object(self.rows.value(row)):
                stored[str(row["key"]).rpartition(":")[2]] = value
            else:
                self.bookkeeping["bubble without content"] += 1
        inline = inline_bubbles(composer)
        known = {bubble_id(bubble): bubble for bubble in inline} | stored
        heads = as_objects(composer.get("fullConversationHeadersOnly")) or inline
        named = [bubble_id(head) for head in heads]
        self.bookkeeping["bubble that is gone"] += sum(key not in known for key in named)
        bubbles = [{"bubbleId": key, **known[key]} for key in named if key in known]
        others = [{"bubbleId": key, **known[key]} for key in known if key not in set(named)]
        if composer:
            others = [{**bubble, "taken_back": True} for bubble in others]
        return in_time(bubbles, others)

    def _session(
        self, session_id: str | None, composer: Object, bubbles: list[Object]
    ) -> Transcript:
        messages: list[Message] = []
        for bubble in bubbles:
            made = list(bubble_messages(bubble))
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


def _may_start(row: Row) -> Object:
    """Return a composer or a bubble that may say what it started; else an empty object."""
    data = bytes_of(row)
    if not _MAY_START.search(data):
        return {}
    try:
        return as_object(json_of(data)[0])
    except json.JSONDecodeError:
        return {}  # told when the session is read


def _call_id(bubble: Object) -> str | None:
    return as_text(as_object(bubble.get("toolFormerData")).get("toolCallId"))


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
