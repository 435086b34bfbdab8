"""What a person typed while Claude Code worked, from the log of its queue.

A ``queue-operation`` has no ``uuid`` and names no other record. ``enqueue`` holds the text;
``dequeue`` begins a turn with the oldest text, ``remove`` gives a text to the turn that runs (or
the person took it out: files before 2.1.246 do not say which), ``popAll`` puts all texts back into
the input line. The same text mostly stands in another record too: a ``user`` record after
``dequeue``, an ``attachment`` beside ``remove``, which has the time of ``enqueue`` and may have a
longer text (a paste, in the queue, is its number). Then that record is the message. Otherwise the
text stands in the queue only, and is a message where it left the queue.

Seen in files, and described by https://github.com/kenn-io/agentsview and others; not documented.
A text whose other record may still be written is ``pending``, and last if it waits in the queue.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text, without
from localsessions.transcripts.programs.claude_messages import is_queued_prompt
from localsessions.transcripts.programs.claude_typed import texts_of, typed_text
from localsessions.transcripts.transcript import message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["Queued", "queued_messages"]


@dataclass(slots=True)
class Queued:
    """The messages that stand in the queue only.

    Attributes:
        leaving: The messages that left the queue, by the position of the record that says so.
        waiting: The messages that are in the queue at the end of the file.
        taken: The positions of the records that these messages were made of.
    """

    leaving: dict[int, list[Message]] = field(default_factory=dict)
    waiting: list[Message] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Prompt:
    """A text in the queue: where it came in, and where and how it left."""

    at: int
    record: Object
    content: JsonValue
    left_at: int | None = None
    left_by: Object = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        self.text = _text_of(self.content)

    @property
    def left_as(self) -> str | None:
        return as_text(self.left_by.get("operation"))


def queued_messages(records: Sequence[Object]) -> Queued:
    """Return the messages of a session that stand in no record but those of its queue."""
    found = Queued()
    if not any(record.get("type") == "queue-operation" for record in records):
        return found
    elsewhere = _Elsewhere(records)
    prompts = _prompts(records)
    last = {prompt.text: prompt.at for prompt in prompts}
    for prompt in prompts:
        # A prompt that was taken back may have been given again.
        is_repeated = prompt.left_as == "popAll" and last[prompt.text] > prompt.at
        if is_repeated or not typed_text(prompt.content) or elsewhere.has(prompt):
            continue
        found.taken.add(prompt.at)
        if prompt.left_at is None:
            found.waiting.append(_message(prompt, is_pending=True))
        else:
            is_pending = not elsewhere.is_answered(prompt.left_at)
            made = _message(prompt, is_pending=is_pending)
            found.leaving.setdefault(prompt.left_at, []).append(made)
    return found


def _message(prompt: _Prompt, *, is_pending: bool) -> Message:
    # The record has no id; its time and text are the same in every later state of the file.
    known = f"{prompt.record.get('timestamp')}\n{prompt.text}"
    name = hashlib.sha256(known.encode(errors="surrogatepass")).hexdigest()
    rest = without(prompt.record, "type", "sessionId", "content")
    rest |= without(prompt.left_by, "type", "sessionId", "content", "timestamp")
    if is_pending:
        rest["pending"] = True
    elif prompt.left_as == "popAll":
        rest["taken_back"] = True
    return message("user", rest, id=f"queued-{name[:12]}", content=prompt.content)


def _prompts(records: Sequence[Object]) -> list[_Prompt]:
    prompts: list[_Prompt] = []
    waiting: list[_Prompt] = []
    for at, record in enumerate(records):
        if record.get("type") != "queue-operation":
            continue
        operation = record.get("operation")
        if operation == "enqueue":
            prompts.append(_Prompt(at, record, record.get("content")))
            waiting.append(prompts[-1])
        elif operation in ("dequeue", "remove", "popAll"):
            named = _named(waiting, at, record)
            if named is not None and named not in waiting:
                prompts.append(named)
            for prompt in _leaving(waiting, named, operation):
                prompt.left_at, prompt.left_by = at, record
    return prompts


def _named(waiting: Sequence[_Prompt], at: int, record: Object) -> _Prompt | None:
    """Return the prompt whose text a record holds; made of the record if the queue has none."""
    content = record.get("content")
    if not (text := _text_of(content)):
        return None
    for prompt in waiting:
        if prompt.text == text:
            return prompt
    for prompt in waiting:
        if not prompt.text:
            prompt.content, prompt.text = content, text
            return prompt
    return _Prompt(at, record, content)


def _leaving(waiting: list[_Prompt], named: _Prompt | None, operation: str) -> list[_Prompt]:
    """Take the prompts that leave the queue out of it: the named one, else the oldest or all."""
    if named is not None:
        if named in waiting:
            waiting.remove(named)
        return [named]
    count = len(waiting) if operation == "popAll" else 1
    leaving = waiting[:count]
    del waiting[:count]
    return leaving


class _Elsewhere:
    """The records, other than those of the queue, that hold what a person said."""

    def __init__(self, records: Sequence[Object]) -> None:
        self._answers: list[int] = []
        self._attachments: dict[str, list[int]] = {}
        self._attached_at: dict[str, list[int]] = {}
        self._taken: set[int] = set()
        self._users: dict[str, list[int]] = {}
        self._texts: list[tuple[int, str]] = []
        for at, record in enumerate(records):
            kind = record.get("type")
            if kind == "assistant":
                self._answers.append(at)
            elif kind == "attachment" and is_queued_prompt(record):
                self._add_attachment(at, record, as_object(record.get("attachment")))
            elif kind == "user" or record.get("subtype") == "local_command":
                self._add_user(at, record)

    def _add_attachment(self, at: int, record: Object, attachment: Object) -> None:
        self._attachments.setdefault(_text_of(attachment.get("prompt")), []).append(at)
        if time := as_text(attachment.get("timestamp")) or as_text(record.get("timestamp")):
            self._attached_at.setdefault(time, []).append(at)

    def _add_user(self, at: int, record: Object) -> None:
        spoken = as_object(record.get("message")) or record
        content = spoken.get("content", record.get("message"))
        if as_list(content) and not texts_of(content):
            return
        self._users.setdefault(_text_of(content), []).append(at)
        self._texts.append((at, "\n".join(("", *texts_of(content), ""))))

    def is_answered(self, at: int) -> bool:
        """Tell whether the model spoke after a position."""
        return self._answer_after(at) is not None

    def has(self, prompt: _Prompt) -> bool:
        """Tell whether another record holds a prompt; each record holds one prompt only."""
        until = None
        if prompt.left_at is not None and prompt.left_as == "remove":
            # The same words after the next answer were typed once more.
            until = self._answer_after(prompt.left_at)
        time = as_text(prompt.record.get("timestamp")) or ""
        if (
            self._take(self._attachments, prompt.text, prompt.at)
            or self._take(self._users, prompt.text, prompt.at, until)
            or self._take(self._attached_at, time, prompt.at)
        ):
            return True
        return prompt.left_as == "dequeue" and self._is_part_of_turn(prompt)

    def _take(
        self, places: dict[str, list[int]], key: str, after: int, until: int | None = None
    ) -> bool:
        """Take the first record of a range that is not taken, if there is one."""
        for at in places.get(key, ()):
            if at > after and (until is None or at < until) and at not in self._taken:
                places[key].remove(at)
                self._taken.add(at)
                return True
        return False

    def _is_part_of_turn(self, prompt: _Prompt) -> bool:
        """Tell whether a prompt begins a turn together with others, in one record."""
        left_at = prompt.left_at or 0
        until = self._answer_after(left_at)
        lines = "\n".join(("", *texts_of(prompt.content), ""))
        first = bisect_right(self._texts, left_at, key=lambda item: item[0])
        for place in range(first, len(self._texts)):
            at, text = self._texts[place]
            if until is not None and at > until:
                return False
            if lines in text:
                self._texts[place] = at, text.replace(lines, "\n", 1)
                return True
        return False

    def _answer_after(self, at: int) -> int | None:
        place = bisect_right(self._answers, at)
        return self._answers[place] if place < len(self._answers) else None


def _text_of(content: JsonValue) -> str:
    """Return a text to compare with: a command reads the same as it was typed and in tags."""
    return " ".join((typed_text(content) or "\n".join(texts_of(content))).split())
