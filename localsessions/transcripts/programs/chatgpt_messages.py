"""What a node of a ChatGPT conversation becomes as a message.

A message has ``author``, ``content`` with a ``content_type``, ``recipient``, ``metadata``, and
times in seconds. The kinds of content:

    text, multimodal_text     parts: texts, pictures (``image_asset_pointer``: files of the export),
                              what was spoken (``audio_transcription``)
    code, execution_output    what is sent to a tool and what the tool answers
    thoughts, reasoning_recap reasoning
    user_editable_context     the instructions of the account; not said in this conversation

A message of the assistant with another recipient than "all" is a call; it has no id, so the id of
the message is the id of the call. A message of a tool answers the last call before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text, filled, without
from localsessions.transcripts.programs.blocks import arguments_text, text_part, thinking_part
from localsessions.transcripts.transcript import message, tool_call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["node_message"]

_CONTEXTS = ("user_editable_context", "model_editable_context")
_CONTEXT_TEXTS = (
    *("user_profile", "user_instructions", "about_user_message", "about_model_message"),
    "model_set_context",
)
_TEXTS = ("text", "result", "content", "summary", "title")


def node_message(key: str, nodes: Mapping[str, Object]) -> Message | None:
    """Return the message of a node; None if it says nothing, for example the root."""
    node = nodes[key]
    spoken = as_object(node.get("message"))
    if not spoken:
        return None
    author = as_object(spoken.get("author"))
    role = as_text(author.get("role")) or "unknown"
    said = as_object(spoken.get("content"))
    metadata = as_object(spoken.get("metadata"))
    content, used = _content(said)
    called = _called(spoken)
    if not content and called is None and not metadata.get("attachments"):
        return None
    rest = _rest(node, spoken) | _said_beside(said, used)
    if said.get("content_type") in _CONTEXTS or metadata.get("is_user_system_message") is True:
        rest |= {"role": role}
        role = "system"
    return message(
        role,
        rest,
        id=_message_id(key, spoken),
        content=None if called is not None else content,
        time_key="create_time",
        name=author.get("name"),
        tool_calls=[_call(key, spoken, content)] if called is not None else (),
        tool_call_id=_answered(node, nodes) if role == "tool" else None,
    )


def _message_id(key: str, spoken: Object) -> str:
    return as_text(spoken.get("id")) or key


def _called(spoken: Object) -> str | None:
    """Return the name of the tool that a message calls."""
    recipient = as_text(spoken.get("recipient"))
    is_assistant = as_object(spoken.get("author")).get("role") == "assistant"
    return recipient if is_assistant and recipient != "all" else None


def _call(key: str, spoken: Object, content: JsonValue) -> Object:
    said: JsonValue = content if isinstance(content, str) else {"content": content}
    return tool_call(_message_id(key, spoken), spoken.get("recipient"), arguments_text(said))


def _answered(node: Object, nodes: Mapping[str, Object]) -> str | None:
    """Return the id of the last call before a node, if only tools spoke since."""
    seen: set[str] = set()
    key = as_text(node.get("parent"))
    while key is not None and key in nodes and key not in seen:
        seen.add(key)
        spoken = as_object(nodes[key].get("message"))
        if _called(spoken) is not None:
            return _message_id(key, spoken)
        if as_object(spoken.get("author")).get("role") != "tool":
            return None
        key = as_text(nodes[key].get("parent"))
    return None


def _rest(node: Object, spoken: Object) -> Object:
    """Return what a message says beside its content; what is null or empty says nothing."""
    rest = without(spoken, "id", "author", "content")
    rest["parent"] = node.get("parent")
    rest["author"] = filled(without(as_object(spoken.get("author")), "role", "name"))
    rest["model"] = as_object(spoken.get("metadata")).get("model_slug")
    return filled(rest)


def _said_beside(said: Object, used: Collection[str]) -> Object:
    """Return the kind of a content, and what of it did not become the content of the message."""
    kind = as_text(said.get("content_type"))
    around = filled(without(said, "content_type", *used))
    named: Object = {"content_type": kind} if kind not in (None, "text") else {}
    return named | {"content_facts": around} if around else named


def _content(said: Object) -> tuple[JsonValue, Collection[str]]:
    """Return a text or parts, empty if nothing is said, and the keys that they were made of."""
    kind = as_text(said.get("content_type"))
    if kind == "thoughts" and isinstance(said.get("thoughts"), list):
        return [_thought(thought) for thought in as_list(said.get("thoughts"))], ("thoughts",)
    if isinstance(said.get("parts"), list):
        used: Collection[str] = ("parts",)
        parts = [_part(part) for part in as_list(said.get("parts")) if part not in ("", None)]
    else:
        used = [key for key in (*_TEXTS, *_CONTEXT_TEXTS) if as_text(said.get(key))]
        text = "\n\n".join(str(said[key]) for key in used)
        parts = [text] if text else []
    if kind in ("thoughts", "reasoning_recap"):
        return [thinking_part(part) if isinstance(part, str) else part for part in parts], used
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0], used
    return [text_part(part) for part in parts], used


def _thought(thought: JsonValue) -> JsonValue:
    fields = as_object(thought)
    summary, text = as_text(fields.get("summary")), as_text(fields.get("content"))
    if not summary and not text:
        return thought
    words = f"**{summary}** {text or ''}".rstrip() if summary else text
    around = without(fields, "summary", "content")
    if "".join(map(str, as_list(fields.get("chunks")))) in (text or ""):
        around.pop("chunks", None)
    return thinking_part(words, around)


def _part(part: JsonValue) -> JsonValue:
    fields = as_object(part)
    kind = as_text(fields.get("content_type"))
    if kind is None:
        return part
    # Pictures and sounds are files beside the conversations; their pointers are kept.
    spoken = kind == "audio_transcription" and as_text(fields.get("text"))
    return {"type": "text" if spoken else kind, **without(fields, "type")}
