"""ATIF, the Agent Trajectory Interchange Format, versions 1.0 to 1.8.

Written by Harbor, by NVIDIA NeMo Relay and by the trajectory export of VS Code Copilot Chat. The
fields are those of the models at https://pypi.org/project/atif/ (1.8.0)::

    Trajectory   schema_version, session_id, trajectory_id, agent, steps, subagent_trajectories, ...
    step         step_id, source (system, user, agent), message, reasoning_content, tool_calls,
                 observation.results (of the calls, or of the environment), metrics, extra

A step becomes a message, and each result in its observation a message of the tool after it. The
metrics of a step stay in its message. A trajectory is known by its ``trajectory_id``: a
``session_id`` may be shared by several. An embedded trajectory of a sub-agent becomes a session of
its own, whose parent is the one that holds it.
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
from localsessions.transcripts.programs.blocks import arguments_text, thinking_part
from localsessions.transcripts.titles import first_words
from localsessions.transcripts.transcript import Format, Reading, Transcript, message, tool_call
from localsessions.transcripts.typed import typed_words

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["ATIF"]

_ROLES = {"agent": "assistant"}
_OF_SESSION = ("notes", "final_metrics", "continued_trajectory_ref", "extra")


def _recognises(source: Source) -> bool:
    version = as_text(source.root.get("schema_version")) or ""
    return version.startswith("ATIF-") and isinstance(source.root.get("steps"), list)


def _read(source: Source) -> Reading:
    found: list[Transcript] = []
    bookkeeping: Counter[str] = Counter()
    waiting: list[tuple[Object, str | None]] = [(source.root, None)]
    for trajectory, parent in waiting:
        own_id = _own_id(trajectory, parent)
        found.append(_transcript(trajectory, own_id, parent))
        steps = as_list(trajectory.get("steps"))
        bookkeeping["(no object)"] += len(steps) - len(as_objects(steps))
        children = as_objects(trajectory.get("subagent_trajectories"))
        waiting += [(child, own_id or source.stem) for child in children]
    for position, one in enumerate(found, start=1):
        one.position = position if one.session_id is None and position > 1 else None
    return Reading(found, +bookkeeping)


def _own_id(trajectory: Object, parent: str | None) -> str | None:
    own = as_text(trajectory.get("trajectory_id")) or as_text(trajectory.get("session_id"))
    # The id of an embedded trajectory is unique only in the one that holds it.
    return f"{parent}-{own}" if own and parent else own


def _transcript(trajectory: Object, own_id: str | None, parent: str | None) -> Transcript:
    agent = as_object(trajectory.get("agent"))
    steps = as_objects(trajectory.get("steps"))
    messages = [made for number, step in enumerate(steps, start=1) for made in _made(step, number)]
    models = [as_text(step.get("model_name")) for step in steps]
    return Transcript(
        messages=messages,
        session_id=own_id,
        title=first_words(messages, typed_words),
        model=as_text(agent.get("model_name")) or next((one for one in models if one), None),
        parent=parent,
        facts=present(
            schema_version=trajectory.get("schema_version"),
            session_id=trajectory.get("session_id"),
            agent=without(agent, "model_name") or None,
            **{key: trajectory.get(key) for key in _OF_SESSION},
        ),
    )


def _made(step: Object, number: int) -> list[Message]:
    said_by = as_text(step.get("source")) or "unknown"
    given = step.get("step_id")
    own_id = f"step_{given if isinstance(given, int | str) else number}"
    content: JsonValue = step.get("message")
    rest = without(step, "step_id", "source", "message", "tool_calls", "observation")
    if reasoning := as_text(step.get("reasoning_content")):
        del rest["reasoning_content"]
        content = [thinking_part(reasoning), *_parts(content)]
    observation = as_object(step.get("observation"))
    if around := without(observation, "results"):
        rest["observation"] = around
    spoken = message(
        _ROLES.get(said_by, said_by),
        rest,
        id=own_id,
        content=content,
        tool_calls=[_call(call) for call in as_objects(step.get("tool_calls"))],
    )
    results = as_list(observation.get("results"))
    return [
        spoken,
        *(
            _result(result, f"{own_id}_result_{position}", step.get("timestamp"))
            for position, result in enumerate(results, start=1)
        ),
    ]


def _parts(content: JsonValue) -> list[JsonValue]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else [content] if content is not None else []


def _call(call: Object) -> Object:
    around = without(call, "tool_call_id", "function_name", "arguments", "id", "type", "function")
    arguments = arguments_text(call.get("arguments"))
    return tool_call(call.get("tool_call_id"), call.get("function_name"), arguments) | around


def _result(result: JsonValue, own_id: str, time: JsonValue) -> Message:
    fields = as_object(result)
    return message(
        "tool",
        without(fields, "source_call_id", "content") | present(timestamp=time),
        id=own_id,
        content=fields.get("content") if isinstance(result, dict) else result,
        tool_call_id=fields.get("source_call_id"),
    )


ATIF = Format("atif", None, _recognises, _read)
