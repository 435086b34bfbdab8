"""Cline SDK and CLI: ``~/.cline/data/sessions/<session>/<session>.messages.json``.

::

    {version, updated_at, agent, sessionId, messages, system_prompt, origin}
    messages   {id, role, content, ts, modelInfo, metrics}, with the blocks of the Anthropic API

``<session>.json`` beside it is its manifest: title, folder, model, the session that it is a fork
of (``SessionManifest`` in
https://github.com/cline/cline/blob/main/sdk/packages/core/src/session/models/session-manifest.ts).
``<session>.compaction.json`` is what the model is told after a compaction; beside the messages it
is a side file, and never the session itself. ``origin`` names the session that started a teammate.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import (
    Object,
    as_list,
    as_object,
    as_objects,
    as_text,
    present,
    without,
)
from localsessions.transcripts.programs.blocks import block_messages
from localsessions.transcripts.programs.cline_words import person_words
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript, message

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CLINE_SDK"]

_MESSAGES, _COMPACTION = ".messages.json", ".compaction.json"
_TEAMMATE = "__teamtask__"
_FACTS = ("provider", "status", "started_at", "ended_at", "team_name")


def _recognises(source: Source) -> bool:
    return _is_session(source.root) or _is_manifest(source.root)


def _is_session(root: Object) -> bool:
    spoken = as_objects(root.get("messages"))
    return (
        "updated_at" in root
        and "agent" in root
        and isinstance(root.get("messages"), list)
        and all("role" in one and "content" in one for one in spoken)
    )


def _is_manifest(root: Object) -> bool:
    return all(key in root for key in ("session_id", "workspace_root", "enable_tools"))


def _read(source: Source) -> Reading:
    root = source.root
    listed = as_list(root.get("messages"))
    beside = source.name.removesuffix(_COMPACTION) + _MESSAGES
    is_compaction = source.name.endswith(_COMPACTION)
    if _is_manifest(root) and not listed:
        return Reading([], Counter({"(manifest)": 1}), refused="tells of the messages beside it")
    if is_compaction and _is_session(as_object(source.beside(beside))):
        unread = Counter({"(compacted message)": len(listed)})
        return Reading([], unread, refused=f"a side file of {beside}, which is read")
    messages = [made for one in as_objects(root.get("messages")) for made in _made(one)]
    if prompt := as_text(root.get("system_prompt")):
        messages.insert(0, message("system", {}, id="system_prompt", content=prompt))
    unread = Counter({"(no object)": len(listed) - len(as_objects(root.get("messages")))})
    found = _transcript(source, messages)
    if is_compaction and found.session_id:
        found.session_id += "-compaction"
    return Reading([found], +unread)


def _transcript(source: Source, messages: list[Message]) -> Transcript:
    root = source.root
    origin = as_object(root.get("origin"))
    own_id = as_text(root.get("sessionId")) or as_text(origin.get("sessionId"))
    manifest = as_object(source.beside(source.name.removesuffix(_MESSAGES) + ".json"))
    manifest = manifest if manifest.get("session_id") in (own_id, None) else {}
    told = as_object(manifest.get("metadata"))
    fork = as_object(told.get("fork"))
    git = as_object(told.get("git"))
    models = [as_text(as_object(one.get("modelInfo")).get("id")) for one in messages]
    started = (own_id or "").partition(_TEAMMATE)
    return Transcript(
        messages=messages,
        session_id=own_id,
        title=as_text(told.get("title")) or first_words(messages, person_words),
        project=as_text(manifest.get("cwd")) or as_text(manifest.get("workspace_root")),
        branch=as_text(git.get("branch")),
        model=next(filter(None, models), None) or as_text(manifest.get("model")),
        parent=as_text(origin.get("parentThreadId")) or (started[0] if started[1] else None),
        forked_from=present(session_id=as_text(fork.get("forkedFromSessionId"))),
        facts=present(
            agent=root.get("agent"),
            usage=told.get("usage"),
            **{key: manifest.get(key) for key in _FACTS},
        ),
    )


def _made(spoken: Object) -> list[Message]:
    return block_messages(
        as_text(spoken.get("role")) or "unknown",
        spoken.get("content"),
        without(spoken, "id", "role", "content"),
        id=as_text(spoken.get("id")),
        time_key="ts",
    )


CLINE_SDK = Format("cline-messages", "cline", _recognises, _read)
