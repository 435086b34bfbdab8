"""SWE-agent trajectories, ``.traj``: ``history`` is the conversation, ``trajectory`` its steps.

The steps repeat the conversation, with the state of the shell; they are counted, not stored. But
the conversation ends before the agent does: what the last step was answered, sometimes the step
itself, and what was submitted (``info.submission``) stand only outside it, and become messages at
the end. Until the run has an exit status they are ``pending``: the conversation may take them up.

The agent cuts ``thought`` and ``action`` of a message out of its content; they are stored only if
they say something that the content does not. A trajectory contains no times.
https://swe-agent.com/latest/usage/trajectories/
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
from localsessions.transcripts.transcript import (
    Format,
    Reading,
    Transcript,
    chat_message,
    message,
    told_text,
)

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
    spoken = [_message(item) for item in messages]
    found = Transcript(
        messages=[*spoken, *_ending(spoken, source.root)],
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


def _ending(spoken: list[Message], root: Object) -> list[Message]:
    """Return what the steps and the submission say that the conversation does not."""
    said = "\n".join(map(_words, spoken))
    steps = as_objects(root.get("trajectory"))
    info = as_object(root.get("info"))
    ending: list[Message] = []
    first = len(steps)
    while first and _is_new(steps[first - 1].get("response"), said):
        first -= 1
    for number, step in enumerate(steps[first:], start=first + 1):
        item = {"role": "assistant", "content": step.get("response")}
        item |= {key: step[key] for key in ("thought", "action") if key in step}
        ending.append({**_message(item), "id": f"step_{number}"})
        if number < len(steps):
            ending += _observation(step, number, said, [*spoken, *ending])
    if steps:
        ending += _observation(steps[-1], len(steps), said, [*spoken, *ending])
    said = "\n".join([said, *map(_words, ending)])
    if _is_new(info.get("submission"), said):
        exited = present(exit_status=info.get("exit_status"))
        ending.append(message("exit", exited, id="submission", content=info["submission"]))
    is_over = as_text(info.get("exit_status")) is not None
    return ending if is_over else [one | {"pending": True} for one in ending]


def _observation(step: Object, number: int, said: str, before: list[Message]) -> list[Message]:
    """Return the answer to a step, if the conversation does not have it."""
    observation = step.get("observation")
    if not _is_new(observation, said):
        return []
    called = before[-1].get("tool_calls") if before else None
    call_id = next((call.get("id") for call in as_objects(called)), None)
    return [
        message(
            "user" if call_id is None else "tool",
            {"message_type": "observation"},
            id=f"step_{number}_observation",
            content=observation,
            tool_call_id=call_id,
        )
    ]


def _is_new(text: object, said: str) -> bool:
    words = _plain(text).strip() if isinstance(text, str) else ""
    return bool(words) and words not in said


def _words(spoken: Message) -> str:
    """Return a message with the lines of this system: a terminal ends its lines with a return."""
    return _plain(told_text(spoken))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _is_said(text: object, content: str) -> bool:
    return isinstance(text, str) and text.strip() in content


SWE_AGENT_TRAJ = Format("swe-agent-traj", "swe-agent", _recognises, _read)
