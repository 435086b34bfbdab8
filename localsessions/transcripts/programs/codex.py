"""Codex CLI: ``~/.codex/sessions/<date>/rollout-*.jsonl``, and TRAE CLI, which writes the same.

A line is ``{timestamp, type, payload}``:

    session_meta        who writes, where, and from which session; the first one counts
    turn_context        the model and the folder of a turn
    response_item       a message (``codex_items``)
    compacted           a message: the summary that the model goes on from
    event_msg           what the screen showed; a message where no item repeats it
                        (``codex_events``); a name of the session; turns that were taken back

The rest is bookkeeping. A call, its result and the reasoning before it are three items, and so
three messages. Kinds of lines:
https://github.com/openai/codex/blob/main/codex-rs/protocol/src/protocol.rs (``RolloutItem``) and
https://github.com/openai/codex/blob/main/codex-rs/rollout/src/policy.rs (which are written).

Until September 2025 a line was the item alone, after a line ``{id, timestamp, instructions}``; the
first versions wrote one object ``{session, items}``. The names that people give to sessions stand
in ``~/.codex/session_index.jsonl``, the last one counts
(https://github.com/openai/codex/blob/main/codex-rs/rollout/src/session_index.rs).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.models import message_text
from localsessions.transcripts.foreign import (
    Object,
    as_instant_text,
    as_list,
    as_object,
    as_objects,
    as_text,
    json_text,
    present,
    without,
)
from localsessions.transcripts.programs.codex_events import Said, event_message, unrepeated
from localsessions.transcripts.programs.codex_items import (
    compacted_message,
    is_item,
    is_said,
    item_message,
    squeezed,
)
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript
from localsessions.transcripts.typed import typed_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CODEX_ROLLOUT", "TRAE_ROLLOUT"]

_FACTS = (
    *("cli_version", "originator", "source", "model_provider"),
    *("agent_nickname", "agent_role", "agent_path"),
)
_INDEXES = ("../../../../session_index.jsonl", "../session_index.jsonl")
"""Where the names stand, from ``sessions/<year>/<month>/<day>`` and ``archived_sessions``."""

_FOLDER = re.compile(r"<environment_context>.*?<cwd>([^<]+)</cwd>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a rollout, whatever the version: its kind, what it says, and what is around it."""

    kind: str
    payload: Object
    around: Object

    @property
    def item(self) -> str | None:
        return as_text(self.payload.get("type"))


def _is_rollout(source: Source) -> bool:
    values = [record.value for record in source.records]
    return (
        any(
            value.get("type") in ("session_meta", "response_item")
            and isinstance(value.get("payload"), dict)
            for value in values
        )
        or any(value.get("record_type") == "state" for value in values)
        or (any(map(_is_old_head, values)) and any(map(is_item, values)))
        or _is_first_version(source.root)
    )


def _is_old_head(value: Object) -> bool:
    return value.keys() >= {"id", "timestamp", "instructions"} and not value.keys() & {
        *("type", "role", "messages", "payload")
    }


def _is_first_version(root: Object) -> bool:
    items = as_list(root.get("items"))
    return _is_old_head(as_object(root.get("session"))) and any(
        isinstance(item, dict) and is_item(item) for item in items
    )


def _is_trae(source: Source) -> bool:
    if not _is_rollout(source):
        return False
    meta = next((line.payload for line in _lines(source) if line.kind == "session_meta"), {})
    instructions = as_text(as_object(meta.get("base_instructions")).get("text")) or ""
    return meta.get("model_provider") == "trae" or instructions.startswith("You are TRAE")


def _lines(source: Source) -> Iterator[_Line]:
    if _is_first_version(source.root):
        session = as_object(source.root.get("session"))
        yield _Line("session_meta", session, {})
        for item in as_list(source.root.get("items")):
            yield _Line("response_item", as_object(item), {} if item else {"payload": item})
        return
    values = [record.value for record in source.records]
    is_old = not any(isinstance(value.get("payload"), dict) for value in values)
    for value in values:
        payload = value.get("payload")
        kind = as_text(value.get("type")) or as_text(value.get("record_type")) or "(no type)"
        if isinstance(payload, dict):
            yield _Line(kind, payload, without(value, "type", "payload"))
        elif is_old and _is_old_head(value):
            yield _Line("session_meta", value, {})
        elif is_old and as_text(value.get("type")):
            yield _Line("response_item", value, {})
        else:
            yield _Line(kind, {}, without(value, "type"))


