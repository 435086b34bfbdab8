"""What a session looks like for somebody else, and that it can be read again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.models import Message
from localsessions.transcripts import EXPORT_SUFFIXES, ExportKind, export, read_transcript

from .exported import chat, session

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import SessionStore

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
REAL = [
    "claude/cclog-edge_cases.jsonl",
    "claude/ccviewer-1af7fc5e.jsonl",
    "claude/entire-48b429896bcb-0.jsonl",
    "codex/agentsessions-rollout-2.jsonl",
    "gemini/entire-ab2b9748b105.json",
    "mini-swe-agent/django-13768.traj.json",
    "swe-agent/function_calling_simple.traj",
    "webvoyager/ESPN-11.json",
]


def call(call_id: str) -> dict[str, JsonValue]:
    return {"id": call_id, "type": "function", "function": {"name": "ls", "arguments": "{}"}}


def text(*messages: Message, title: str | None = None) -> str:
    made = session(*messages)
    made.title = title
    return export(made, "markdown").decode()


# Chat completions


@pytest.mark.parametrize("name", REAL)
def test_exported_jsonl_of_a_real_session_has_as_many_messages(name: str, tmp_path: Path) -> None:
    for stored in read_transcript(TRANSCRIPTS / name).sessions:
        path = tmp_path / "out.jsonl"
        path.write_bytes(export(stored, "jsonl"))
        again = read_transcript(path)
        assert again.report.format == "openai-messages"
        assert again.report.messages == len(stored.messages)


@pytest.mark.parametrize("name", REAL)
def test_exported_jsonl_has_the_keys_and_roles_of_the_api_only(name: str) -> None:
    for stored in read_transcript(TRANSCRIPTS / name).sessions:
        for message in chat(*stored.messages):
            assert message.keys() <= {"role", "content", "name", "tool_calls", "tool_call_id"}
            assert message["role"] in {"system", "developer", "user", "assistant", "tool"}


@pytest.mark.parametrize("name", REAL)
def test_every_exported_result_stands_behind_its_call(name: str) -> None:
    for stored in read_transcript(TRANSCRIPTS / name).sessions:
        open_calls: set[str] = set()
        for message in chat(*stored.messages):
            if message["role"] == "tool":
                assert message["tool_call_id"] in open_calls
                continue
            calls = message.get("tool_calls", [])
            assert isinstance(calls, list)
            open_calls = {str(made["id"]) for made in calls if isinstance(made, dict)}


def test_results_of_parallel_calls_move_behind_their_calls() -> None:
    exported = chat(
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "assistant", "tool_calls": [call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    )
    assert [message.get("tool_call_id") for message in exported] == [None, "a", None, "b"]
    assert exported[0]["content"] is None


@pytest.mark.parametrize(
    "orphan",
    [
        {"role": "tool", "tool_call_id": "gone", "content": "1"},
        {"role": "tool", "content": "1"},
    ],
)
def test_orphan_result_is_left_out(orphan: Message) -> None:
    assert chat({"role": "user", "content": "x"}, orphan) == [{"role": "user", "content": "x"}]


def test_result_before_its_call_is_an_orphan() -> None:
    early: Message = {"role": "tool", "tool_call_id": "a", "content": "1"}
    exported = chat(early, {"role": "assistant", "tool_calls": [call("a")]})
    assert [message["role"] for message in exported] == ["assistant"]


def test_message_of_several_results_becomes_one_for_each() -> None:
    results: list[JsonValue] = [
        {"type": "tool_result", "tool_use_id": call_id, "content": f"of {call_id}"}
        for call_id in "ab"
    ]
    exported = chat(
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "content": results},
    )
    assert [message["content"] for message in exported] == [None, "of a", "of b"]


def test_texts_of_a_content_become_one_and_reasoning_is_left_out() -> None:
    parts: list[JsonValue] = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "output_text", "text": "one"},
        "two",
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "c"},
    ]
    assert chat({"role": "assistant", "content": parts})[0]["content"] == "one\ntwo"


def test_images_stay_parts() -> None:
    source: JsonValue = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    parts: list[JsonValue] = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": source},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    assert chat({"role": "user", "content": parts})[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


def test_role_that_the_api_has_not_becomes_system() -> None:
    assert chat({"role": "exit", "content": "x", "name": "n"}) == [
        {"role": "system", "content": "x", "name": "n"}
    ]


@pytest.mark.parametrize("kind", ["json", "jsonl", "markdown"])
def test_every_kind_takes_every_text(kind: ExportKind) -> None:
    odd = "中文 \u2028 \ud800 \x07 'quotes' \"double\""
    data = export(session({"role": "user", "content": odd, "tool_calls": 7}), kind)
    assert "中文" in data.decode()
    assert data.endswith(b"\n")


# JSON


def test_exported_json_is_the_session_file(store: SessionStore) -> None:
    (stored,) = store.create_many(read_transcript(TRANSCRIPTS / REAL[1]).sessions)
    assert export(stored, "json") == store.raw(stored.session_id)


def test_exported_json_comes_back_whole(tmp_path: Path, store: SessionStore, folder: Path) -> None:
    document: dict[str, JsonValue] = {
        "format": "localsessions/1",
        "session_id": "s/1",
        "title": "T",
        "created_at": "2026-01-02T03:04:05.000Z",
        "messages": [{"id": "m", "role": "user", "content": "x"}],
        "runs": [{"run_id": "r"}],
        "state": {"k": 10**30},
        "tags": ["t"],
        "pinned": True,
        "status": "active",
        "last_activity": "2026-01-02T03:04:06.000Z",
        "updated_at": "2026-01-02T03:04:07.000Z",
        "revision": 3,
        "of the future": {"a": None},
    }
    (folder / "s 1.json").write_text(json.dumps(document))
    stored = store.load("s 1")
    path = tmp_path / "out.json"
    path.write_bytes(export(stored, "json"))
    (again,) = read_transcript(path).sessions
    assert json.loads(export(again, "json")) == document | {"session_id": "s 1"}


def test_foreign_id_of_a_session_file_is_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('{"format": "localsessions/1", "session_id": "a/b", "messages": []}')
    (again,) = read_transcript(path).sessions
    assert (again.session_id, again.messages) == ("a_b", [])


def test_session_file_without_an_id_or_times_takes_them_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text('{"format": "localsessions/1", "messages": []}')
    first, second = (read_transcript(path).sessions[0] for _ in range(2))
    assert first.session_id == "found"
    assert first == second


# Markdown


def test_markdown_shows_title_facts_and_a_heading_for_each_message() -> None:
    made = text(
        {"role": "user", "content": "Hello", "created_at": "2026-01-02T03:04:05.000Z"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], "name": "coder"},
        title="A\n talk",
    )
    assert made.startswith("# A talk\n\n- session: `s`\n")
    assert "\n- messages: 2\n" in made
    assert "\n## 1. User — 2026-01-02T03:04:05.000Z\n\nHello\n" in made
    assert made.endswith("\n## 2. Assistant `coder`\n\nHi\n")


def test_markdown_shows_calls_and_results_in_fences() -> None:
    made = text(
        {"role": "assistant", "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": "a.txt\n"},
        {"role": "tool", "content": [{"type": "tool_result", "content": "b", "tool_use_id": "c2"}]},
    )
    assert "Calls `ls` (`c1`):\n\n```json\n{}\n```\n" in made
    assert "Result of `c1`:\n\n```\na.txt\n```\n" in made
    assert "Result of `c2`:\n\n```\nb\n```\n" in made


@pytest.mark.parametrize("fence", ["```", "`````", "~~~~"])
def test_markdown_fence_is_longer_than_any_fence_inside(fence: str) -> None:
    made = text({"role": "tool", "content": f"{fence}\ncode\n{fence}"})
    outer = re.findall(r"^`+$", made, re.MULTILINE)
    assert outer[0] == outer[-1] == "`" * (len(fence) + 1)


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        ("```py\nx", "```py\nx\n```"),
        ("~~~~\n```\n~~~", "~~~~\n```\n~~~\n~~~~"),
        ("```\nx\n```", "```\nx\n```"),
        ("no fence", "no fence"),
    ],
)
def test_markdown_closes_a_fence_that_a_text_leaves_open(said: str, closed: str) -> None:
    assert text({"role": "user", "content": said}).endswith(f"\n\n{closed}\n")


def test_markdown_quotes_reasoning_and_fences_what_is_no_text() -> None:
    made = text(
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "first\n\nthen"}]},
        {"role": "assistant", "summary": [{"type": "summary_text", "text": "in short"}]},
        {"role": "assistant", "thoughts": [{"subject": "Plan", "description": "look"}]},
        {"role": "user", "content": [{"type": "image", "source": ["A" * 5000, None]}]},
    )
    assert "> first\n>\n> then\n" in made
    assert "> in short\n" in made
    assert "> Plan: look\n" in made
    assert "A" * 80 + '… (5000 characters)",\n    null\n' in made


def test_markdown_shows_the_results_that_gemini_keeps_with_its_calls() -> None:
    (stored,) = read_transcript(TRANSCRIPTS / "gemini" / "entire-ab2b9748b105.json").sessions
    assert "Successfully created and wrote to new file" in export(stored, "markdown").decode()


def test_markdown_shows_arguments_that_are_no_json_as_they_are() -> None:
    made = call("c") | {"function": {"name": "ls", "arguments": "{torn"}}
    assert "```json\n{torn\n```" in text({"role": "assistant", "tool_calls": [made]})


def test_markdown_shows_parts_that_are_plain_texts_and_no_empty_ones() -> None:
    made = text({"role": "user", "content": ["one", " ", {"type": "text", "text": "two"}, {}]})
    assert made.endswith("## 1. User\n\none\n\ntwo\n")


def test_markdown_shows_a_result_that_is_no_text_as_json() -> None:
    made = text({"role": "tool", "tool_call_id": "c", "content": [{"type": "image", "n": [1.5]}]})
    assert '"type": "image",\n  "n": [\n    1.5' in made


def test_markdown_title_is_no_markup() -> None:
    assert text({"role": "user", "content": "<b>"}).startswith("# \\<b>\n")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no export kind 'pdf'; choose one of json, jsonl"):
        export(session(), "pdf")  # type: ignore[arg-type]


def test_every_kind_has_a_suffix() -> None:
    assert EXPORT_SUFFIXES == {"json": ".json", "jsonl": ".jsonl", "markdown": ".md"}
