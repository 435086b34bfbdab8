"""The guide's clients: fields and types read from the guide's text, against real answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localsessions import SessionStore
from server.asking import Asking, running

GUIDE = Path(__file__).with_name("guide.md").read_text("utf-8")
# The id that takes the place of the guide's: its session has messages and has switched agents.
CHAT = "chat"


class Field(NamedTuple):
    """What the client's model says of one key."""

    key: str
    kind: str
    is_required: bool


def models() -> dict[str, list[Field]]:
    """The Dart models of the guide, by name; a line that is no field is an error."""
    form = r"(?ms)^  const factory (\w+)\(\{\n(.*?)^  \}\) = _\1;$"
    declared = re.findall(form, GUIDE)
    return {name: [field(line) for line in body.splitlines()] for name, body in declared}


def field(line: str) -> Field:
    form = r"    (?:@JsonKey\(name: '(\w+)'\) )?(required )?([\w<>]+)(\?)? (\w+),"
    found = re.fullmatch(form, line)
    assert found, line
    key, required, kind, nullable, name = found.groups()
    assert bool(required) != bool(nullable), line
    return Field(key or name, kind, bool(required))


def returned() -> dict[str, str]:
    """Which Dart type the client casts the answer of each address to."""
    form = r"(?m)^  @GET\('/(.*)'\)\n  Future<(.*)> \w+\("
    return {address(path): kind for path, kind in re.findall(form, GUIDE)}


def samples() -> dict[str, Any]:
    """The guide's sample answer of each address."""
    form = r"(?m)^## `GET /api/v1/(.*)`\n\n```json\n([^`]*)^```$"
    return {address(path): json.loads(body) for path, body in re.findall(form, GUIDE)}


def address(path: str) -> str:
    return re.sub(r"\{\w+\}", CHAT, path)


MODELS, RETURNED, SAMPLES = models(), returned(), samples()


def cast(kind: str, value: Any, place: str) -> int:
    """Check a value as the client's cast to a Dart type does; return how many fields were there."""
    if kind in MODELS:
        return cast_to_model(kind, value, place)
    if item_kind := re.fullmatch(r"List<(\w+)>", kind):
        assert type(value) is list, place
        return sum(cast(item_kind[1], one, f"{place}[{at}]") for at, one in enumerate(value))
    assert type(value) is {"String": str, "int": int, "Map<String, dynamic>": dict}[kind], place
    return 0


def cast_to_model(model: str, value: Any, place: str) -> int:
    assert type(value) is dict, place
    seen = 0
    for key, kind, is_required in MODELS[model]:
        found = value.get(key)
        assert found is not None or not is_required, f"{place}.{key}"
        if found is not None:
            seen += 1 + cast(kind, found, f"{place}.{key}")
    return seen


def compare(sample: Any, answer: Any, place: str) -> None:
    """An answer has the sample's keys, and their types all the way down."""
    assert type(answer) is type(sample), place
    if isinstance(sample, dict):
        for key in sample:
            assert key in answer, f"{place}.{key}"
            compare(sample[key], answer[key], f"{place}.{key}")
    elif isinstance(sample, list):
        assert answer, place
        for at, item in enumerate(answer):
            compare(sample[0], item, f"{place}[{at}]")


@pytest.fixture(scope="module", params=["--no-token", "with the token"])
def answering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("guide") / "sessions"
    with SessionStore(folder) as store:
        store.create("plain")
        store.create(
            CHAT,
            messages=[
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
                {"role": "tool", "content": [{"type": "text", "text": "x"}], "name": "ls"},
                {"role": "assistant", "content": {"odd": 1}, "name": 7},
            ],
        )
        store.switch_agent(CHAT, "coder", "asked")
        store.switch_agent(CHAT, "architect")
        (folder / "broken.json").write_text("{")
    arguments = ["--no-token"] if request.param == "--no-token" else []
    with running(folder, *arguments) as asking:
        yield asking


def test_the_guide_is_read_whole() -> None:
    assert len(MODELS) == GUIDE.count("const factory ") == 5
    assert len(RETURNED) == GUIDE.count("@GET(") == 3
    assert len(SAMPLES) == GUIDE.count("```json") == 3
    assert [*RETURNED] == [*SAMPLES]
    assert sum(map(len, MODELS.values())) == 19
    for path, kind in RETURNED.items():
        cast(kind, SAMPLES[path], path)


def test_every_answer_fits_the_models_of_the_guide(answering: Asking) -> None:
    seen = {}
    for path, kind in RETURNED.items():
        answer = answering("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        seen[path] = cast(kind, answer.document, path)
    assert seen[f"sessions/{CHAT}/history"] >= 20
    assert seen["sessions"] >= 11
    plain = answering("GET", "sessions/plain/history").document
    assert cast(RETURNED[f"sessions/{CHAT}/history"], plain, "plain") >= 3


@pytest.mark.parametrize("path", SAMPLES)
def test_an_answer_has_the_fields_of_the_guides_sample(answering: Asking, path: str) -> None:
    document = answering("GET", path).document
    if path == "sessions":
        # The sample's sessions have an agent each; the model does not demand it.
        assert {one["session_id"] for one in document["sessions"]} == {"broken", CHAT, "plain"}
        document["sessions"] = [one for one in document["sessions"] if one["session_id"] == CHAT]
    compare(SAMPLES[path], document, path)


def test_the_current_agent_is_the_last_one(answering: Asking) -> None:
    current = answering("GET", f"agents/{CHAT}/current").document
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
