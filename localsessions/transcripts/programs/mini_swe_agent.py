"""mini-swe-agent trajectories, ``.traj.json``: chat messages, each with an ``extra``.

``extra`` holds the time and the provider's whole response; what repeats the message is left out.
Old or minimal files are a list of messages, which only the agent's marker tells from other lists.

A run that ends with an error has it in ``info``: what no message says of ``submission`` and
``traceback`` becomes a message of the role ``exit``, as newer versions write it themselves.
https://mini-swe-agent.com/latest/usage/output_files/
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING

from localsessions.format import parse_json
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
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts.source import Source

__all__ = ["MINI_SWE_AGENT_TRAJ"]

_MARKER = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


def _recognises(source: Source) -> bool:
    if isinstance(source.document, list):
        opening = as_objects(source.document[:2])
        return any(
            "role" in item and _MARKER in str(as_text(item.get("content"))) for item in opening
        )
    root = source.root
    is_named = str(root.get("trajectory_format")).startswith("mini-swe-agent")
    return isinstance(root.get("messages"), list) and (
        is_named or "mini_version" in as_object(root.get("info"))
    )


def _read(source: Source) -> Reading:
    listed = as_list(source.document) or as_list(source.root.get("messages"))
    messages = [item for item in as_objects(listed) if as_text(item.get("role"))]
    info = as_object(source.root.get("info"))
    model = as_object(as_object(info.get("config")).get("model"))
    found = Transcript(
        messages=[*map(_message, messages), *_exit(messages, info)],
        model=as_text(model.get("model_name")),
        facts=present(
            instance_id=as_text(source.root.get("instance_id")),
            cli_version=as_text(info.get("mini_version")),
            exit_status=as_text(info.get("exit_status")),
            model_stats=as_object(info.get("model_stats")) or None,
        ),
    )
    return Reading([found], +Counter({"(no role)": len(listed) - len(messages)}))


def _exit(messages: list[Object], info: Object) -> list[Message]:
    """Return what the run ended with, if no message says it."""
    said = [
        text
        for item in messages
        for fields in (item, as_object(item.get("extra")))
        for key in ("content", "submission", "traceback")
        if (text := as_text(fields.get(key)))
    ]
    texts = [as_text(info.get(key)) for key in ("submission", "traceback")]
    unsaid = [text for text in texts if text and not any(text in one for one in said)]
    if not unsaid:
        return []
    content = unsaid[-1] if unsaid[0] in unsaid[-1] else "\n\n".join(unsaid)
    exited = present(exit_status=info.get("exit_status"))
    return [message("exit", exited, id="exit", content=content)]


def _message(item: Object) -> Message:
    extra = as_object(item.get("extra"))
    if extra:
        item = item | {"extra": _without_copies(extra, item)}
    return chat_message(item, time=extra.get("timestamp"))


def _without_copies(extra: Object, item: Object) -> Object:
    """Leave out of ``extra`` what repeats the message: its text, its calls, and itself."""
    if extra.get("submission") == item.get("content"):
        extra = without(extra, "submission")
    if extra.get("actions") and extra["actions"] == _actions(item):
        extra = without(extra, "actions")
    response = as_object(extra.get("response"))
    if not isinstance(response.get("choices"), list):
        return extra
    choices: list[JsonValue] = [
        _without_copy(choice, item) if isinstance(choice, dict) else choice
        for choice in as_list(response.get("choices"))
    ]
    return extra | {"response": response | {"choices": choices}}


def _actions(item: Object) -> list[JsonValue]:
    """Return the ``actions`` that the agent writes for the calls of a message."""
    actions: list[JsonValue] = []
    for call in as_objects(item.get("tool_calls")):
        text = as_text(as_object(call.get("function")).get("arguments"))
        with contextlib.suppress(json.JSONDecodeError):
            arguments = as_object(parse_json((text or "{}").encode(errors="replace")))
            actions.append(arguments | {"tool_call_id": call.get("id")})
    return actions


def _without_copy(choice: Object, item: Object) -> Object:
    spoken = as_object(choice.get("message"))
    copied = [key for key, value in spoken.items() if key in item and item[key] == value]
    return choice | {"message": without(spoken, *copied)} if copied else choice


MINI_SWE_AGENT_TRAJ = Format("mini-swe-agent-traj", "mini-swe-agent", _recognises, _read)
