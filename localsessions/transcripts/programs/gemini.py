"""gemini-cli: ``~/.gemini/tmp/<project>/chats/session-*.json`` and, since 0.40, ``.jsonl``.

A JSON file is ``{sessionId, projectHash, messages, ...}``. JSON Lines begin with the same without
the messages (the head), and are applied in order
(https://github.com/google-gemini/gemini-cli/blob/main/packages/core/src/services/chatRecordingService.ts,
``loadConversationRecord``):

    {id, type, ...}     a message; one with the id of an earlier one is its new version, and takes
                        its place
    {$set: {...}}       new values of the head; ``messages`` among them replaces the list, for
                        example when the program compresses it
    {$rewindTo: id}     takes back the message with the id and all after it; if there is none, all

What was said is kept: a message that was replaced in the list stays in its place, and one that was
taken back is marked. What each message becomes: ``gemini_messages``. A sub-agent's file stands in
a folder that is named after the session that started it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text, present
from localsessions.transcripts.programs.gemini_messages import TYPES, said_messages
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript
from localsessions.transcripts.typed import typed_words

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.transcripts.source import Source

__all__ = ["GEMINI_CHAT", "GEMINI_JSONL"]

_CHATS = "chats"


def _is_head(value: Object) -> bool:
    return "sessionId" in value and "projectHash" in value and "role" not in value


def _recognises_chat(source: Source) -> bool:
    return _is_head(source.root) and isinstance(source.root.get("messages"), list)


def _recognises_jsonl(source: Source) -> bool:
    values = [record.value for record in source.records]
    return any(_is_head(value) and "type" not in value for value in values) and any(
        _says_something(value) for value in values
    )


def _says_something(value: Object) -> bool:
    if isinstance(as_object(value.get("$set")).get("messages"), list):
        return True
    return as_text(value.get("type")) in TYPES and "id" in value


def _read_chat(source: Source) -> Reading:
    chat = _Chat()
    chat.take_head(source.root)
    return Reading([chat.transcript(source)], chat.bookkeeping)


def _read_jsonl(source: Source) -> Reading:
    chat = _Chat()
    for record in source.records:
        chat.take(record.value)
    return Reading([chat.transcript(source)], chat.bookkeeping)


@dataclass(slots=True)
class _Chat:
    """What the records of a chat have said so far.

    Attributes:
        head: The facts of the session.
        said: The last version of every message, in order.
        standing: The keys in ``said`` of the messages that the program still has.
        taken_back: The keys in ``said`` of the messages that were taken back.
        bookkeeping: How many records of each kind are no messages.
    """

    head: Object = field(default_factory=dict)
    said: dict[str, Object] = field(default_factory=dict)
    standing: dict[str, None] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    bookkeeping: Counter[str] = field(default_factory=Counter)

    def take(self, record: Object) -> None:
        """Apply a line of JSON Lines, as the program does when it loads the file."""
        if isinstance(rewound := record.get("$rewindTo"), str):
            self.bookkeeping["$rewindTo"] += 1
            self._rewind(rewound)
        elif _is_head(record) and "type" not in record:
            self.bookkeeping["(head)"] += 1
            self.take_head(record)
        elif "$set" in record:
            self.bookkeeping["$set"] += 1
            self._set(as_object(record.get("$set")))
        elif as_text(record.get("id")) or as_text(record.get("type")) in TYPES:
            key = self._key(record)
            self.bookkeeping["(earlier version)"] += key in self.said
            self._say(record, key)
        else:
            self.bookkeeping[next(iter(record), "(empty)")] += 1

    def take_head(self, head: Object) -> None:
        """Take the facts of a head, and the messages that it holds in a JSON file."""
        # The id of a session is the first one: it stays when the file grows.
        first = {key: self.head[key] for key in ("sessionId",) if key in self.head}
        self.head |= head | first
        if isinstance(listed := head.get("messages"), list):
            self._list(listed)

    def _set(self, values: Object) -> None:
        if isinstance(values.get("messages"), list):
            self.standing.clear()
        self.take_head(values)

    def _list(self, listed: list[JsonValue]) -> None:
        """Say a whole list; a new message in it comes before the next one that is known."""
        known, new, before = set(self.said), list[str](), dict[str, list[str]]()
        in_list: dict[str, Object] = {}
        for spoken in listed:
            if not isinstance(spoken, dict):
                self.bookkeeping["(no object)"] += 1
                continue
            key = self._key(spoken)
            if in_list.get(key) == spoken:
                self.bookkeeping["(repeated)"] += 1
                continue
            while key in in_list:
                key += "~"
            in_list[key] = spoken
            if key in known:
                before[key], new = new, []
            else:
                new.append(key)
            self._say(spoken, key)
        order = [key for old in self.said for key in (*before.get(old, ()), old)]
        self.said = {key: self.said[key] for key in dict.fromkeys(order)}

    def _key(self, spoken: Object) -> str:
        own_id = spoken.get("id")
        if isinstance(own_id, int) and not isinstance(own_id, bool):
            return str(own_id)
        return as_text(own_id) or f"msg_{len(self.said) + 1:06d}"

    def _say(self, spoken: Object, key: str) -> None:
        if key in self.taken_back:
            # It is said again, now after what was said since.
            self.taken_back.discard(key)
            del self.said[key]
        self.said[key] = spoken
        self.standing[key] = None

    def _rewind(self, to: str) -> None:
        standing = list(self.standing)
        gone = standing[standing.index(to) :] if to in self.standing else standing
        self.taken_back.update(gone)
        for key in gone:
            del self.standing[key]

    def transcript(self, source: Source) -> Transcript:
        """Return the session, when every record was taken."""
        messages, repeated = said_messages(self.said, self.taken_back)
        self.bookkeeping["(repeated)"] += repeated
        self.bookkeeping += Counter()  # no zeros
        models = [as_text(spoken.get("model")) for spoken in self.said.values()]
        standing = [one for one in messages if "taken_back" not in one]
        head = self.head
        return Transcript(
            messages=messages,
            session_id=as_text(head.get("sessionId")),
            title=as_text(head.get("summary")) or first_words([*standing, *messages], typed_words),
            model=next((model for model in models if model), None),
            parent=_parent(source) if head.get("kind") == "subagent" else None,
            facts=present(
                project_hash=as_text(head.get("projectHash")),
                kind=as_text(head.get("kind")),
                directories=as_list(head.get("directories")) or None,
                memory_scratchpad=as_object(head.get("memoryScratchpad")) or None,
            ),
        )


def _parent(source: Source) -> str | None:
    """Return the id of the session that started a sub-agent: the name of its folder."""
    return source.folders[-1] if source.folders[-2:-1] == [_CHATS] else None


GEMINI_CHAT = Format("gemini-chat", "gemini-cli", _recognises_chat, _read_chat)
GEMINI_JSONL = Format("gemini-jsonl", "gemini-cli", _recognises_jsonl, _read_jsonl)
