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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar, get_args

from pydantic import JsonValue

from localsessions.models.calls import brings_results, calls_in, is_item, results_in
from localsessions.models.ids import is_made_id
from localsessions.models.pairing import Unfinished, paired
from localsessions.models.statuses import SKIPPED_STATUSES, UNFINISHED_STATUSES

__all__ = [
    "DEFAULT_RUNS",
    "Seen",
    "Turn",
    "Window",
    "bare",
    "context",
    "framed",
    "history",
    "seen",
    "turns",
    "whole_turns",
]

Message: TypeAlias = dict[str, JsonValue]
"""A message as in the file: any JSON object that has a ``role``."""

Record: TypeAlias = dict[str, JsonValue]

T = TypeVar("T")

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
    from people: each user message begins a turn. Results of tools belong to the turn of their
    calls. A run without messages comes after the run that is recorded before it.
    """
    found, positions = _spoken(messages, runs)
    found += _silent(runs, positions)
    return [turn for _, turn in sorted(found, key=lambda placed: placed[0])]


def _spoken(
    messages: Sequence[Message], runs: Sequence[Record]
) -> tuple[list[tuple[int, Turn]], dict[str, int]]:
    """Return the turns that have messages with the positions where they begin, and the runs'."""
    records = {run_id: run for run in runs if isinstance(run_id := run.get("run_id"), str)}
    by_run: dict[str, tuple[int, list[Message]]] = {}
    calling: dict[str, list[Message]] = {}
    found: list[tuple[int, Turn]] = []
    loose: list[Message] | None = None
    for position, message in enumerate(messages):
        run_id = message.get("run_id")
        if isinstance(run_id, str):
            loose = None
            if run_id not in by_run:
                by_run[run_id] = (position, [])
                found.append((position, Turn(records.get(run_id), by_run[run_id][1])))
            turn = by_run[run_id][1]
        elif (called := _turn_of_calls(message, calling)) is not None:
            turn = called
        elif loose is None or (message.get("role") == "user" and not brings_results(message)):
            turn = loose = []
            found.append((position, Turn(None, loose)))
        else:
            turn = loose
        turn.append(message)
        calling.update(dict.fromkeys(calls_in(message), turn))
    return found, {run_id: position for run_id, (position, _) in by_run.items()}


def _turn_of_calls(message: Message, calling: Mapping[str, list[Message]]) -> list[Message] | None:
    """Return the turn of the calls that a message answers; None if it answers none."""
    return next((calling[key] for key in results_in(message) if key in calling), None)


def _silent(runs: Sequence[Record], positions: Mapping[str, int]) -> Iterator[tuple[int, Turn]]:
    """Yield each run without messages, at the place of the last earlier run that has messages."""
    place = -1
    for run in runs:
        position = positions.get(str(run.get("run_id")))
        if position is None:
            yield place, Turn(run, [])
        else:
            place = max(place, position)


class Window(NamedTuple):
    """Which messages of a session are its history; see ``Session.history``.

    Attributes:
        last_runs: How many turns, counted from the last; None takes all.
        last_messages: How many messages, counted from the last; None takes all.
        skip_roles: Roles that are left out besides "system" and "developer".
        skip_statuses: Statuses of runs that are left out.
        unfinished: What is done with interrupted runs and with calls without results.
        max_tokens: How many tokens, in whole turns counted from the last; None takes all.
        count_tokens: Tells how many tokens a message takes.
        keeps_last: Whether the last turn is there even if it takes more than ``max_tokens``.
    """

    last_runs: int | None = None
    last_messages: int | None = None
    skip_roles: Collection[str] = ()
    skip_statuses: Collection[str] = SKIPPED_STATUSES
    unfinished: Unfinished = "keep"
    max_tokens: int | None = None
    count_tokens: Callable[[Message], int] | None = None
    keeps_last: bool = True

    def around(self, others: Iterable[Message]) -> Self:
        """Return the window that leaves room for other messages."""
        if self.max_tokens is None or self.count_tokens is None:
            return self
        left = self.checked().max_tokens or 0
        return self._replace(max_tokens=max(0, left - sum(map(self.count_tokens, others))))

    def checked(self) -> Self:
        """Return the window with the default of ``last_runs`` in place.

        Raises:
            ValueError: A number is negative, or there is no way to count tokens.
        """
        for name in ("last_runs", "last_messages", "max_tokens"):
            _refuse_negative(name, getattr(self, name))
        if self.unfinished not in get_args(Unfinished):
            choices = ", ".join(map(repr, get_args(Unfinished)))
            raise ValueError(f"unfinished must be one of {choices}, not {self.unfinished!r}")
        if self.max_tokens is not None and self.count_tokens is None:
            raise ValueError(
                "max_tokens needs count_tokens, which tells how many tokens a message takes, as "
                "in count_tokens=lambda message: len(str(message)) // 4"
            )
        if isinstance(self.last_runs, _LeftOut) and self.last_messages is not None:
            return self._replace(last_runs=None)
        return self


