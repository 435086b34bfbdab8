"""VS Code Copilot Chat: ``workspaceStorage/*/chatSessions/*.json`` and, since 2026, ``*.jsonl``.

The state of a chat is ``{sessionId, requests, customTitle, creationDate, ...}``
(``ISerializableChatData`` in
https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/model/chatModel.ts);
JSON Lines are the log of its changes (``vscode_copilot_log``). An exported chat is a state without
an id. What each request becomes: ``vscode_copilot_messages``. A request that was undone is kept,
marked; one that waits in the queue is ``pending``.

A chat does not name its folder: ``workspace.json`` beside ``chatSessions`` does, or what the
messages refer to. Of the agent that answers, its name and version are kept, not what it can do.
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
    decoded_path,
    present,
)
from localsessions.transcripts.programs.vscode_copilot_log import ChatLog
from localsessions.transcripts.programs.vscode_copilot_messages import question, request_messages
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript
from localsessions.transcripts.typed import typed_words

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["VSCODE_CHAT", "VSCODE_CHAT_LOG"]

_MARKS = frozenset({"responderUsername", "requesterUsername", "initialLocation", "creationDate"})
_FOLDER = "chatSessions"
_UNDONE = ("isHidden", "shouldBeRemovedOnSend")


def _is_chat(state: Object) -> bool:
    return isinstance(state.get("requests"), list) and bool(_MARKS & state.keys())


def _recognises_chat(source: Source) -> bool:
    return _is_chat(source.root)


def _recognises_log(source: Source) -> bool:
    return any(
        record.value.get("kind") == 0 and _is_chat(as_object(record.value.get("v")))
        for record in source.records
    )


def _read_chat(source: Source) -> Reading:
    log = ChatLog()
    log.set(source.root)
    return _read(log, source)


def _read_log(source: Source) -> Reading:
    log = ChatLog()
    log.read(source.records)
    return _read(log, source)


def _read(log: ChatLog, source: Source) -> Reading:
    messages: list[Message] = []
    for key, request in log.requests.items():
        made = request_messages(request, key)
        is_undone = key not in log.standing or any(request.get(mark) for mark in _UNDONE)
        messages += [one | {"taken_back": True} for one in made] if is_undone else made
    messages += _waiting(log)
    state = log.state
    unread = sum(not isinstance(one, dict) for one in as_list(state.get("requests")))
    bookkeeping = log.entries + Counter({"(no object)": unread})
    named = as_text(state.get("customTitle")) or as_text(state.get("computedTitle"))
    repository = as_object(state.get("repoData"))
    models = [as_text(one.get("modelId")) for one in log.requests.values()]
    found = Transcript(
        messages=messages,
        session_id=as_text(state.get("sessionId")),
        title=named or first_words(messages, typed_words),
        project=_project(source, log),
        branch=as_text(repository.get("localBranch")),
        model=next((model for model in models if model), None),
        facts=present(
            version=state.get("version"),
            location=as_text(state.get("initialLocation")),
            repository=as_text(repository.get("remoteUrl")),
        ),
    )
    return Reading([found], bookkeeping, log.bad_lines)


def _waiting(log: ChatLog) -> list[Message]:
    """Return what a person asked that waits for the answer before it."""
    waiting: list[Message] = []
    for number, one in enumerate(as_objects(log.state.get("pendingRequests")), start=1):
        request = as_object(one.get("request"))
        own = as_text(request.get("requestId")) or as_text(one.get("id")) or f"#waiting-{number}"
        if own not in log.requests:
            waiting.append(question(request, own) | {"pending": True})
    return waiting


def _project(source: Source, log: ChatLog) -> str | None:
    """Return the folder of a chat: of its workspace, else of its first link to a file."""
    if source.folders[-1:] == [_FOLDER]:
        workspace = as_object(source.beside("../workspace.json"))
        for key in ("folder", "workspace"):
            if uri := as_text(workspace.get(key)):
                return _path(uri.partition("://")[2].partition("/")[2])
    for request in log.requests.values():
        for part in as_objects(request.get("response")):
            if path := as_text(as_object(part.get("baseUri")).get("path")):
                return _path(path)
    return None


def _path(path: str) -> str:
    whole = decoded_path(path if path.startswith("/") else f"/{path}")
    return whole.rstrip("/") or whole


VSCODE_CHAT = Format("vscode-chat", "copilot-chat", _recognises_chat, _read_chat)
VSCODE_CHAT_LOG = Format("vscode-chat-log", "copilot-chat", _recognises_log, _read_log)
