"""Tokens and costs, where the messages state them: nothing is guessed, no price is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message

__all__ = ["usage_of"]

_HOLDERS = ("usage", "tokens", "metrics")
_INPUT = ("input_tokens", "prompt_tokens", "input", "inputTokens")
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = ("output_tokens", "completion_tokens", "output", "outputTokens")
_REQUESTS = ("message_id", "requestId")
_MOST_TOKENS = 1e12


class _Usage(NamedTuple):
    """What one request took: the context that was read, and what was written."""

    position: int
    context: int
    written: int
    cost: float | None


def usage_of(messages: Sequence[Message]) -> dict[str, JsonValue] | None:
    """Return what the requests of a session took; None if no message states it.

    A program that cuts one answer into several messages states its usage in each: that is one
    request. The context is what each request read, so its peak counts; what was written is summed.
    """
    requests: dict[str, _Usage] = {}
    for position, message in enumerate(messages):
        if (found := _stated(position, message)) is not None:
            requests[_request_of(position, message)] = found
    if not requests:
        return None
    costs = [one.cost for one in requests.values() if one.cost is not None]
    return {
        "requests": [[one.position, one.context, one.written] for one in requests.values()],
        "peak_context": max(one.context for one in requests.values()),
        "written": sum(one.written for one in requests.values()),
        "cost": sum(costs) if costs else None,
    }


def _stated(position: int, message: Message) -> _Usage | None:
    holders: list[Mapping[str, JsonValue]] = [message]
    holders += [one for key in _HOLDERS if isinstance(one := message.get(key), dict)]
    for holder in reversed(holders):
        context, written = _first(holder, _INPUT), _first(holder, _OUTPUT)
        if context is not None or written is not None:
            cached = sum(_number(holder.get(key)) or 0 for key in _CACHED)
            cost = _number(holder.get("cost"))
            if cost is None:
                cost = _number(message.get("cost"))
            return _Usage(position, int((context or 0) + cached), int(written or 0), cost)
    return None


def _request_of(position: int, message: Message) -> str:
    for key in _REQUESTS:
        value = message.get(key)
        if isinstance(value, str):
            return value
    return f"at {position}"


def _first(holder: Mapping[str, JsonValue], keys: Sequence[str]) -> float | None:
    return next((found for key in keys if (found := _number(holder.get(key))) is not None), None)


def _number(value: JsonValue) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MOST_TOKENS else None  # type: ignore[operator, arg-type]
