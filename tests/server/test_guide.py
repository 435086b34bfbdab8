"""The guide's clients: fields and types as their models have them, against real answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore
from server.asking import Asking, running

MODELS = Path(__file__).with_name("guide_models.txt")


def fields_of(model: str) -> Iterator[tuple[str, str, bool]]:
    for line in MODELS.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, key, kind, need = line.split()
            if name == model:
                yield key, kind, need == "required"


def check(model: str, value: Any, place: str) -> int:
    """Check a value as the client's cast does; return how many fields were there."""
    assert isinstance(value, dict), place
    seen = 0
    for key, kind, is_required in fields_of(model):
        found = value.get(key)
        assert found is not None or not is_required, f"{place}.{key}"
        if found is None:
            continue
        seen += 1
        if kind == "text":
            assert type(found) is str, f"{place}.{key}"
        elif kind == "integer":
            assert type(found) is int, f"{place}.{key}"
        else:
            assert type(found) is list, f"{place}.{key}"
            for at, item in enumerate(found):
                seen += check(kind.removeprefix("list:"), item, f"{place}.{key}[{at}]")
    return seen


@pytest.fixture(scope="module", params=["--no-token", "with the token"])
def answering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("guide") / "sessions"
    with SessionStore(folder) as store:
        store.create("plain")
        store.create(
            "chat",
            messages=[
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
                {"role": "tool", "content": [{"type": "text", "text": "x"}], "name": "ls"},
                {"role": "assistant", "content": {"odd": 1}, "name": 7},
            ],
        )
        store.switch_agent("chat", "coder", "asked")
        store.switch_agent("chat", "architect")
        (folder / "broken.json").write_text("{")
    arguments = ["--no-token"] if request.param == "--no-token" else []
    with running(folder, *arguments) as asking:
        yield asking


def test_every_answer_fits_the_models_of_the_guide(answering: Asking) -> None:
    listed = answering("GET", "sessions")
    assert listed.headers["content-type"] == "application/json"
    assert check("SessionListResponse", listed.document, "list") >= 11
    assert {one["session_id"] for one in listed.document["sessions"]} == {"broken", "chat", "plain"}
    for session_id, fields in (("chat", 20), ("plain", 3)):
        history = answering("GET", f"sessions/{session_id}/history")
        assert check("SessionHistory", history.document, session_id) >= fields
    current = answering("GET", "agents/chat/current").document
    assert (current["current_agent"], current["switch_count"]) == ("architect", 2)


def test_errors_are_as_ever(answering: Asking) -> None:
    for path, status, said in (
        ("sessions/nobody/history", 404, "Session nobody not found"),
        ("agents/nobody/current", 404, "Session not found"),
        ("agents/plain/current", 404, "Session not found"),
        ("sessions/broken/history", 500, "Session broken cannot be read"),
    ):
        answer = answering("GET", path)
        assert answer.status == status
        assert [*answer.document] == ["error"]
        assert answer.document["error"].startswith(said)
        assert answer.headers["content-type"] == "application/json"