def _read(source: Source) -> Reading:
    rollout = _Rollout()
    for line in _lines(source):
        rollout.take(line)
    return Reading([rollout.transcript(source)], rollout.bookkeeping)


@dataclass(slots=True)
class _Rollout:
    """What the lines of a rollout have said so far."""

    found: Transcript = field(default_factory=lambda: Transcript([]))
    bookkeeping: Counter[str] = field(default_factory=Counter)
    began_at: str | None = None
    _said: list[Said] = field(default_factory=list)
    _turns: list[int] = field(default_factory=list)
    _items: int = 0
    _events: int = 0
    _seen: dict[str, list[Object]] = field(default_factory=dict)
    _open: dict[str, list[JsonValue]] = field(default_factory=dict)
    _unlikened: list[Object] = field(default_factory=list)
    _likenesses: set[str] = field(default_factory=set)

    def take(self, line: _Line) -> None:
        if line.kind == "response_item" and is_said(line.item):
            self._take_item(line)
        elif line.kind == "compacted" and (news := self._said_by(line.payload)) is not None:
            made_id = self._next_id()
            spoken = compacted_message(line.payload, line.around, news, made_id=made_id)
            self._said.append(Said(spoken))
        elif line.kind == "inter_agent_communication":
            kind = line.kind
            payload = line.payload | {"type": line.item or kind}
            spoken = item_message(kind, payload, line.around, made_id=self._next_id())
            self._said.append(Said(spoken))
        else:
            self._take_other(line)

    def _next_id(self) -> str:
        """Return an id that depends only on the items before it, and on no event."""
        self._items += 1
        return f"msg_{self._items:06d}"

    def _take_item(self, line: _Line) -> None:
        if self._is_repeated(line):
            self.bookkeeping[f"response_item/{line.item} (repeated)"] += 1
            return
        made_id = self._next_id()
        spoken = item_message(line.item, line.payload, line.around, made_id=made_id)
        self._unlikened.append(line.payload)
        self._pair(spoken, line.payload)
        if spoken["role"] == "user" and _is_turn(spoken):
            self._turns.append(len(self._said))
        self._said.append(Said(spoken))

    def _pair(self, spoken: Message, payload: Object) -> None:
        """Give a result without the id of its call that of the next call by its name."""
        if as_text(payload.get("call_id")):
            return
        for call in as_objects(spoken.get("tool_calls")):
            name = str(as_object(call.get("function")).get("name"))
            self._open.setdefault(name, []).append(call["id"])
        if spoken["role"] == "tool" and (ids := self._open.get(str(payload.get("name")))):
            spoken["tool_call_id"] = ids.pop(0)

    def _is_repeated(self, line: _Line) -> bool:
        """Tell whether an earlier line is this item: equal, under the same id or at the same time.

        Two calls may be equal, and a person may say the same twice, but not in one millisecond.
        """
        key = as_text(line.payload.get("id")) or as_instant_text(line.around.get("timestamp"))
        if key is None:
            return False
        seen = self._seen.setdefault(key, [])
        if line.payload in seen:
            return True
        seen.append(line.payload)
        return False

    def _said_by(self, compaction: Object) -> list[JsonValue] | None:
        """Return the items of a compaction that no line before it has said.

        None if it says nothing at all: no summary, and a history that stands in the lines before.
        """
        self._likenesses.update(map(_likeness, self._unlikened))
        self._unlikened.clear()
        news = [
            item
            for item in as_list(compaction.get("replacement_history"))
            if not isinstance(item, dict) or _likeness(item) not in self._likenesses
        ]
        self._unlikened.extend(item for item in news if isinstance(item, dict))
        return news if news or as_text(compaction.get("message")) else None

    def _take_other(self, line: _Line) -> None:
        event = line.item if line.kind == "event_msg" else None
        made_id = f"event_{self._events + 1:06d}"
        if said := event_message(event, line.payload, line.around, made_id=made_id):
            self._events += 1
            self._said.append(said)
            return
        self.bookkeeping[f"{line.kind}/{line.item}" if line.item else line.kind] += 1
        if line.kind == "session_meta":
            self._take_meta(line.payload)
        elif line.kind == "turn_context":
            self.found.model = self.found.model or as_text(line.payload.get("model"))
            self.found.project = self.found.project or as_text(line.payload.get("cwd"))
        elif event == "thread_name_updated":
            self.found.title = as_text(line.payload.get("thread_name"))
        elif event == "thread_rolled_back":
            self._take_back(line.payload.get("num_turns"))

    def _take_meta(self, meta: Object) -> None:
        found, own_id = self.found, as_text(meta.get("id"))
        if found.session_id:
            # A fork begins with the line of the session that it continues, and its items.
            if own_id not in (None, found.session_id) and not self._said:
                found.forked_from = found.forked_from or {"session_id": own_id}
            return
        found.session_id = own_id
        found.project = as_text(meta.get("cwd"))
        found.branch = as_text(as_object(meta.get("git")).get("branch"))
        found.parent = _parent(meta)
        if (elder := as_text(meta.get("forked_from_id"))) and elder != own_id:
            found.forked_from = {"session_id": elder}
        found.facts = present(
            **{key: as_text(meta.get(key)) for key in _FACTS},
        )
        self.began_at = as_instant_text(meta.get("timestamp"))

    def _take_back(self, turns: JsonValue) -> None:
        """Mark the messages of the last turns, which the program has taken back."""
        if isinstance(turns, bool) or not isinstance(turns, int) or turns < 1 or not self._turns:
            return
        begin = max(len(self._turns) - turns, 0)
        for said in self._said[self._turns[begin] :]:
            said.message["taken_back"] = True
        del self._turns[begin:]

    def transcript(self, source: Source) -> Transcript:
        found = self.found
        for said, is_settled in unrepeated(self._said):
            if not is_settled:
                said.message["pending"] = True
            found.messages.append(said.message)
        kept = {id(message) for message in found.messages}
        self.bookkeeping.update(
            f"event_msg/{said.event}" for said in self._said if id(said.message) not in kept
        )
        found.project = found.project or _folder(found.messages)
        self._date()
        standing = [one for one in found.messages if "taken_back" not in one]
        found.title = (
            _given_name(source, found.session_id)
            or found.title
            or first_words([*standing, *found.messages], typed_words)
        )
        return found

    def _date(self) -> None:
        """Give the first message the time of the session if no line has a time of its own."""
        messages = self.found.messages
        if self.began_at and messages and not any("created_at" in one for one in messages):
            messages[0]["created_at"] = self.began_at


