"""Runs the relay: twice through all, so that the first one sees what the last one said."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from localsessions import SessionStore
from upstream.relay.pythons import pythons_of
from upstream.relay.step import SESSION, Seen, Step
from upstream.suites import ROOT

__all__ = ["RelayError", "relay", "run"]

LAPS = 2
ORDER = (
    *("openai_agents", "langgraph", "google_adk", "pydantic_ai", "strands"),
    *("agno", "agentscope", "claude_agent", "plain"),
)


class RelayError(AssertionError):
    """A framework did not see what was said, or the file has something twice."""


def run() -> int:
    """Let all take part; return how many turns there were.

    Raises:
        RelayError: A framework did not see what was said, or the file has something twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        return relay(str(Path(folder, "sessions")), pythons_of(ORDER), ORDER)


def relay(place: str, pythons: Mapping[str, Path], order: Sequence[str]) -> int:
    """Let each take its turn, in order; return how many turns there were.

    Args:
        place: A folder that does not exist yet, or an address.
        pythons: The interpreter of each, with its framework.
        order: The names of the programs beside this file.

    Raises:
        RelayError: See there.
    """
    said: Seen = []
    steps = [Step(place, name, at) for at, name in enumerate([*order] * LAPS)]
    for step in steps:
        seen = _played(pythons[step.name], step)
        if seen != said:
            raise RelayError(f"{step.name} saw {_difference(seen, said)}")
        said += step.said
    _refuse_repeated(place, steps)
    return len(steps)


def _played(python: Path, step: Step) -> Seen:
    command = [python, "-m", f"upstream.relay.{step.name}", step.place, step.name, step.number]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=environment, timeout=120
    )
    if done.returncode:
        raise RelayError(f"{step.name}: {done.stderr}")
    return [(kind, text) for kind, text in json.loads(done.stdout.splitlines()[-1])]


def _difference(seen: Seen, said: Seen) -> str:
    for at, (mine, wanted) in enumerate(zip(seen, said, strict=False)):
        if mine != wanted:
            return f"{mine} where {wanted} was said, at {at} of {len(said)}"
    return f"{len(seen)} of {len(said)}: {seen[len(said) :] or said[len(seen) :]}"


def _refuse_repeated(place: str, steps: Sequence[Step]) -> None:
    with SessionStore(place) as store:
        names = [one.session_id for one in store.list()]
        text = store.raw(SESSION).decode()
    if names != [SESSION]:
        raise RelayError(f"it is not one session: {names}")
    for step in steps:
        for kind, words in step.said:
            wanted = words.removeprefix("weather ") + "\\" if kind == "call" else words + '"'
            if (count := text.count(wanted)) != 1:
                raise RelayError(f"{words!r} of {step.name} stands {count} times in the file")
