"""GitHub Copilot CLI: ``~/.copilot/session-state/<session>/events.jsonl``.

Each line is an event, ``{type, id, parentId, timestamp, agentId, data}``; the types and their data
are those of
https://github.com/github/copilot-sdk/blob/main/nodejs/src/generated/session-events.ts. VS Code
writes the same for its own agent. What each event becomes: ``copilot_events``.

An event of a sub-agent names it with ``agentId``, formerly with the call that started it
(``data.parentToolCallId``). A sub-agent becomes a session of its own, whose parent is the session.
The title that the program shows stands in a file beside the events: ``copilot_workspace``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_object, as_text, present
from localsessions.transcripts.programs.copilot_events import Events
from localsessions.transcripts.programs.copilot_workspace import shown_title
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript
from localsessions.transcripts.typed import typed_words

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["COPILOT_EVENTS"]

_KINDS = frozenset({"session.start", "user.message", "assistant.message"})
_TITLES = ("agentDisplayName", "agentName")


def _recognises(source: Source) -> bool:
    return any(
        as_text(record.value.get("type")) in _KINDS
        and isinstance(record.value.get("data"), dict)
        and "parentId" in record.value
        for record in source.records
    )


def _read(source: Source) -> Reading:
    log = _Log(Events([record.value for record in source.records]))
    for record in source.records:
        log.take(record.value)
    log.title = shown_title(source) or log.title
    return Reading(log.transcripts(source), +log.bookkeeping)


@dataclass(slots=True)
class _Log:
    """What the events have said so far.

    Attributes:
        events: Makes messages of events.
        said: The messages of the session (None) and of each sub-agent, in order.
        order: The id of the event of each message, in the order of the file.
        titles: The names of the sub-agents.
        start: The data of the first ``session.start``.
        context: Where the program works: the first that is told.
        title: The last title that the program gave; no event of it is kept on the disk.
        models: The models that were chosen.
        bookkeeping: How many events of each type are no messages.
    """

    events: Events
    said: dict[str | None, list[Message]] = field(default_factory=lambda: {None: []})
    order: list[tuple[str | None, Message]] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    start: Object = field(default_factory=dict)
    context: Object = field(default_factory=dict)
    title: str | None = None
    models: list[str] = field(default_factory=list)
    bookkeeping: Counter[str] = field(default_factory=Counter)

    def take(self, event: Object) -> None:
        kind = as_text(event.get("type")) or "(no type)"
        data = as_object(event.get("data"))
        agent = as_text(event.get("agentId")) or as_text(data.get("parentToolCallId"))
        made = self.events.messages(kind, event, data, agent)
        if not made:
            self.bookkeeping[kind] += 1
        self.said.setdefault(agent, []).extend(made)
        self.order += [(as_text(event.get("id")), one) for one in made]
        self._note(kind, data, agent)

    def _note(self, kind: str, data: Object, agent: str | None) -> None:
        """Take the facts that an event tells."""
        if kind == "session.start":
            self.start = self.start or data
        elif kind == "session.title_changed":
            self.title = as_text(data.get("title")) or self.title
        elif kind == "session.snapshot_rewind":
            self._rewind(as_text(data.get("upToEventId")))
        elif kind == "subagent.started":
            self._name(agent, data)
        if kind.startswith("session."):
            told = data if kind == "session.context_changed" else as_object(data.get("context"))
            self.context = self.context or told
            models = (as_text(data.get(key)) for key in ("selectedModel", "newModel"))
            self.models += [model for model in models if model and model != "auto"]

    def _name(self, agent: str | None, data: Object) -> None:
        named = next((name for key in _TITLES if (name := as_text(data.get(key)))), None)
        for key in (agent, as_text(data.get("toolCallId"))):
            if key and named:
                self.titles[key] = named

    def _rewind(self, event_id: str | None) -> None:
        """Mark the messages from an event on: the program took them back."""
        ids = [own for own, _ in self.order]
        first = ids.index(event_id) if event_id in ids else len(ids)
        for _, taken in self.order[first:]:
            taken["taken_back"] = True

    def transcripts(self, source: Source) -> list[Transcript]:
        own_id = as_text(self.start.get("sessionId")) or _folder(source)
        found = [self._transcript(own_id, None)]
        for position, agent in enumerate(self.said, start=1):
            # A sub-agent that only started, or only ended, has said nothing.
            if agent is not None and self.said[agent]:
                made = self._transcript(f"{own_id or source.stem}-{agent}", agent)
                made.parent = own_id or source.stem
                made.position = position if own_id is None else None
                found.append(made)
        return found

    def _transcript(self, own_id: str | None, agent: str | None) -> Transcript:
        messages = self.said[agent]
        spoken = [model for one in messages if (model := as_text(one.get("model")))]
        named = self.title if agent is None else self.titles.get(agent)
        return Transcript(
            messages=messages,
            session_id=own_id,
            title=named or first_words(filter(_is_typed, messages), typed_words),
            project=as_text(self.context.get("cwd")),
            branch=as_text(self.context.get("branch")),
            model=next(iter(spoken), None) or next(iter(self.models), None),
            parent=as_text(self.start.get("detachedFromSpawningParentSessionId")),
            facts=present(
                cli_version=self.start.get("copilotVersion"),
                producer=self.start.get("producer"),
                repository=self.context.get("repository"),
                git_root=self.context.get("gitRoot"),
                commit=self.context.get("headCommit"),
                sub_agent=agent,
            ),
        )


def _is_typed(spoken: Message) -> bool:
    """Tell whether a person wrote a message of a user; the program names other writers."""
    is_own = spoken.get("source") in (None, "user")
    return is_own and spoken.get("isAutopilotContinuation") is not True


def _folder(source: Source) -> str | None:
    """Return the name of the folder of a session, which is its id, if the file has its name."""
    folder = next(reversed(source.folders), "")
    return folder or None if source.name == "events.jsonl" else None


COPILOT_EVENTS = Format("copilot-events", "copilot-cli", _recognises, _read)