def _is_turn(spoken: Message) -> bool:
    text = message_text(spoken)
    return not text or typed_words(text) is not None


def _likeness(item: Object) -> str:
    """Return what an item says, without what differs when it is written again."""
    text = squeezed(item.get("content"))
    if item.get("type") == "message" and text:
        return f"{item.get('role')}\n{text}"
    return json_text(
        without(item, "id", "status", "metadata", "internal_chat_message_metadata_passthrough")
    )


def _parent(meta: Object) -> str | None:
    """Return the id of the session that started this one, a sub-agent."""
    agent = as_object(as_object(meta.get("source")).get("subagent"))
    spawned = as_object(agent.get("thread_spawn"))
    parent = as_text(meta.get("parent_thread_id")) or as_text(spawned.get("parent_thread_id"))
    return None if parent == meta.get("id") else parent


def _folder(messages: Iterable[Message]) -> str | None:
    """Return the folder that the environment of an old rollout names."""
    for spoken in messages:
        if spoken["role"] == "user" and (named := _FOLDER.search(message_text(spoken))):
            return named[1].strip() or None
    return None


def _given_name(source: Source, session_id: str | None) -> str | None:
    """Return the last name of a session in the index of all sessions."""
    for entry in reversed([line for path in _INDEXES for line in source.lines_beside(path)]):
        name = as_text(entry.get("thread_name"))
        if session_id and entry.get("id") == session_id and name and name.strip():
            return name.strip()
    return None


CODEX_ROLLOUT = Format(
    "codex-rollout", "codex", lambda source: _is_rollout(source) and not _is_trae(source), _read
)
TRAE_ROLLOUT = Format("trae-rollout", "trae", _is_trae, _read)
