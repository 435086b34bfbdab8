"""How the records of Claude Code hang together: side chains, parents, forks.

Every record that has a ``uuid`` names the one before it, ``parentUuid`` (after a compaction
``logicalParentUuid``). Many of these are bookkeeping, so that the name would lead nowhere here.

A sub-agent writes a side chain: records with ``isSidechain`` and the ``sessionId`` of the session
that started it. Its ``agentId`` names it, and a file of its own holds it. Before there were such
files, side chains stood in the session's file without a name; the first record names them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_object, as_text, present
from localsessions.transcripts.programs.claude_records import SPEAKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from localsessions.models import Message

__all__ = ["SideChains", "forked_from", "link_parents", "records_by_uuid"]


class SideChains:
    """Names the side chain that each record of a file belongs to, in the order of the file."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    def name_of(self, record: Object) -> str | None:
        """Return the name of the side chain of a record; None if it is in none."""
        if record.get("isSidechain") is not True:
            return None
        if agent_id := as_text(record.get("agentId")):
            return agent_id
        own = as_text(record.get("uuid"))
        root = self._roots.get(as_text(record.get("parentUuid")) or "")
        if root is None and record.get("type") in SPEAKERS:
            root = own or "sidechain"
        if root is not None and own is not None:
            self._roots[own] = root
        return root


def records_by_uuid(records: Iterable[Object]) -> dict[str, Object]:
    """Return the records that have a ``uuid``, the first of each."""
    found: dict[str, Object] = {}
    for record in records:
        if uuid := as_text(record.get("uuid")):
            found.setdefault(uuid, record)
    return found


def link_parents(
    messages: Sequence[Message], by_uuid: Mapping[str, Object], spoken: Mapping[str, object]
) -> None:
    """Make ``parentUuid`` name a message; what the source named is kept as ``source_parentUuid``.

    A name that the file does not explain stays: it may be a message of another file.

    Args:
        messages: The messages to link.
        by_uuid: The records of the file.
        spoken: The ids of all messages of the file.
    """
    known: dict[str, str | None] = {}
    for message in messages:
        named = as_text(message.get("parentUuid"))
        if named is None or named in spoken:
            continue
        nearest = _nearest(named, by_uuid, spoken, known)
        if nearest != named:
            message["parentUuid"] = nearest
            message["source_parentUuid"] = named


def _nearest(
    named: str,
    by_uuid: Mapping[str, Object],
    spoken: Mapping[str, object],
    known: dict[str, str | None],
) -> str | None:
    """Return the nearest message before a record; ``known`` saves walking a way again."""
    passed: list[str] = []
    at: str | None = named
    while at is not None and at not in spoken and at in by_uuid:
        if at in known:
            at = known[at]
            break
        passed.append(at)
        # Records that name each other lead nowhere.
        known[at] = None
        record = by_uuid[at]
        at = as_text(record.get("parentUuid")) or as_text(record.get("logicalParentUuid"))
    known.update(dict.fromkeys(passed, at))
    return at


def forked_from(
    session_id: str | None, messages: Sequence[Message], homes: Mapping[str, str | None]
) -> Object:
    """Return the session that a session goes on from, and the last message of both.

    ``forkedFrom`` says it on each record that ``/branch`` copied. A resumed file instead begins
    with the records of the earlier session, under its id.

    Args:
        session_id: The session's own id.
        messages: The messages of the session.
        homes: The session of each message of the file, of the sessions that began before.
    """
    for message in reversed(messages):
        copied = as_object(message.get("forkedFrom"))
        elder = as_text(copied.get("sessionId"))
        if elder and elder != session_id:
            return present(session_id=elder, message_id=as_text(copied.get("messageUuid")))
    for message in reversed(messages):
        parent = as_text(message.get("parentUuid")) or ""
        if home := homes.get(parent):
            return {"session_id": home, "message_id": parent}
    return {}
