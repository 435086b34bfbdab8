"""Cline and Roo shorten a history while it is imported: no word of a person goes, or stands twice.

The programs are played on their sample: what a person says is a row first, then a message of the
history, and the model answers. Now and then the history is shortened as the program does it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localsessions.models import message_text
from localsessions.store import SessionStore
from localsessions.transcripts import import_paths, read_transcript
from localsessions.transcripts.programs.cline_words import person_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from localsessions.models import Message

    Record = dict[str, Any]
    Shortening = Callable[[list[Record]], list[Record]]

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
API, UI = "api_conversation_history.json", "ui_messages.json"
PLAIN = ("ok", "Go on", "Use  tabs,\nplease", "ok", "No!", "Read it again")
TIMES = 5
SENT = {  # before the element, in it, and after it; as in test_cline
    "Fix @/a.py": (
        "",
        "Fix 'a.py' (see below for file content)",
        '\n\n<file_content path="a.py">\nx\n</file_content>',
    ),
    "/newtask ok": (
        '<explicit_instructions type="new_task">\nx\n</explicit_instructions>\n',
        " ok",
        "",
    ),
}
TEXTS = (*PLAIN, *SENT)


def roo_condensed(records: list[Record]) -> list[Record]:
    """Keep the first message and the last three, with a summary between them.

    As ``summarizeConversation`` did in
    https://github.com/RooCodeInc/Roo-Code/blob/23605bed93^/src/core/condense/index.ts
    """
    kept = records[-3:]
    if len(records) < 5 or any("isSummary" in one for one in kept):
        return records
    said = " ".join(TEXTS)
    summary = {"role": "assistant", "content": said, "ts": kept[0]["ts"], "isSummary": True}
    return [records[0], summary, *kept]


def roo_truncated(records: list[Record]) -> list[Record]:
    """Drop half of the messages after the first.

    As ``truncateConversation`` did in
    https://github.com/RooCodeInc/Roo-Code/blob/23605bed93^/src/core/context-management/index.ts
    """
    dropped = (len(records) - 1) // 4 * 2
    return [records[0], *records[dropped + 1 :]]


def roo_tagged(records: list[Record]) -> list[Record]:
    """Keep all, tagged with the summary that takes their place, which is said by the user.

    As ``summarizeConversation`` does in
    https://github.com/RooCodeInc/Roo-Code/blob/main/src/core/condense/index.ts
    """
    own = f"c{len(records)}"
    tagged = [{"condenseParent": own, **one} for one in records]
    content = [{"type": "text", "text": f"## Conversation Summary\n{' '.join(TEXTS)}"}]
    last: Record = {"role": "user", "content": content, "isSummary": True, "condenseId": own}
    return [*tagged, last | {"ts": records[-1]["ts"] + 1}]


def roo_hidden(records: list[Record]) -> list[Record]:
    """Keep all; half of them are tagged with a marker, which is said by the user.

    As ``truncateConversation`` does in
    https://github.com/RooCodeInc/Roo-Code/blob/main/src/core/context-management/index.ts
    """
    seen = [
        at
        for at, one in enumerate(records)
        if not {*one} & {"truncationParent", "isTruncationMarker"}
    ]
    count = (len(seen) - 1) // 4 * 2
    if not count:
        return records
    hidden, end = {*seen[1 : count + 1]}, seen[count + 1]
    own = f"t{len(records)}"
    tagged = [
        one | {"truncationParent": own} if at in hidden else one for at, one in enumerate(records)
    ]
    text = f"[Sliding window truncation: {count} messages hidden to reduce context]"
    marker: Record = {"role": "user", "content": text, "ts": records[end]["ts"] - 1}
    marker |= {"isTruncationMarker": True, "truncationId": own}
    return [*tagged[:end], marker, *tagged[end:]]


def cline_truncated(records: list[Record]) -> list[Record]:
    """Drop half of the pairs after the first message.

    As ``truncateHalfConversation`` did in
    https://github.com/cline/cline/blob/93e70c62f1/src/core/sliding-window/index.ts
    """
    return [records[0], *records[len(records) // 4 * 2 + 1 :]]


def cline_ranged(records: list[Record]) -> list[Record]:
    """Keep all: the range that the model does not see stands in the list of tasks.

    As ``getNextTruncationRange`` does in
    https://github.com/cline/cline/blob/9de7253998/src/core/sliding-window/index.ts
    """
    return records


SHORTENINGS: dict[str, tuple[str, Shortening]] = {
    "roo condenses": ("roo", roo_condensed),
    "roo truncates": ("roo", roo_truncated),
    "roo tags": ("roo", roo_tagged),
    "roo hides": ("roo", roo_hidden),
    "cline truncates": ("cline", cline_truncated),
    "cline keeps a range": ("cline", cline_ranged),
}


class Task:
    """A task while the program works on it.

    Attributes:
        records: The history, as the program has it now.
        rows: The rows; each one stays.
    """

    def __init__(self, name: str, folder: Path, store: SessionStore) -> None:
        self.program, self.shortened = SHORTENINGS[name]
        sample = TRANSCRIPTS / self.program
        self.records: list[Record] = json.loads((sample / API).read_bytes())
        self.rows: list[Record] = json.loads((sample / UI).read_bytes())
        self.is_indexed = self.shortened is cline_ranged
        if self.program == "cline" and not self.is_indexed:  # as at that time
            self.rows = [
                {key: value for key, value in row.items() if key != "conversationHistoryIndex"}
                for row in self.rows
            ]
        self.now = self.rows[-1]["ts"]
        self.folder, self.store = folder, store
        self.seen: set[str] = set()

    def say(self, text: str) -> None:
        """Let a person say something, before the history has it."""
        self._row("user_feedback", text)

    def take_up(self) -> None:
        """Let the history have what was said last, and the model answer."""
        text = self.rows[-1]["text"]
        before, sent, after = SENT.get(text, ("", text, ""))
        said = f"{before}[attempt_completion] Result:\n<feedback>\n{sent}\n</feedback>{after}"
        env = f"<environment_details>\n# Current Time\n{self.now}\n</environment_details>"
        self._row("api_req_started", "{}")
        self._record("user", said, env)
        self._row("reasoning", f"Thought {self.now}")
        self._row("text", f"Look {self.now}")
        self._record("assistant", f"Look\n<read_file><path>{self.now}</path></read_file>")
        self._row("api_req_started", "{}")
        self._record("user", "[read_file for 'x'] Result:", f"Line {self.now}", env)
        self._row("text", f"Answer {self.now}")
        self._record("assistant", f"Answer {self.now}")

    def _row(self, kind: str, text: str) -> None:
        row = {"ts": self._tick(), "type": "say", "say": kind, "text": text}
        index = {"conversationHistoryIndex": len(self.records) - 1} if self.is_indexed else {}
        self.rows.append(row | index)

    def _record(self, role: str, *texts: str) -> None:
        record: Record = {"role": role, "content": [{"type": "text", "text": t} for t in texts]}
        self.records.append(record | ({"ts": self._tick()} if self.program == "roo" else {}))

    def _tick(self) -> int:
        self.now += 100
        return int(self.now)

    def bring_in(self) -> None:
        """Import the task."""
        self.folder.mkdir(exist_ok=True)
        for name, value in ((API, self.records), (UI, self.rows)):
            (self.folder / name).write_text(json.dumps(value), encoding="utf-8")
        (found,) = read_transcript(self.folder / API).sessions
        self.seen |= {said(one) for one in found.messages if "abridged" not in one}
        (first, _) = import_paths(self.store, [self.folder]).files
        (again, _) = import_paths(self.store, [self.folder]).files
        assert (first.both, again.unchanged) == (0, 1)

    def check(self) -> None:
        """Each text of a person stands once, in order, and nothing that was imported is gone."""
        messages = self.store.load(self.folder.name).messages
        person = ("task", "user_feedback")
        rows = [row for at, row in enumerate(self.rows) if not at or row.get("say") in person]
        assert [typed(one) for one in messages if typed(one)] == [squeezed(r["text"]) for r in rows]
        assert self.seen <= {said(one) for one in messages}
        assert len({one["id"] for one in messages}) == len(messages)


def said(message: Message) -> str:
    """Return all that must not go: text, calls, and the call that is answered."""
    calls = message.get("tool_calls"), message.get("tool_call_id")
    return json.dumps([message["role"], message_text(message), *calls])


def typed(message: Message) -> str | None:
    """Return what a person typed of a message; None of what the program says as a user."""
    if message["role"] != "user" or {"isSummary", "isTruncationMarker"} & message.keys():
        return None
    if beside := message.get("text"):
        _, sent, _ = SENT.get(str(beside), ("", "", ""))
        assert squeezed(sent) in squeezed(message_text(message))
        return squeezed(str(beside))
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part["text"] for part in parts if isinstance(part, dict) and "text" in part]
    return next((squeezed(words) for text in texts if (words := person_words(str(text)))), None)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", SHORTENINGS)
def test_a_sample_that_is_shortened_keeps_each_word_once(name: str, tmp_path: Path) -> None:
    with SessionStore(tmp_path / "store", durability="fast") as store:
        task = Task(name, tmp_path / "t1", store)
        task.bring_in()
        task.check()
        for text in TEXTS:
            task.say(text)
            task.take_up()
        task.bring_in()
        task.records = task.shortened(task.records)
        task.bring_in()
        task.check()


@pytest.mark.parametrize("name", SHORTENINGS)
def test_a_sample_that_was_shortened_before_has_each_word_once(name: str, tmp_path: Path) -> None:
    with SessionStore(tmp_path / "store", durability="fast") as store:
        task = Task(name, tmp_path / "t1", store)
        for text in TEXTS:
            task.say(text)
            task.take_up()
        task.records = task.shortened(task.records)
        task.bring_in()
        task.check()


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("name", SHORTENINGS)
def test_a_task_that_grows_and_is_shortened_keeps_each_word_once(
    name: str, seed: int, tmp_path: Path
) -> None:
    chance = random.Random(f"{name} {seed}")
    with SessionStore(tmp_path / "store", durability="fast") as store:
        task = Task(name, tmp_path / "t1", store)
        for _ in range(16):
            task.say(chance.choice(TEXTS))
            if chance.random() < 0.3:
                task.bring_in()
            task.take_up()
            if chance.random() < 0.4:
                task.records = task.shortened(task.records)
            if chance.random() < 0.5:
                task.bring_in()
        task.bring_in()
        task.check()
