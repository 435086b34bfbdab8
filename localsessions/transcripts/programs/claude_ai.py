"""Claude.ai: ``conversations.json`` of the export of an account.

A conversation is ``{uuid, name, created_at, updated_at, chat_messages}``, and a message
``{uuid, sender, text, content, created_at, attachments, files, parent_message_uuid}`` with the
blocks of the Anthropic API in ``content`` (``blocks``). No documentation describes the export; the
fields are those that importers read, for example
https://github.com/kenn-io/agentsview/blob/main/internal/parser/claude_ai.go.

A text that a person pastes becomes an attachment if it is long; so the text of an attachment is a
part of the message. Messages that another branch replaced are kept in their place, with
``other_branch``, as in ``chatgpt``.
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
from localsessions.transcripts.programs.conversations import conversations_of, read_conversations
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript, told_text

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CLAUDE_AI_EXPORT"]

_ROLES = {"human": "user"}
_TAKEN = ("uuid", "sender", "text", "content", "attachments")


def _recognises(source: Source) -> bool:
    return any(
        as_text(found.get("uuid")) and isinstance(found.get("chat_messages"), list)
        for found in conversations_of(source)
    )


def _read(source: Source) -> Reading:
    return read_conversations(source, _transcript)


def _transcript(conversation: Object, bookkeeping: Counter[str]) -> Transcript:
    listed = as_list(conversation.get("chat_messages"))
    spoken = as_objects(conversation.get("chat_messages"))
    bookkeeping["(no object)"] += len(listed) - len(spoken)
    others = _others(spoken, as_text(conversation.get("current_leaf_message_uuid")))
    messages: list[Message] = []
    for one in spoken:
        made = _made(one)
        is_other = as_text(one.get("uuid")) in others
        messages += [each | {"other_branch": True} for each in made] if is_other else made
    named = as_text(conversation.get("name")) or as_text(conversation.get("title"))
    return Transcript(
        messages=messages,
        session_id=as_text(conversation.get("uuid")),
        title=named or first_words(messages, str.strip),
        model=as_text(conversation.get("model")),
        facts=present(
            summary=as_text(conversation.get("summary")),
            project=as_object(conversation.get("project")) or None,
            updated_at=conversation.get("updated_at"),
        ),
    )


def _others(spoken: list[Object], leaf: str | None) -> set[str | None]:
    """Return the messages that hang off the branch which ends at the leaf, or at the last message.

    Older exports do not name parents; then there is one branch.
    """
    parents = {as_text(one.get("uuid")): as_text(one.get("parent_message_uuid")) for one in spoken}
    parents.pop(None, None)
    key = leaf if leaf in parents else next(reversed(parents), None)
    shown: dict[str | None, None] = {}
    while key in parents and key not in shown:
        shown[key] = None
        key = parents[key]
    if key is not None:
        shown[key] = None  # what the first message names as its parent is no message
    tops: dict[str | None, str | None] = {}
    for one, parent in parents.items():
        path, step = {one: None}, parent
        while step in parents and step not in shown and step not in path and step not in tops:
            path[step] = None
            step = parents[step]
        tops |= dict.fromkeys(path, tops.get(step, step))
    return {one for one, top in tops.items() if one not in shown and top in shown}


def _made(spoken: Object) -> list[Message]:
    said_by = as_text(spoken.get("sender")) or "unknown"
    content = _content(spoken)
    rest = without(spoken, *_TAKEN)
    text = as_text(spoken.get("text"))
    # Of a message with calls, the text is made of the blocks and of stand-ins for the calls.
    has_calls = any(
        str(block.get("type")).endswith(("tool_use", "tool_result"))
        for block in as_objects(content)
    )
    if text and not has_calls and text.strip() not in told_text({"content": content}):
        rest["text"] = text
    kept = {key: value for key, value in rest.items() if value not in (None, [])}
    return block_messages(
        _ROLES.get(said_by, said_by),
        content,
        kept,
        id=as_text(spoken.get("uuid")),
        time_key="created_at",
    )


def _content(spoken: Object) -> JsonValue:
    blocks = as_list(spoken.get("content")) or spoken.get("text")
    pasted: list[JsonValue] = [
        {"type": "text", "text": text, **without(one, "extracted_content", "type", "text")}
        if (text := as_text(one.get("extracted_content")))
        else {"type": "attachment", **without(one, "type")}
        for one in as_objects(spoken.get("attachments"))
    ]
    if not pasted:
        return blocks
    if isinstance(blocks, list):
        return [*blocks, *pasted]
    return [{"type": "text", "text": blocks}, *pasted] if as_text(blocks) else pasted


CLAUDE_AI_EXPORT = Format("claude-ai-export", "claude-ai", _recognises, _read, one_by_one=True)