def history(messages: Sequence[Message], runs: Sequence[Record], window: Window) -> list[Message]:
    """Return copies of the messages in the window; see ``Session.history``."""
    found = seen(turns(messages, runs), window.checked())
    return [{**copy.deepcopy(one), "from_history": True} for one in found.messages]


class Seen(NamedTuple):
    """What of some turns is in a window; nothing is copied.

    Attributes:
        messages: The messages in the window.
        is_full: Whether turns before these would not be in it.
    """

    messages: list[Message]
    is_full: bool


def seen(found: Iterable[Turn], window: Window) -> Seen:
    """Return the messages of turns that are in a window."""
    told = [said for turn in found if (said := _sent(turn, window))]
    turns_in = _last(told, window.last_runs)
    fitting = _last(turns_in, _fitting(turns_in, window))
    messages = [one for said in fitting for one in said]
    latest = list(_last(messages, window.last_messages))
    if len(latest) < len(messages):
        latest = paired(latest, window.unfinished)
    is_cut = len(fitting) < len(told) or len(latest) < len(messages)
    is_full = is_cut or len(told) == window.last_runs or len(messages) == window.last_messages
    # Every model's interface refuses a tool result whose call is outside the window.
    return Seen(list(dropwhile(brings_results, latest)), is_full)


def _sent(turn: Turn, window: Window) -> list[Message]:
    """Return the messages of a turn that are history, each call with its results."""
    statuses = {status.upper() for status in window.skip_statuses}
    if window.unfinished == "leave_out":
        statuses |= UNFINISHED_STATUSES
    if not _is_sent(turn.run, statuses):
        return []
    unsent = _SYSTEM_ROLES | set(window.skip_roles)
    return paired([one for one in turn.messages if _is_said(one, unsent)], window.unfinished)


def _fitting(told: Sequence[Sequence[Message]], window: Window) -> int:
    """Return how many turns, counted from the last, take no more than ``max_tokens``."""
    if window.max_tokens is None or window.count_tokens is None:
        return len(told)
    left = window.max_tokens
    for fitting, turn in enumerate(reversed(told)):
        left -= sum(map(window.count_tokens, turn))
        if left < 0 and (fitting or not window.keeps_last):
            return fitting
    return len(told)


def whole_turns(messages: Sequence[Message], runs: Sequence[Record]) -> list[Turn]:
    """Return those turns of the last messages of a session that do not begin before them.

    A turn that goes on while one goes on that may begin before them may begin before them, too.
    """
    found, _ = _spoken(messages, runs)
    places = {id(message): place for place, message in enumerate(messages)}
    whole: list[Turn] = []
    reach = 0
    for begin, turn in found:
        if begin <= reach:
            reach = max(reach, places[id(turn.messages[-1])])
        else:
            whole.append(turn)
    return whole


def context(
    user_input: object, system_message: str | None, past: Sequence[Message]
) -> list[Message]:
    """Return system message, past and user's input as messages; see ``Session.context``."""
    before, after = framed(user_input, system_message)
    return [*before, *past, *after]


def framed(user_input: object, system_message: str | None) -> tuple[list[Message], list[Message]]:
    """Return the messages before the history and those after it; None is no input."""
    before: list[Message] = []
    if system_message:
        before = [{"role": "system", "content": system_message}]
    return before, [] if user_input is None else [_message_of(user_input)]


def _message_of(user_input: object) -> Message:
    given: Any = user_input  # the store refuses what is no JSON when it is stored
    if not isinstance(given, Mapping):
        return {"role": "user", "content": copy.deepcopy(given)}
    if not isinstance(given.get("role"), str):
        raise ValueError(  # noqa: TRY004
            "a message as input needs a role, a text; other content is a text or a list of parts"
        )
    return copy.deepcopy(dict(given))


def _is_sent(run: Record | None, skip_statuses: Collection[str]) -> bool:
    """Tell whether a run's messages are history: no team member's run, and no skipped status."""
    if run is None:
        return True
    status = run.get("status")
    skipped = isinstance(status, str) and status.upper() in skip_statuses
    return run.get("parent_run_id") is None and not skipped


def _is_said(message: Message, unsent_roles: Collection[str]) -> bool:
    """Tell whether a message is new in its turn; a tagged message repeats an earlier turn.

    Results of tools have the role "tool", whoever brings them in the shape of the message.
    """
    role = "tool" if results_in(message) else message.get("role")
    return not message.get("from_history") and role not in unsent_roles


def bare(message: Message) -> Message:
    """Return a copy of a message as its interface takes it: without the keys of the store."""
    own = {"created_at", "run_id", "from_history"}
    if is_item(message):
        own |= {"role"}
    if "type" not in message or is_made_id(message.get("id")):
        own |= {"id"}
    return {key: copy.deepcopy(value) for key, value in message.items() if key not in own}


def _last(items: Sequence[T], count: int | None) -> Sequence[T]:
    # Not items[-count:]: for 0 that is everything.
    return items if count is None or count >= len(items) else items[len(items) - count :]


def _refuse_negative(name: str, count: int | None) -> None:
    if count is not None and count < 0:
        raise ValueError(f"{name} must be 0 or more, or None for all, not {count}")
