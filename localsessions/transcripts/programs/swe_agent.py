"""SWE-agent trajectories, ``.traj``: ``history`` is the conversation, ``trajectory`` its steps.

The steps repeat the conversation, with the state of the shell; they are counted, not stored. The
agent cuts ``thought`` and ``action`` of a message out of its content; they are stored only if they
say something that the content does not. A trajectory contains no times.
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
from localsessions.transcripts.transcript import Format, Reading, Transcript, chat_message

if TYPE_CHECKING:
    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["SWE_AGENT_TRAJ"]


def _recognises(source: Source) -> bool:
    history = as_objects(source.root.get("history"))
    return any("role" in item and "agent" in item for item in history) or (
        "trajectory" in source.root and any("role" in item for item in history)
    )


def _read(source: Source) -> Reading:
    history = as_list(source.root.get("history"))
    messages = [
        item for item in as_objects(source.root.get("history")) if as_text(item.get("role"))
    ]
    bookkeeping = Counter(
        {
            "trajectory step": len(as_list(source.root.get("trajectory"))),
            "(no role)": len(history) - len(messages),
        }
    )
    info = as_object(source.root.get("info"))
    found = Transcript(
        messages=[_message(item) for item in messages],
        facts=present(
            environment=as_text(source.root.get("environment")),
            exit_status=as_text(info.get("exit_status")),
            model_stats=as_object(info.get("model_stats")) or None,
        ),
    )
    return Reading([found], +bookkeeping)


def _message(item: Object) -> Message:
    content = item.get("content")
    if isinstance(content, str):
        said = [key for key in ("thought", "action") if _is_said(item.get(key), content)]
        item = without(item, *said)
    call_ids = as_list(item.get("tool_call_ids"))
    if item.get("role") == "tool" and len(call_ids) == 1 and "tool_call_id" not in item:
        item = without(item, "tool_call_ids") | {"tool_call_id": call_ids[0]}
    return chat_message(item)


def _is_said(text: object, content: str) -> bool:
    return isinstance(text, str) and text.strip() in content


SWE_AGENT_TRAJ = Format("swe-agent-traj", "swe-agent", _recognises, _read)
