"""Imported at each step while the program still writes: the last state is that of one import."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localsessions.store import SessionStore
from localsessions.transcripts import import_paths

if TYPE_CHECKING:
    from pydantic import JsonValue

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
LINES = sorted(
    path.relative_to(TRANSCRIPTS).as_posix()
    for path in TRANSCRIPTS.glob("*/*.jsonl")
    if path.stat().st_size < 200_000
)
DOCUMENTS = {
    "atif/nemo_relay_atif_v1.7_real_redacted.json": "steps",
    "cline/api_conversation_history.json": "",
    "cline-sdk/1784094124598_rruoq.messages.json": "messages",
    "gemini/entire-ab2b9748b105.json": "messages",
    "roo/api_conversation_history.json": "",
    "swe-agent/function_calling_simple.traj": "history",
    "webvoyager/ESPN-11.json": "",
    "mini-swe-agent/local.traj.json": "",
}
"""Files of one document, and the key of the list in it that grows."""
STEPS = 5
TIMES = 12


def state(store: SessionStore) -> dict[str, dict[str, Any]]:
    """Return all that an import wrote, by session."""
    found = {}
    for one in store.list(limit=999):
        session = store.load(one.session_id)
        found[one.session_id] = session.model_dump(exclude={"revision", "updated_at"})
    return found


def cuts(seed: str, end: int) -> list[int]:
    """Return where a file is cut, one step after the other; now and then it is shorter again."""
    chance = random.Random(seed)
    places = [chance.randrange(end + 1) for _ in range(STEPS)]
    return [*(sorted(places) if chance.random() < 0.7 else places), end]


def check(name: str, parts: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "in" / Path(name).name
    path.parent.mkdir()
    with SessionStore(tmp_path / "steps", durability="fast") as store:
        for part in parts:
            path.write_bytes(part)
            os.utime(path, (1_700_000_000, 1_700_000_000))  # else an undated session tells it
            import_paths(store, [path])
        (again,) = import_paths(store, [path]).files
        by_steps = state(store)
    with SessionStore(tmp_path / "once", durability="fast") as store:
        (report,) = import_paths(store, [path]).files
        at_once = state(store)
    assert (again.imported, again.grown, again.both) == (0, 0, 0)
    assert by_steps.keys() == at_once.keys()
    assert sum(len(one["messages"]) for one in by_steps.values()) == report.messages
    for session_id, expected in at_once.items():
        for name, value in expected.items():
            assert (name, by_steps[session_id][name]) == (name, value)


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("name", LINES)
def test_lines_that_are_cut_anywhere_grow_to_what_one_import_gives(
    name: str, seed: int, tmp_path: Path
) -> None:
    data = (TRANSCRIPTS / name).read_bytes()
    check(name, [data[:end] for end in cuts(f"{name} {seed}", len(data))], tmp_path)


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_is_cut_at_a_record_grows_to_what_one_import_gives(
    name: str, seed: int, tmp_path: Path
) -> None:
    document, key = json.loads((TRANSCRIPTS / name).read_bytes()), DOCUMENTS[name]
    whole: list[JsonValue] = document[key] if key else document

    def cut(end: int) -> bytes:
        part: JsonValue = document | {key: whole[:end]} if key else whole[:end]
        return json.dumps(part).encode()

    parts = [cut(end) for end in cuts(f"{name} {seed}", len(whole))]
    check(name, parts, tmp_path)
