"""Whatever bytes come in, each target of `fuzzing.py` keeps its promise.

In every run hypothesis mutates the seeds a little. Under ``make proof`` atheris is steered by the
branches that an input reaches, each target for some seconds; where it cannot be imported,
hypothesis goes on in its place, and the counts say so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proof.counting import IS_FULL, sized, tried
from proof.fuzzing import TARGETS, close

# Seconds for each target of a full run.
SECONDS = 4
HAS_ATHERIS = find_spec("atheris") is not None
CHUNKS = [b"", b"\0", b"\xff", b'"', b"{", b"}", b"[[", b"\\ud800", b"1e999", b"-0", b"\n", b"../"]


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    close()


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return a seed with some of it replaced, repeated or left out, or anything at all."""
    chunks = st.binary(max_size=8) | st.sampled_from(CHUNKS)
    edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), chunks), max_size=5)

    def apply(seed: bytes, changes: list[tuple[float, int, bytes]], cut: float) -> bytes:
        for place, length, chunk in changes:
            at = int(place * len(seed))
            seed = seed[:at] + chunk + seed[at + length :]
        return seed[: int(cut * len(seed))] if cut < 0.3 else seed

    return st.binary(max_size=64) | st.builds(apply, st.sampled_from(seeds), edits, st.floats(0, 1))


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_is_well(name: str) -> None:
    seeds = TARGETS[name].seeds()
    for seed in seeds:
        TARGETS[name].act(seed)
    assert len(seeds) >= 1


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_seeds_keep_the_promise(name: str) -> None:
    target = TARGETS[name]
    cases = target.cases * sized(1, 5 if HAS_ATHERIS else 50)
    count = 0

    @settings(max_examples=cases, database=None)
    @given(mutated(target.seeds()))
    def check(data: bytes) -> None:
        nonlocal count
        target.act(data)
        count += 1

    check()
    tried("hostile input", f"fuzz cases of {name} by hypothesis", count)


@pytest.mark.proof
@pytest.mark.skipif(not HAS_ATHERIS, reason="atheris is not installed: hypothesis did it all")
@pytest.mark.parametrize("name", TARGETS)
def test_inputs_steered_by_coverage_keep_the_promise(name: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "proof.fuzzing", name, str(SECONDS), str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=250,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", run.stderr)
    assert found is not None, run.stderr[-2000:]
    assert int(found[1]) > len(TARGETS[name].seeds())
    tried("hostile input", f"fuzz cases of {name} by atheris", int(found[1]))


def test_a_full_run_is_steered_by_coverage_where_it_can_be() -> None:
    if IS_FULL and sys.version_info[:2] == (3, 11) and sys.platform == "linux":
        assert HAS_ATHERIS, "atheris belongs to the dependency group proof"
