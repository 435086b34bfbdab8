"""The part of a session that is sent to a model: its turns, a window of them, the context. Pure.

No model class and no disk: the functions take the ``messages`` and ``runs`` of a session as they
are stored, and return copies. The shape of the data::

    Turn       an exchange: the record of a run with the messages of that run, or messages without
               a run, from a user message up to the next user message
    history    the messages of the last turns, to remind a model of them
    context    system message, history, user's input: the messages that are sent

The rules are those of agno's ``AgentSession.get_messages`` (3.1), so that a chat is the same for
both, except that two faults are corrected: a limit of 1 or less never returns everything, and a
window never holds a system message.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Final, NamedTuple, TypeAlias, TypeVar

from pydantic import JsonValue

__all__ = ["DEFAULT_RUNS", "SKIPPED_STATUSES", "Turn", "context", "history", "turns"]

Message: TypeAlias = dict[str, JsonValue]
"""A message as in the file: any JSON object that has a ``role``."""

Record: TypeAlias = dict[str, JsonValue]

T = TypeVar("T")

SKIPPED_STATUSES: Final = frozenset({"ERROR", "CANCELLED", "PAUSED", "REGENERATED"})
"""Runs with these statuses are stored, but not sent."""

# OpenAI's newer models call the system role "developer".
_SYSTEM_ROLES = frozenset({"system", "developer"})


class _LeftOut(int):
    """A default value that differs from every number that a caller gives."""


DEFAULT_RUNS: Final[int] = _LeftOut(3)


class Turn(NamedTuple):
    """An exchange between user and agents.

    Attributes:
        run: The record of the run; None if the messages have no recorded run.
        messages: Its messages, in order; empty if the run has no messages yet.
    """

    run: Record | None
    messages: list[Message]


def turns(messages: Sequence[Message], runs: Sequence[Record]) -> list[Turn]:
    """Return the session as turns, in the order of their first messages.

    Messages with the same ``run_id`` are a turn, even if other messages stand between them, as
    happens when two agents talk at once. Messages without a ``run_id`` come from other surfaces or
    from people: each user message begins a turn. A run without messages comes after the run that
    is recorded before it.
    """
    by_run: dict[str, tuple[int, list[Message]]] = {}
    found: list[tuple[int, Turn]] = []
    records = {run_id: run for run in runs if isinstance(run_id := run.get("run_id"), str)}
    loose: list[Message] | None = None
    for position, message in enumerate(messages):
        run_id = message.get("run_id")
        if isinstance(run_id, str):
            loose = None
            if run_id not in by_run:
                by_run[run_id] = (position, [])
                found.append((position, Turn(records.get(run_id), by_run[run_id][1])))
            by_run[run_id][1].append(message)
        elif loose is None or message.get("role") == "user":
            loose = [message]
            found.append((position, Turn(None, loose)))
        else:
            loose.append(message)
    found += _silent(runs, {run_id: position for run_id, (position, _) in by_run.items()})
    return [turn for _, turn in sorted(found, key=lambda placed: placed[0])]


def _silent(runs: Sequence[Record], positions: Mapping[str, int]) -> Iterator[tuple[int, Turn]]:
    """Yield each run without messages, at the place of the last earlier run that has messages."""
    place = -1
    for run in runs:
        position = positions.get(str(run.get("run_id")))
        if position is None:
            yield place, Turn(run, [])
        else:
            place = max(place, position)


def history(
    messages: Sequence[Message],
    runs: Sequence[Record],
    *,
    last_runs: int | None,
    last_messages: int | None,
    skip_roles: Collection[str],
    skip_statuses: Collection[str],
) -> list[Message]:
    """Return copies of the messages in the window; see ``Session.history``."""
    _refuse_negative("last_runs", last_runs)
    _refuse_negative("last_messages", last_messages)
    if isinstance(last_runs, _LeftOut) and last_messages is not None:
        last_runs = None
    unsent = _SYSTEM_ROLES | set(skip_roles)
    statuses = {status.upper() for status in skip_statuses}
    window = [
        said
        for turn in turns(messages, runs)
        if _is_sent(turn.run, statuses)
        and (said := [one for one in turn.messages if _is_said(one, unsent)])
    ]
    latest = _last([one for turn in _last(window, last_runs) for one in turn], last_messages)
    # Every model's interface refuses a tool result whose call is outside the window.
    begun = dropwhile(lambda one: one.get("role") == "tool", latest)
    return [{**copy.deepcopy(one), "from_history": True} for one in begun]


def context(
    user_input: JsonValue, system_message: str | None, past: Sequence[Message]
) -> list[Message]:
    """Return system message, past and user's input as messages; see ``Session.context``."""
    system: list[Message] = []
    if system_message:
        system = [{"role": "system", "content": system_message}]
    return [*system, *past, _message_of(user_input)]


def _message_of(user_input: JsonValue) -> Message:
    if not isinstance(user_input, dict):
        return {"role": "user", "content": copy.deepcopy(user_input)}
    if not isinstance(user_input.get("role"), str):
        raise ValueError(  # noqa: TRY004
            "a message as input needs a role, a text; other content is a text or a list of parts"
        )
    return copy.deepcopy(user_input)


def _is_sent(run: Record | None, skip_statuses: Collection[str]) -> bool:
    """Tell whether a run's messages are history: no team member's run, and no skipped status."""
    if run is None:
        return True
    status = run.get("status")
    skipped = isinstance(status, str) and status.upper() in skip_statuses
    return run.get("parent_run_id") is None and not skipped


def _is_said(message: Message, unsent_roles: Collection[str]) -> bool:
    """Tell whether a message is new in its turn; a tagged message repeats an earlier turn."""
    return not message.get("from_history") and message.get("role") not in unsent_roles


def _last(items: Sequence[T], count: int | None) -> Sequence[T]:
    # Not items[-count:]: for 0 that is everything.
    return items if count is None or count >= len(items) else items[len(items) - count :]


def _refuse_negative(name: str, count: int | None) -> None:
    if count is not None and count < 0:
        raise ValueError(f"{name} must be 0 or more, or None for all, not {count}")
