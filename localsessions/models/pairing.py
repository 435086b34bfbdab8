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
    for at, places in pairs.orphans.items():
        said[at] = without_results(messages[at], places)
    following: dict[int, list[Message]] = {}
    for at, places in pairs.lacking.items():
        if unfinished == "leave_out":
            said[at] = without_calls(messages[at], places)
        else:
            following[at] = _answer(said, messages[at], places, pairs.results.get(at, ()))
    return list(_in_order(said, pairs, following))


class _Pairs(NamedTuple):
    """Which results belong to which calls; messages are named by their positions.

    Attributes:
        results: The messages that answer a message.
        moved: The messages of results that have to follow their calls: each with its call.
        lacking: The places of the calls without results, by message.
        orphans: The places of the results without calls, by message.
    """

    results: dict[int, list[int]]
    moved: dict[int, int]
    lacking: dict[int, set[int]]
    orphans: dict[int, set[int]]


def _pairs_of(messages: Sequence[Message]) -> _Pairs:
    pairs = _Pairs({}, {}, {}, {})
    waiting: dict[str, list[tuple[int, int]]] = {}
    last = -1  # the last message that parts what is before it from what is after it
    for at, message in enumerate(messages):
        for place, key in enumerate(results_in(message)):
            if not (found := waiting.get(key)):
                pairs.orphans.setdefault(at, set()).add(place)
                continue
            call_at, call_place = found.pop()
            pairs.lacking[call_at].discard(call_place)
            if place == 0 and call_at < last:
                pairs.moved[at] = call_at
            if at not in pairs.results.setdefault(call_at, []):
                pairs.results[call_at].append(at)
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
    said: list[Message | None], message: Message, places: Collection[int], results: Sequence[int]
) -> list[Message]:
    """Answer calls in the first message of their results, or return messages that answer them."""
    first = said[results[0]] if results else None
    answered = first and with_results(first, message, places)
    if not answered:
        return results_for(message, places)
    said[results[0]] = answered
    return []


def _in_order(
    said: Sequence[Message | None], pairs: _Pairs, following: Mapping[int, list[Message]]
) -> Iterator[Message]:
    for at, message in enumerate(said):
        if message is None or at in pairs.moved or says_nothing(message):
            continue
        yield message
        yield from following.get(at, ())
        moved = [said[one] for one, call_at in pairs.moved.items() if call_at == at]
        yield from (one for one in moved if one is not None)
