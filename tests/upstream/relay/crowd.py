"""Sixteen processes of several frameworks add to one session at once."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localsessions import SessionStore
from localsessions.adapters.document import speech_of
from upstream.relay.pythons import pythons_of
from upstream.suites import ROOT

__all__ = ["CrowdError", "crowd", "run"]

FRAMEWORKS = ("openai_agents", "google_adk", "langgraph", "pydantic_ai")
PROCESSES, BATCHES, PATIENCE = 16, 10, 300
PROGRAM = ROOT / "tests" / "programs" / "adapters_at_once.py"
SESSION = "shared"


class CrowdError(AssertionError):
    """What was acknowledged is not there exactly once, or not in the order of who said it."""


def run() -> int:
    """Let all add at once; return how many batches were added.

    Raises:
        CrowdError: See there.
    """
    with tempfile.TemporaryDirectory() as folder:
        return crowd(str(Path(folder, "sessions")), pythons_of(FRAMEWORKS))


def crowd(place: str, pythons: Mapping[str, Path]) -> int:
    """Let them add to a session at a place; return how many batches were added.

    Raises:
        CrowdError: See there.
    """
    with SessionStore(place) as store:
        store.create(SESSION)
        count = PROCESSES // len(pythons)
        commands = {
            name: [*map(str, (python, PROGRAM, name, place, count, BATCHES, 0, f"{name}-"))]
            for name, python in pythons.items()
        }
        with _started(commands) as running:
            ended = [_ended(name, one, count * BATCHES) for name, one in running.items()]
        acknowledged = [line for lines in ended for line in lines]
        said = [speech_of(one) for one in store.load(SESSION).messages]
    calls = [call.id for one in said for call in one.calls]
    results = [result.call_id for one in said for result in one.results]
    _refuse_other(acknowledged, calls)
    _refuse_other(acknowledged, results)
    return len(acknowledged)


@contextmanager
def _started(commands: Mapping[str, Sequence[str]]) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start processes; when the block ends, neither they nor their children go on."""
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands.items():
            running[name] = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        yield running
    finally:
        for one in running.values():
            with one, suppress(ProcessLookupError):  # all have ended
                os.killpg(one.pid, signal.SIGKILL)


def _ended(name: str, process: subprocess.Popen[str], batches: int) -> Sequence[str]:
    out, error = process.communicate(timeout=PATIENCE)
    if process.returncode or error:
        raise CrowdError(f"{name}: {error}")
    lines = [line.replace(" ", "-") for line in out.splitlines()]
    if len(lines) != batches:
        raise CrowdError(f"{name} acknowledged {len(lines)} of {batches} batches")
    return lines


def _refuse_other(acknowledged: Sequence[str], stored: Sequence[str]) -> None:
    if Counter(acknowledged) != Counter(stored):
        lost, more = (
            Counter(acknowledged) - Counter(stored),
            Counter(stored) - Counter(acknowledged),
        )
        raise CrowdError(f"lost: {[*lost]}; twice, or of nobody: {[*more]}")
    for who in {one.rpartition("-")[0] for one in stored}:
        own = [int(one.rpartition("-")[2]) for one in stored if one.rpartition("-")[0] == who]
        if own != sorted(own):
            raise CrowdError(f"{who} said {own} in this order")
