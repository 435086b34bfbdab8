"""Many processes on one session, and processes that are killed, through each adapter."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import needs
import pytest
from document.places import PLACES, place_of
from proof.nursery import unmeasured

from conftest import PROGRAMS
from localsessions import SessionStore
from localsessions.adapters.document import speech_of

FRAMEWORKS = {
    "openai_agents": "shared",
    "claude_agent": "shared@p",
    "google_adk": "shared@u@a",
    "langgraph": "shared",
    "pydantic_ai": "shared",
    "strands": "shared",
}
ADAPTERS = needs.marked(FRAMEWORKS, {name: name.replace("_", " ") for name in FRAMEWORKS})
BATCHES = {"google_adk": 2, "langgraph": 2, "pydantic_ai": 2}
"""How many a process writes: where what others wrote refuses a write, each is tried many times."""
WRITES_SEVERAL = ("google_adk", "langgraph")
"""These write more than one thing in a turn; for the others the engines' own tests say as much."""
AT = [
    pytest.param(framework.values[0], kind.values[0], marks=[*framework.marks, *kind.marks])
    for framework in ADAPTERS
    for kind in PLACES
    if kind.values[0] == "folder" or framework.values[0] in WRITES_SEVERAL
]
pytestmark = pytest.mark.needs("fork")


def written(framework: str, place: str, *numbers: int) -> tuple[list[str], list[str]]:
    """Return the batches that were acknowledged, and all that are in the session, in order."""
    program = [sys.executable, "-W", "error", PROGRAMS / "adapters_at_once.py", framework, place]
    done = subprocess.run(
        [*map(str, (*program, *numbers))],
        capture_output=True,
        text=True,
        env=unmeasured(),
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with SessionStore(place) as store:
        said = [speech_of(one) for one in store.load(FRAMEWORKS[framework]).messages]
    calls = [one.calls[0].id for one in said if one.calls]
    results = [one.results[0].call_id for one in said if one.results]
    assert calls == results  # a batch is whole, or not there
    return [line.replace(" ", "-") for line in done.stdout.splitlines()], calls


@pytest.mark.parametrize(("framework", "kind"), AT)
def test_sixteen_processes_lose_and_repeat_nothing(
    framework: str, kind: str, tmp_path: Path
) -> None:
    batches = BATCHES.get(framework, 5)
    acknowledged, stored = written(framework, place_of(kind, tmp_path), 16, batches, 0)
    assert len(acknowledged) == 16 * batches
    assert Counter(acknowledged) == Counter(stored)
    for who in range(16):
        own = [one for one in stored if one.startswith(f"p{who}-")]
        assert own == [f"p{who}-{number}" for number in range(batches)]


@pytest.mark.parametrize(("framework", "kind"), AT)
def test_a_killed_process_leaves_what_was_acknowledged_and_no_half_batch(
    framework: str, kind: str, tmp_path: Path
) -> None:
    acknowledged, stored = written(framework, place_of(kind, tmp_path), 1, 2, 8)
    assert {f"k{number}-0" for number in range(8)} <= set(acknowledged) <= set(stored)
    assert len(set(stored)) == len(stored) <= len(acknowledged) + 8
