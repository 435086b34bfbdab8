"""What the page asks beside other clients: outline, find, cut texts, faults, groups, secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localsessions import Session, SessionStore
from server.asking import Asking

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "  What is\n 2+2? ", "created_at": "2026-01-01T00:00:00Z"},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "Add"}}]},
    {"role": "tool", "content": "x" * 300},
    {"role": "assistant", "content": "STRASSE, Straße", "reasoning": "hm, add"},
    {"role": "user", "content": "made by a program", "isMeta": True},
]


@pytest.fixture
def told(store: SessionStore, tmp_path: Path) -> str:
    store.get_or_create(tmp_path.name, messages=MESSAGES)
    return tmp_path.name


def test_the_outline_says_what_each_message_is(service: Asking, told: str) -> None:
    found = service("GET", f"sessions/{told}/outline").document
    assert found["kinds"] == "wpwwsw"
    assert found["total"] == 6
    assert found["sizes"] == [8, 16, 0, 300, 15, 17]
    assert found["at"][1] == 1_767_225_600
    assert found["prompts"] == [{"position": 1, "text": "What is 2+2?"}]


def test_a_text_is_found_in_whatever_case_and_wherever(service: Asking, told: str) -> None:
    def places(text: str) -> list[tuple[int, int]]:
        answer = service("GET", f"sessions/{told}/find?q={text}").document
        assert answer["total"] == len(answer["places"])
        return [(one["position"], one["count"]) for one in answer["places"]]

    assert places("stra%C3%9Fe") == [(4, 2)]
    assert places("add") == [(2, 1), (4, 1)]
    assert places("nowhere") == []
    assert service("GET", f"sessions/{told}/find?q=").status == 422


def test_long_texts_are_cut_if_that_is_asked_for(service: Asking, told: str) -> None:
    path = f"sessions/{told}/messages?start=2&limit=2"
    cut = service("GET", f"{path}&longest=100").document
    assert cut["cut"] == [3]
    assert cut["messages"][1]["content"] == "x" * 100
    assert cut["messages"][0]["tool_calls"] == [{"function": {"name": "Add"}}]
    whole = service("GET", path).document
    assert whole["cut"] == []
    assert whole["messages"][1]["content"] == "x" * 300


def test_a_broken_file_is_shown_with_its_lines_and_saved(service: Asking, tmp_path: Path) -> None:
    with SessionStore(service.folder) as store:
        store.create("torn", messages=[{"role": "user", "content": f"m{n}"} for n in range(40)])
        path = Path(store.path("torn"))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
        kept = path.read_bytes()
    fault = service("GET", "sessions/torn/fault").document
    assert fault["path"] == str(path)
    assert fault["reason"]
    shown = kept.decode().split("\n")[fault["first"] - 1 :][: len(fault["lines"])]
    assert fault["lines"] == [line[:400] for line in shown]
    assert fault["first"] <= fault["line"] < fault["first"] + len(fault["lines"])
    repaired = service("POST", "sessions/torn/repair").document
    assert len(repaired["done"]) == 1
    (made,) = repaired["made"]
    assert service("GET", f"sessions/{made}").document["message_count"] > 20
    assert path.read_bytes() == kept
    saved = service("GET", "search?q=m7").document["hits"]
    assert any(one["session"]["session_id"] != "torn" for one in saved)


def test_nothing_is_wrong_with_a_session(service: Asking, told: str) -> None:
    fault = service("GET", f"sessions/{told}/fault").document
    assert (fault["reason"], fault["line"], fault["lines"]) == (None, None, [])
    assert service("POST", f"sessions/{told}/repair").document["done"] == []
    assert service("GET", "sessions/nosuch/fault").status == 404


def test_groups_are_counted(service: Asking, store: SessionStore) -> None:
    for name in ("g1", "g2"):
        store.get_or_create(name, tags=["red", name])
    tags = service("GET", "groups?by=tag").document["groups"]
    counts = {one["name"]: one["sessions"] for one in tags}
    assert (counts["red"], counts["g1"]) == (2, 1)
    assert tags[0]["name"] == "red"
    fitting = service("GET", "groups?by=tag&tag=g1").document
    assert ([one["sessions"] for one in fitting["groups"]], fitting["total"]) == ([1, 1], 2)
    assert service("GET", "groups?by=colour").status == 422
    assert service("GET", "groups").status == 422


def test_runs_and_agents_say_when_they_were(service: Asking, store: SessionStore) -> None:
    def said(run_id: str, minute: int) -> dict[str, Any]:
        at = f"2026-01-01T00:{minute:02}:00Z"
        return {"role": "assistant", "content": "x", "run_id": run_id, "created_at": at}

    made = Session(session_id="spans", last_activity=datetime(2026, 1, 1, 1, tzinfo=UTC))
    made.runs = [
        {"run_id": "r1", "agent_id": "coder", "status": "COMPLETED", "created_at": 1_767_225_600},
        {"run_id": "r2", "agent_name": 7, "created_at": "not a time"},
    ]
    made.messages = [said("r1", 1), said("r3", 2), said("r1", 3)]
    made.agent_context = {
        "switches": [
            {"to": "coder", "timestamp": "2026-01-01T00:00:00Z"},
            {"to": "reviewer", "timestamp": "2026-01-01T00:30:00Z"},
            {"to": None},
        ]
    }
    store.save(made)
    begin, keys = 1_767_225_600, ("kind", "name", "status", "first", "last", "begin", "end")
    found = service("GET", "sessions/spans/outline").document["spans"]
    assert [tuple(one[key] for key in keys) for one in found] == [
        ("run", "coder", "COMPLETED", 0, 2, begin, begin + 180),
        ("run", "r2", None, None, None, None, None),
        ("run", "r3", None, 1, 1, begin + 120, begin + 120),
        ("agent", "coder", None, None, None, begin, begin + 1800),
        ("agent", "reviewer", None, None, None, begin + 1800, None),
    ]


def test_secrets_are_told_and_not_shown(service: Asking, store: SessionStore) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    store.get_or_create("secret", messages=[{"role": "user", "content": f"use {secret} now"}])
    answer = service("GET", "sessions/secret/secrets")
    (found,) = answer.document["secrets"]
    assert found["message"] == 1
    assert secret.encode() not in answer.body


USAGE: list[dict[str, Any]] = [
    {"role": "user", "content": "x"},
    {"role": "assistant", "message_id": "r1", "usage": {"input_tokens": 3, "output_tokens": 9}},
    {
        "role": "assistant",
        "message_id": "r1",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 20},
    },
    {"role": "assistant", "tokens": {"input": 50, "output": 5, "total": 55}},
    {"role": "assistant", "metrics": {"inputTokens": 7, "outputTokens": 1, "cost": 0.25}},
    {"role": "assistant", "outputTokens": 12, "usage": {"input_tokens": "many"}},
    {"role": "assistant", "usage": {"output_tokens": True}, "tokens": [1], "cost": 9},
]


def test_usage_is_what_the_messages_state(service: Asking, store: SessionStore) -> None:
    store.get_or_create("usage", messages=USAGE)
    usage = service("GET", "sessions/usage/outline").document["usage"]
    assert usage["requests"] == [[2, 103, 20], [3, 50, 5], [4, 7, 1], [5, 0, 12]]
    assert (usage["peak_context"], usage["written"], usage["cost"]) == (103, 38, 0.25)


def test_nothing_is_said_of_tokens_where_nothing_states_them(service: Asking, told: str) -> None:
    assert service("GET", f"sessions/{told}/outline").document["usage"] is None
