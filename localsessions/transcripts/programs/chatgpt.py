"""ChatGPT: ``conversations.json`` and ``conversations-*.json`` of the export of an account.

A conversation is a tree: an answer that was asked for again, or a prompt that was edited, begins
another branch. What each node becomes: ``chatgpt_messages``. No documentation of the export
describes it; the fields are those that importers read, for example
https://github.com/danny-avila/LibreChat/blob/main/api/server/utils/import/importers.js::

    {conversation_id, title, create_time, current_node, default_model_slug, mapping, ...}
    mapping   {node id: {id, parent, children, message}}

A conversation becomes one session, as the program lists one: a hundred answers that were asked for
again would otherwise be a hundred sessions that begin alike. The branch that ends at
``current_node`` is what the program shows. The messages of other branches stand where they branch
off, before the branch that is shown, with ``other_branch``; so nothing that was said is lost.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.foreign import Object, as_list, as_object, as_text, present
from localsessions.transcripts.programs.chatgpt_messages import node_message
from localsessions.transcripts.programs.conversations import conversations_of, read_conversations
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["CHATGPT_EXPORT"]

_UNTITLED = "New chat"
_FACTS = ("gizmo_id", "is_archived", "is_starred", "conversation_origin", "update_time")


def _recognises(source: Source) -> bool:
    return any(_is_conversation(found) for found in conversations_of(source))


def _is_conversation(found: Object) -> bool:
    return any(
        "message" in node and "parent" in node and isinstance(node.get("children"), list)
        for node in _nodes(found).values()
    )


def _nodes(conversation: Object) -> dict[str, Object]:
    mapping = as_object(conversation.get("mapping"))
    return {key: node for key, node in mapping.items() if isinstance(node, dict)}


def _read(source: Source) -> Reading:
    return read_conversations(source, _transcript)


def _transcript(conversation: Object, bookkeeping: Counter[str]) -> Transcript:
    nodes = _nodes(conversation)
    shown = _shown(nodes, as_text(conversation.get("current_node")))
    messages: list[Message] = []
    for key in _ordered(nodes, shown):
        made = node_message(key, nodes)
        if made is None:
            bookkeeping["(empty node)"] += 1
        else:
            messages.append(made if key in shown else made | {"other_branch": True})
    title = as_text(conversation.get("title"))
    models = (as_text(made.get("model")) for made in messages)
    return Transcript(
        messages=messages,
        session_id=as_text(conversation.get("conversation_id")) or as_text(conversation.get("id")),
        title=title if title != _UNTITLED and title else first_words(messages, str.strip),
        model=as_text(conversation.get("default_model_slug")) or next(filter(None, models), None),
        facts=present(**{key: conversation.get(key) for key in _FACTS}),
    )


def _shown(nodes: Mapping[str, Object], current: str | None) -> dict[str, None]:
    """Return the nodes of the branch that is shown: to the current node, else to the last one."""
    key = current if current in nodes else _last(nodes)
    shown: dict[str, None] = {}
    while key is not None and key in nodes and key not in shown:
        shown[key] = None
        key = as_text(nodes[key].get("parent"))
    return shown


def _last(nodes: Mapping[str, Object]) -> str | None:
    """Return the node that following the last child of each node leads to."""
    key = next(iter(nodes), None)
    seen: set[str | None] = set()
    while key not in seen:
        seen.add(key)
        key = next(reversed(_children(key, nodes)), key)
    return key


def _ordered(nodes: Mapping[str, Object], shown: Collection[str]) -> list[str]:
    """Return every node once: parents first, and of children the one that is shown last."""
    ordered: dict[str, None] = {}
    roots = [key for key, node in nodes.items() if as_text(node.get("parent")) not in nodes]
    # Nodes that no root leads to: their parents do not name them, or form a circle.
    for root in [*sorted(roots, key=shown.__contains__), *nodes]:
        waiting = [root]
        while waiting:
            key = waiting.pop()
            if key not in ordered:
                ordered[key] = None
                children = sorted(_children(key, nodes), key=shown.__contains__)
                waiting += reversed(children)
    return list(ordered)


def _children(key: str | None, nodes: Mapping[str, Object]) -> list[str]:
    listed = as_list(nodes[key].get("children")) if key is not None and key in nodes else []
    return [child for child in listed if isinstance(child, str) and child in nodes]


CHATGPT_EXPORT = Format("chatgpt-export", "chatgpt", _recognises, _read, one_by_one=True)
