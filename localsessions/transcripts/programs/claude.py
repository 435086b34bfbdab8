"""Claude Code: ``~/.claude/projects/<project>/<session>.jsonl`` and the web's ``{loglines}``.

Each record says its session, ``sessionId``. The sub-agents of a session have files of their own,
``<session>/subagents/agent-<agentId>.jsonl`` with ``agent-<agentId>.meta.json`` beside, and become
sessions of their own: ``<session>-agent-<agentId>``, with the session as ``parent``.

What a record says is in ``claude_messages.py``, what only the queue of prompts says in
``claude_queue.py``; the rest of the records is bookkeeping. A record that stands twice, with the
same ``uuid`` and the same words, is one message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
)
from localsessions.transcripts.programs.claude_links import (
    SideChains,
    forked_from,
    link_parents,
    records_by_uuid,
)
from localsessions.transcripts.programs.claude_messages import is_message, message_of, spoken_of
from localsessions.transcripts.programs.claude_queue import queued_messages
from localsessions.transcripts.programs.claude_records import (
    SPEAKERS,
    first_text,
    is_claude,
    is_of_iflow,
    kind_of,
)
from localsessions.transcripts.programs.claude_titles import given_title, summaries_of, words_title
from localsessions.transcripts.transcript import Format, Reading, Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CLAUDE_JSONL", "CLAUDE_WEB_JSON", "read_records"]

_INDEX = "sessions-index.json"
_NOT_A_MODEL = "<synthetic>"


def _recognises_jsonl(source: Source) -> bool:
    records = [record.value for record in source.records]
    return any(map(is_claude, records)) and not is_of_iflow(records)


def _recognises_web(source: Source) -> bool:
    lines = as_objects(source.root.get("loglines"))
    return any(line.get("type") in SPEAKERS and "message" in line for line in lines)


def _read_jsonl(source: Source) -> Reading:
    return read_records(source, [record.value for record in source.records])


def _read_web(source: Source) -> Reading:
    return read_records(source, as_objects(source.root.get("loglines")))


@dataclass(slots=True)
class _Strand:
    """The records of a session, or of one of its sub-agents."""

    session_id: str | None
    agent: str | None
    records: list[Object] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def read_records(source: Source, records: Sequence[Object]) -> Reading:
    """Return a session for each ``sessionId`` and sub-agent, and one for messages without an id.

    Args:
        source: The file that holds the records.
        records: Its records, in order.
    """
    bookkeeping: Counter[str] = Counter()
    strands = _strands(records, bookkeeping)
    for strand in strands:
        strand.messages = _messages(strand.records, bookkeeping)
    by_uuid = records_by_uuid(records)
    homes = {
        uuid: strand.session_id if strand.agent is None else None
        for strand in strands
        for message in strand.messages
        if (uuid := as_text(message.get("id")))
    }
    for strand in strands:
        link_parents(strand.messages, by_uuid, homes)
    read = _Reader(source, summaries_of(records))
    return Reading([read.transcript(strand) for strand in strands] or [Transcript([])], bookkeeping)


def _strands(records: Sequence[Object], bookkeeping: Counter[str]) -> list[_Strand]:
    """Return the sessions of a file, in the order in which they begin."""
    strands: dict[tuple[str | None, str | None], _Strand] = {}
    chains = SideChains()
    for record in records:
        session_id, agent = as_text(record.get("sessionId")), chains.name_of(record)
        if record.get("type") in SPEAKERS or session_id:
            strand = strands.setdefault((session_id, agent), _Strand(session_id, agent))
            strand.records.append(record)
        else:
            bookkeeping[kind_of(record)] += 1
    return list(strands.values())


def _messages(records: Sequence[Object], bookkeeping: Counter[str]) -> list[Message]:
    """Return the messages of a session in order; count the records that are none."""
    records = _once(records, bookkeeping)
    queued = queued_messages(records)
    uuids = {as_text(record.get("uuid")) for record in records if record.get("type") in SPEAKERS}
    messages: list[Message] = []
    taken_back: set[str] = set()
    for at, record in enumerate(records):
        messages.extend(queued.leaving.get(at, ()))
        taken_back.update(map(str, as_list(record.get("retractedMessageUuids"))))
        if is_message(record) and not _is_copy(record, uuids):
            messages.append(message_of(record))
        elif at not in queued.taken:
            bookkeeping[kind_of(record)] += 1
    messages.extend(queued.waiting)
    for message in messages:
        if message.get("id") in taken_back:
            message["taken_back"] = True
    return messages


def _is_copy(record: Object, uuids: set[str | None]) -> bool:
    """Tell whether an attachment repeats a record that speaks."""
    source = as_text(as_object(record.get("attachment")).get("source_uuid"))
    return source is not None and source in uuids


def _once(records: Sequence[Object], bookkeeping: Counter[str]) -> list[Object]:
    """Return the records without those that say again what one with their ``uuid`` said.

    What only a later one says about the same words, the first one says then.
    """
    kept: list[Object] = []
    known: dict[str, tuple[list[JsonValue], list[int]]] = {}
    for record in records:
        uuid = as_text(record.get("uuid"))
        if uuid is None or not is_message(record):
            kept.append(record)
            continue
        spoken: JsonValue = [record.get("type"), spoken_of(record)]
        before, places = known.setdefault(uuid, ([], []))
        if spoken in before:
            first = places[before.index(spoken)]
            kept[first] = record | kept[first]
            bookkeeping[f"{kind_of(record)} (again)"] += 1
        else:
            before.append(spoken)
            places.append(len(kept))
            kept.append(record)
    return kept


class _Reader:
    """Makes the transcripts of a file."""

    def __init__(self, source: Source, summaries: Mapping[str, str]) -> None:
        self._source = source
        self._summaries = summaries
        self._index = source.beside(_INDEX)
        self._homes: dict[str, str | None] = {}

    def transcript(self, strand: _Strand) -> Transcript:
        messages, session_id = strand.messages, strand.session_id
        spoken = [record for record in strand.records if record.get("type") in SPEAKERS]
        found = Transcript(
            messages,
            session_id=session_id,
            project=first_text(spoken, "cwd"),
            branch=first_text(spoken, "gitBranch"),
            model=_model(spoken),
            facts=present(cli_version=first_text(spoken, "version")),
        )
        if strand.agent is not None:
            self._describe_agent(found, strand, strand.agent)
            return found
        title = given_title(session_id, strand.records, self._summaries, self._index)
        found.title = title or words_title(messages, name="(no prompt)")
        found.forked_from = forked_from(session_id, messages, self._homes)
        self._homes |= {
            uuid: session_id for message in messages if (uuid := as_text(message.get("id")))
        }
        return found

    def _describe_agent(self, found: Transcript, strand: _Strand, agent: str) -> None:
        name = f"agent-{agent}"
        found.parent = _parent(self._source, strand.session_id, name)
        found.session_id = f"{found.parent}-{name}" if found.parent else name
        found.facts["agent_id"] = agent
        meta = as_object(self._source.beside(f"{name}.meta.json"))
        if self._source.stem == name and meta:
            found.facts["agent"] = meta
            found.title = as_text(meta.get("description"))
        found.title = found.title or words_title(found.messages, name=name)


def _parent(source: Source, session_id: str | None, name: str) -> str | None:
    """Return the session that started a sub-agent: its records or their folder say it."""
    if session_id != name:
        return session_id
    folders = source.folders
    places = [at for at, folder in enumerate(folders) if folder == "subagents" and at > 0]
    return folders[places[-1] - 1] if places else None


def _model(records: Iterable[Object]) -> str | None:
    spoken = [as_object(record.get("message")) for record in records]
    return first_text((said for said in spoken if said.get("model") != _NOT_A_MODEL), "model")


CLAUDE_JSONL = Format("claude-jsonl", "claude-code", _recognises_jsonl, _read_jsonl)
CLAUDE_WEB_JSON = Format("claude-web-json", "claude-code", _recognises_web, _read_web)
