"""What a message that grows changes in a session, in memory; pure: no file and no lock.

While a message grows, the record of its run says so::

    {"run_id": "run_1", "status": "RUNNING", "status_after": "COMPLETED",
     "streaming": {"msg_2": "<the name of the writer>"}}

Both keys go when no message of the run grows any more; then ``status_after`` is the status. A
message whose writer ended before it leaves the run "INTERRUPTED".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from localsessions._rules.edits import upserted
from localsessions.models.statuses import COMPLETED, INTERRUPTED, RUNNING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message, Session

__all__ = [
    "IsLeft",
    "add_said",
    "are_left",
    "grown",
    "interrupt_left",
    "interrupted",
    "mark",
    "message_in",
    "unmark",
]

Record: TypeAlias = "dict[str, JsonValue]"

IsLeft: TypeAlias = Callable[[str, str], bool]
"""Tells, of a message id and the name of its writer, whether the writer has gone."""


# -- the message ---------------------------------------------------------------------------------


def grown(message: Message, text: str) -> Message:
    """Return a message that says more, in its shape.

    The text goes to the end of the last part of text; if the message has parts and the last one is
    another, into a part of its own. A message without content gets a text.
    """
    if not text:
        return message
    for key in ("parts", "content"):
        parts = message.get(key)
        if isinstance(parts, list):
            return {**message, key: _with_text(parts, text, is_typed=key == "content")}
    said = message.get("content")
    return {**message, "content": f"{said}{text}" if isinstance(said, str) else text}


def _with_text(parts: list[JsonValue], text: str, *, is_typed: bool) -> list[JsonValue]:
    last = parts[-1] if parts else None
    if (
        isinstance(last, dict)
        and isinstance(said := last.get("text"), str)
        and not _is_thought(last)
    ):
        return [*parts[:-1], {**last, "text": said + text}]
    kind: Record = {"type": "text"} if is_typed else {}
    return [*parts, {**kind, "text": text}]


def _is_thought(part: Mapping[str, JsonValue]) -> bool:
    return part.get("thought") is True or part.get("type") in ("thinking", "reasoning")


def message_in(session: Session, message: Message) -> Message | None:
    """Return the stored form of a message, by id and run; None if it is gone."""
    for one in reversed(session.messages):
        if one.get("id") == message["id"] and one.get("run_id") == message["run_id"]:
            return one
    return None


def add_said(session: Session, message: Message) -> Message:
    """Put a message in its place or, if it is not there, at the end; return it as it is stored."""
    session.messages = upserted(session.messages, [message], str(message["run_id"]))
    return message_in(session, message) or message


# -- the run -------------------------------------------------------------------------------------


def mark(session: Session, message: Message, writer: str) -> None:
    """Say in the record of its run who writes a message; the run is made if it is not there."""
    run = _run_of(session, message)
    growing = _growing(run)
    if growing.get(str(message["id"])) == writer:
        return
    after = run["status_after"] if growing else _status_after(run)
    told: Record = {"status": RUNNING, "status_after": after}
    streaming: Record = {**growing, str(message["id"]): writer}
    _put_run(session, {**run, **told, "streaming": streaming})


def unmark(session: Session, message: Message, *, is_complete: bool) -> None:
    """Say no longer that a message grows; the last one gives the run its status."""
    run = _run_of(session, message)
    _put_run(session, _without(run, str(message["id"]), is_complete=is_complete))


def are_left(run: Mapping[str, JsonValue], is_left: IsLeft) -> bool:
    """Tell whether messages of a run were growing, and the writers of all of them have gone."""
    growing = _growing(run)
    return bool(growing) and all(is_left(one, str(writer)) for one, writer in growing.items())


def interrupted(run: Mapping[str, JsonValue]) -> Record:
    """Return the record of a run whose writers have gone."""
    made = dict(run)
    for message_id in _growing(run):
        made = _without(made, message_id, is_complete=False)
    return made


def interrupt_left(session: Session, is_left: IsLeft) -> None:
    """Make those runs interrupted whose writers have gone."""
    for run in session.runs:
        if are_left(run, is_left):
            _put_run(session, interrupted(run))


def _without(run: Record, message_id: str, *, is_complete: bool) -> Record:
    left = {key: writer for key, writer in _growing(run).items() if key != message_id}
    after = run.get("status_after", COMPLETED) if is_complete else INTERRUPTED
    if left:
        return {**run, "status_after": after, "streaming": left}
    is_ours = run.get("status", RUNNING) in (RUNNING, INTERRUPTED)
    made = {**run, "status": after} if is_ours else run
    return {key: made[key] for key in made if key not in ("status_after", "streaming")}


def _status_after(run: Record) -> JsonValue:
    status = run.get("status")
    is_kept = isinstance(status, str) and status.upper() != INTERRUPTED
    return status if is_kept else COMPLETED


def _growing(run: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    growing = run.get("streaming")
    return growing if isinstance(growing, dict) else {}


def _run_of(session: Session, message: Message) -> Record:
    run_id = message["run_id"]
    found = (run for run in session.runs if run["run_id"] == run_id)
    return dict(next(found, {"run_id": run_id}))


def _put_run(session: Session, run: Record) -> None:
    places = [at for at, one in enumerate(session.runs) if one["run_id"] == run["run_id"]]
    place = places[0] if places else len(session.runs)
    session.runs = [*session.runs[:place], run, *session.runs[place + 1 :]]
