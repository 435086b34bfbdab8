"""Pairing: the calls of a turn and their results, so that a model takes them. Pure.

A model's interface refuses a call without its result, a result without its call, and a message
between the two. The messages of a turn are put right by one of three rules::

    "answer"     a call without a result is answered: it was interrupted
    "leave_out"  a call without a result is left out
    "keep"       all is as it is stored
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from pydantic import JsonValue

from localsessions.models.calls import (
    calls_in,
    is_item,
    only_results,
    results_for,
    results_in,
    says_nothing,
    with_results,
    without_calls,
    without_results,
)

__all__ = ["Unfinished", "paired"]

Message: TypeAlias = dict[str, JsonValue]

Unfinished: TypeAlias = Literal["answer", "leave_out", "keep"]
"""What is done with runs that were interrupted, and with calls without results."""


def paired(messages: Sequence[Message], unfinished: Unfinished) -> list[Message]:
    """Return the messages of a turn, each call with its results, by a rule; none is changed.

    Results stay where they are if only other calls and results are between them and their calls;
    else they follow their calls. A result whose call is not there is left out.
    """
    if unfinished == "keep":
        return list(messages)
    pairs = _pairs_of(messages)
    said: list[Message | None] = list(messages)
    following: dict[int, list[Message]] = {}
    for (at, call_at), places in pairs.moved.items():
        following.setdefault(call_at, []).append(only_results(messages[at], places))
    for at, places in pairs.gone.items():
        said[at] = without_results(messages[at], places)
    for at, places in pairs.lacking.items():
        if unfinished == "leave_out":
            said[at] = without_calls(messages[at], places)
        else:
            _answer(messages[at], places, said, pairs.near.get(at), following.setdefault(at, []))
    return list(_in_order(said, following))


class _Pairs(NamedTuple):
    """Which results belong to which calls; messages are named by their positions.

    Attributes:
        near: The first message of results that stays, by the message of their calls.
        moved: The places of results that have to follow their calls, by both messages.
        gone: The places of results that do not stay where they are, by message.
        lacking: The places of calls without results, by message.
    """

    near: dict[int, int]
    moved: dict[tuple[int, int], set[int]]
    gone: dict[int, set[int]]
    lacking: dict[int, set[int]]


def _pairs_of(messages: Sequence[Message]) -> _Pairs:
    pairs = _Pairs({}, {}, {}, {})
    waiting: dict[str, list[tuple[int, int]]] = {}
    last = -1  # the last message that parts what is before it from what is after it
    for at, message in enumerate(messages):
        for place, key in enumerate(results_in(message)):
            found = waiting.get(key)
            call_at, call_place = found.pop() if found else (-1, -1)
            pairs.lacking.get(call_at, set()).discard(call_place)
            if call_at >= max(last, 0):
                pairs.near.setdefault(call_at, at)
                continue
            pairs.gone.setdefault(at, set()).add(place)
            if call_at >= 0:
                pairs.moved.setdefault((at, call_at), set()).add(place)
        for place, key in enumerate(calls_in(message)):
            waiting.setdefault(key, []).append((at, place))
            pairs.lacking.setdefault(at, set()).add(place)
        if not _is_between(message):
            last = at
    return pairs


def _is_between(message: Message) -> bool:
    """Tell whether a message may stand between a call and its result."""
    is_call = bool(calls_in(message)) and not message.get("tool_calls")
    return is_item(message) or is_call or bool(results_in(message))


def _answer(
    message: Message,
    places: Collection[int],
    said: list[Message | None],
    near: int | None,
    following: list[Message],
) -> None:
    """Answer calls in the first message of their results or, if there is none, in another one."""
    stays = said[near] if near is not None else None
    if near is not None and stays and (more := with_results(stays, message, places)):
        said[near] = more
    elif following and (more := with_results(following[0], message, places)):
        following[0] = more
    else:
        following += results_for(message, places)


def _in_order(
    said: Sequence[Message | None], following: Mapping[int, list[Message]]
) -> Iterator[Message]:
    for at, message in enumerate(said):
        if message is not None and not says_nothing(message):
            yield message
            yield from following.get(at, ())
