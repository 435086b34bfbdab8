"""The runs of a session and its current agents, each with its messages and times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from localsessions.models import parse_instant

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Session

__all__ = ["moment_of", "spans_of"]

_MOMENTS = ("created_at", "timestamp")
_NAMES = ("agent_name", "agent_id", "team_id", "workflow_id")
_MOST_SECONDS = 1e11
"""Larger numbers than this are milliseconds: as seconds they would be beyond the year 5000."""


def moment_of(record: Mapping[str, JsonValue]) -> int | None:
    """Return when a message was said or a run begun, in seconds since 1970."""
    for key in _MOMENTS:
        value = record.get(key)
        if isinstance(value, str):
            try:
                return int(parse_instant(value).timestamp())
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
            return int(value if value < _MOST_SECONDS else value / 1000)
    return None


def spans_of(session: Session, moments: Sequence[int | None]) -> Iterator[dict[str, JsonValue]]:
    """Yield each run, then each while of a current agent, in their order.

    Args:
        session: The session.
        moments: When each message was said, if that is known.
    """
    positions: dict[str, list[int]] = {}
    for position, message in enumerate(session.messages):
        if isinstance(run_id := message.get("run_id"), str):
            positions.setdefault(run_id, []).append(position)
    records = {str(run["run_id"]): run for run in session.runs}
    for run_id in dict.fromkeys((*records, *positions)):
        yield _run(run_id, records.get(run_id, {}), positions.get(run_id, []), moments)
    yield from _agents(session)


def _run(
    run_id: str,
    record: Mapping[str, JsonValue],
    positions: Sequence[int],
    moments: Sequence[int | None],
) -> dict[str, JsonValue]:
    known = [at for position in positions if (at := moments[position]) is not None]
    if (begun := moment_of(record)) is not None:
        known.append(begun)
    names = (record.get(key) for key in _NAMES)
    status = record.get("status")
    return {
        "kind": "run",
        "name": next((name for name in names if isinstance(name, str) and name), run_id),
        "status": status if isinstance(status, str) else None,
        "first": positions[0] if positions else None,
        "last": positions[-1] if positions else None,
        "begin": min(known, default=None),
        "end": max(known, default=None),
    }


def _agents(session: Session) -> Iterator[dict[str, JsonValue]]:
    switches, last = session.agent_context.get("switches"), session.last_activity
    told = [one for one in switches if isinstance(one, dict)] if isinstance(switches, list) else []
    for switch, following in pairwise([*told, None]):
        if switch is None or not isinstance(name := switch.get("to"), str):
            continue
        yield {
            "kind": "agent",
            "name": name,
            "status": None,
            "first": None,
            "last": None,
            "begin": moment_of(switch),
            "end": moment_of(following) if following else int(last.timestamp()),
        }
